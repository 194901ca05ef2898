//! Who may write to a file or a folder, as Windows keeps it: an owner, and a list of who may do
//! what.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{GENERIC_ALL, GENERIC_WRITE, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, EqualSid, GetAce, GetTokenInformation,
    INHERIT_ONLY_ACE, IsWellKnownSid, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
    TOKEN_INFORMATION_CLASS, TOKEN_QUERY, TokenOwner, TokenUser, WinBuiltinAdministratorsSid,
    WinCreatorOwnerRightsSid, WinLocalSystemSid,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_APPEND_DATA, FILE_DELETE_CHILD, FILE_WRITE_DATA, WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::SystemServices::{ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It belongs to this user, and nobody but the system and its administrators, who may do
    /// anything, may write to it.
    Ours,
    /// It belongs to another user.
    OfAnother,
    /// Other users may write to it or replace it.
    WritableByOthers,
}

/// The rights to change what a file contains, what has its name, or who has these rights.
const WRITE: u32 = FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | FILE_DELETE_CHILD
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_WRITE
    | GENERIC_ALL;

/// Whose an open file or folder is.
///
/// # Errors
/// If the system does not tell.
pub fn standing(file: &File) -> io::Result<Standing> {
    let descriptor = Descriptor::of(file)?;
    // What an administrator creates belongs to all of them, so the second may differ.
    let own = [Identity::of_process(TokenUser)?, Identity::of_process(TokenOwner)?];
    // SAFETY: all of them are identities, in memory that lives until this returns.
    let is_own = |who: PSID| own.iter().any(|own| unsafe { EqualSid(own.sid(), who) } != 0);
    if descriptor.owner.is_null() || !is_own(descriptor.owner) {
        return Ok(Standing::OfAnother);
    }
    let is_trusted = |who: PSID| {
        let trusted = [WinLocalSystemSid, WinBuiltinAdministratorsSid, WinCreatorOwnerRightsSid];
        // SAFETY: it is an identity of the descriptor's list.
        is_own(who) || trusted.iter().any(|&kind| unsafe { IsWellKnownSid(who, kind) } != 0)
    };
    match descriptor.may_write(is_trusted)? {
        true => Ok(Standing::WritableByOthers),
        false => Ok(Standing::Ours),
    }
}

/// The owner of a file and the list of who may do what with it.
struct Descriptor {
    owner: PSID,
    list: *mut ACL,
    /// The memory that the others point into.
    memory: PSECURITY_DESCRIPTOR,
}

impl Descriptor {
    fn of(file: &File) -> io::Result<Self> {
        let (mut owner, mut list, mut memory) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the handle is open, and the call writes three pointers to places that outlive it.
        let error = unsafe {
            GetSecurityInfo(
                file.as_raw_handle(),
                SE_FILE_OBJECT,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                &raw mut owner,
                ptr::null_mut(),
                &raw mut list,
                ptr::null_mut(),
                &raw mut memory,
            )
        };
        match error {
            0 => Ok(Descriptor { owner, list, memory }),
            error => Err(io::Error::from_raw_os_error(error.cast_signed())),
        }
    }

    /// Whether the list lets anybody write that is not trusted. What denies is not considered, so
    /// the answer may be yes where it need not be.
    fn may_write(&self, is_trusted: impl Fn(PSID) -> bool) -> io::Result<bool> {
        // Without a list, everybody may do everything.
        if self.list.is_null() {
            return Ok(true);
        }
        // SAFETY: the list is in `memory`.
        let entries = unsafe { (*self.list).AceCount };
        for i in 0..u32::from(entries) {
            let mut entry = ptr::null_mut();
            // SAFETY: the list is in `memory`, and the call writes one pointer.
            if unsafe { GetAce(self.list, i, &raw mut entry) } == 0 {
                return Err(io::Error::last_os_error());
            }
            let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
            // SAFETY: every entry of such a list begins with a header and a mask.
            let (header, mask) = unsafe { ((*entry).Header, (*entry).Mask) };
            let kind = u32::from(header.AceType);
            // Some entries are only for what will be created in a folder.
            let is_inert = u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0;
            if is_inert || kind == ACCESS_DENIED_ACE_TYPE || mask & WRITE == 0 {
                continue;
            }
            // SAFETY: in an entry of this kind, an identity begins here.
            let who = unsafe { &raw mut (*entry).SidStart };
            // Entries of other kinds are conditional.
            if kind != ACCESS_ALLOWED_ACE_TYPE || !is_trusted(who.cast()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: `GetSecurityInfo` allocated it, and nothing else frees it.
        unsafe { LocalFree(self.memory) };
    }
}

/// Words for a pointer, flags and the longest identity that there can be, of 68 bytes.
const WORDS: usize = 16;

/// An identity of this process: a pointer, and what it points to. It is where the system put it.
struct Identity(Box<[usize; WORDS]>);

impl Identity {
    /// The identity that is all that a kind of information consists of, or begins with.
    fn of_process(kind: TOKEN_INFORMATION_CLASS) -> io::Result<Self> {
        let mut token: HANDLE = ptr::null_mut();
        // SAFETY: the call writes one handle to a place that outlives it.
        if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above opened it for us.
        let token = unsafe { OwnedHandle::from_raw_handle(token) };
        let mut identity = Identity(Box::new([0; WORDS]));
        let (place, bytes) = (identity.0.as_mut_ptr(), size_of::<[usize; WORDS]>() as u32);
        let mut written = 0;
        // SAFETY: the call writes at most `bytes` bytes, and fails where they are too few.
        let done = unsafe {
            GetTokenInformation(token.as_raw_handle(), kind, place.cast(), bytes, &raw mut written)
        };
        match done {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(identity),
        }
    }

    fn sid(&self) -> PSID {
        ptr::with_exposed_provenance_mut(self.0[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_belongs_to_its_user() {
        let path = std::env::temp_dir().join(format!("resnetc-owner-{}", std::process::id()));
        std::fs::write(&path, b"ours").expect("a temporary file");
        let found = File::open(&path).and_then(|file| standing(&file));
        std::fs::remove_file(&path).expect("it is ours");
        assert_ne!(found.expect("the system tells"), Standing::OfAnother);
    }
}
