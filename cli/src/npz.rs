//! NumPy's `.npz` files: ZIP archives whose members are `.npy` files, stored or deflated.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use resnetc::array::Array;
use resnetc::import::npy;
use resnetc::ir::memory::{NoMemory, copied};
use resnetc::{ErrorCode, whole_file};

use crate::failure::Failure;
use crate::nearest::nearest;
use crate::units;

/// The maximum size of a member. A small archive can hold a member of any size.
const MAX_MEMBER: u64 = 1 << 30;

/// An archive in memory.
#[derive(Debug)]
pub(crate) struct Npz {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The arrays that it holds, by their names without `.npy`.
    members: Vec<(String, Member)>,
}

/// The position of a member, and how it is stored.
#[derive(Clone, Debug)]
struct Member {
    data: Range<usize>,
    is_deflated: bool,
    length: u64,
    crc: u32,
}

impl Npz {
    /// Reads a file and finds its members.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let fail = |reason: String| Failure::file(path, reason).code(ErrorCode::Format);
        let bytes =
            whole_file::read(path, npy::MAX_FILE).map_err(|e| Failure::unreadable(path, e))?;
        let members = members(&bytes).map_err(fail)?;
        if members.is_empty() {
            return Err(fail("it contains no .npy file".to_owned()));
        }
        Ok(Npz { path: path.to_owned(), bytes, members })
    }

    /// The names of the arrays.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// All arrays by their names.
    pub(crate) fn arrays(&self) -> Result<BTreeMap<String, Array>, Failure> {
        self.names().map(|name| Ok((name.to_owned(), self.array(name)?))).collect()
    }

    /// An array by its name.
    pub(crate) fn array(&self, name: &str) -> Result<Array, Failure> {
        let Some((_, member)) = self.members.iter().find(|(known, _)| known == name) else {
            let near = units::name(&nearest(name, self.names()).join(", "));
            let name = units::name(name);
            return Err(Failure::file(&self.path, format!("it has no array \"{name}\""))
                .code(ErrorCode::MissingTensor)
                .help(format!("the file has {near}")));
        };
        let fail = |reason: String, code| {
            let name = units::name(name);
            Failure::file(&self.path, format!("array \"{name}\": {reason}")).code(code)
        };
        let bytes = unpack(&self.bytes[member.data.clone()], member)
            .map_err(|(reason, code)| fail(reason, code))?;
        npy::parse(&bytes).map_err(|e| fail(e.to_string(), e.code()))
    }
}

/// The bytes of a member, or why there are none.
fn unpack(stored: &[u8], member: &Member) -> Result<Vec<u8>, (String, ErrorCode)> {
    let broken = |reason: String| (reason, ErrorCode::Format);
    if member.length > MAX_MEMBER {
        let length = member.length;
        return Err(broken(format!("it has {length} bytes, more than the limit of {MAX_MEMBER}")));
    }
    let memory = |e: NoMemory| (e.to_string(), ErrorCode::OutOfMemory);
    let bytes = match member.is_deflated {
        true => {
            let mut bytes = Vec::new();
            let reader = DeflateDecoder::new(stored);
            let read = reader.take(member.length + 1).read_to_end(&mut bytes);
            read.map_err(|e| match e.kind() {
                ErrorKind::OutOfMemory => memory(NoMemory { bytes: member.length as usize }),
                _ => broken(format!("unpacking failed: {e}")),
            })?;
            bytes
        }
        false => copied(stored).map_err(memory)?,
    };
    let mut crc = Crc::new();
    crc.update(&bytes);
    match bytes.len() as u64 == member.length && crc.sum() == member.crc {
        true => Ok(bytes),
        false => Err(broken("it is damaged: its checksum or length is wrong".to_owned())),
    }
}

/// A number of up to 8 bytes, little-endian.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
}

fn index(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    usize::try_from(number(bytes, at, size)?).ok()
}

/// The members whose names end in `.npy`.
fn members(bytes: &[u8]) -> Result<Vec<(String, Member)>, String> {
    let damaged = || "this is not a readable .npz file: it is damaged or cut short".to_owned();
    if !bytes.starts_with(b"PK") {
        return Err("this is not a .npz file as written by numpy.savez".to_owned());
    }
    let (count, mut at) = directory(bytes).ok_or_else(damaged)?;
    let mut members = Vec::new();
    for _ in 0..count {
        let entry = Entry::at(bytes, at).ok_or_else(damaged)?;
        at = entry.end;
        let Some(name) = entry.name.strip_suffix(".npy") else { continue };
        members.push((name.to_owned(), entry.member(bytes).ok_or_else(damaged)??));
    }
    Ok(members)
}

/// How many entries the directory has and where it begins, from the record at the end of an
/// archive.
fn directory(bytes: &[u8]) -> Option<(usize, usize)> {
    const END: &[u8] = b"PK\x05\x06";
    const LENGTH: usize = 22;
    /// A comment may follow the record.
    const LONGEST: usize = LENGTH + 0xffff;
    let last = bytes.len().checked_sub(LENGTH)?;
    let first = bytes.len().saturating_sub(LONGEST);
    let end = (first..=last).rev().find(|&at| bytes[at..].starts_with(END))?;
    let (count, start) = (index(bytes, end + 10, 2)?, index(bytes, end + 16, 4)?);
    if count != 0xffff && start != 0xffff_ffff {
        return Some((count, start));
    }
    // The record is preceded by the offset of its 64-bit form.
    let large = index(bytes, end.checked_sub(20)?.checked_add(8)?, 8)?;
    bytes.get(large..)?.starts_with(b"PK\x06\x06").then_some(())?;
    Some((index(bytes, large.checked_add(32)?, 8)?, index(bytes, large.checked_add(48)?, 8)?))
}

/// An entry of the directory.
struct Entry {
    name: String,
    is_encrypted: bool,
    method: u64,
    crc: u32,
    /// Bytes stored, bytes unpacked, and the offset of its own header.
    stored: u64,
    length: u64,
    header: u64,
    /// The offset of the next entry.
    end: usize,
}

impl Entry {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        bytes.get(at..)?.starts_with(b"PK\x01\x02").then_some(())?;
        let name = at + 46;
        let extra = name.checked_add(index(bytes, at + 28, 2)?)?;
        let comment = extra.checked_add(index(bytes, at + 30, 2)?)?;
        let end = comment.checked_add(index(bytes, at + 32, 2)?)?;
        let mut entry = Entry {
            name: String::from_utf8_lossy(bytes.get(name..extra)?).into_owned(),
            is_encrypted: number(bytes, at + 8, 2)? & 1 != 0,
            method: number(bytes, at + 10, 2)?,
            crc: number(bytes, at + 16, 4)? as u32,
            stored: number(bytes, at + 20, 4)?,
            length: number(bytes, at + 24, 4)?,
            header: number(bytes, at + 42, 4)?,
            end,
        };
        entry.widen(bytes.get(extra..comment)?);
        Some(entry)
    }

    /// Takes numbers that need more than 32 bits from the extra field that holds them.
    fn widen(&mut self, mut fields: &[u8]) {
        const LARGE: u64 = 1;
        while let (Some(kind), Some(size)) = (number(fields, 0, 2), index(fields, 2, 2)) {
            let mut at = 4;
            for value in [&mut self.length, &mut self.stored, &mut self.header] {
                if kind == LARGE && *value == 0xffff_ffff {
                    *value = number(fields, at, 8).unwrap_or(*value);
                    at += 8;
                }
            }
            fields = fields.get(4 + size..).unwrap_or_default();
        }
    }

    /// `None` if the archive is damaged, an error if the member cannot be read.
    fn member(&self, bytes: &[u8]) -> Option<Result<Member, String>> {
        const STORED: u64 = 0;
        const DEFLATED: u64 = 8;
        if self.is_encrypted || !matches!(self.method, STORED | DEFLATED) {
            let name = units::name(&self.name);
            return Some(Err(format!("\"{name}\" is encrypted or packed in an unusual way")));
        }
        let header = usize::try_from(self.header).ok()?;
        bytes.get(header..)?.starts_with(b"PK\x03\x04").then_some(())?;
        let names = index(bytes, header + 26, 2)? + index(bytes, header + 28, 2)?;
        let start = header.checked_add(30)?.checked_add(names)?;
        let end = start.checked_add(usize::try_from(self.stored).ok()?)?;
        bytes.get(start..end)?;
        let is_deflated = self.method == DEFLATED;
        Some(Ok(Member { data: start..end, is_deflated, length: self.length, crc: self.crc }))
    }
}
