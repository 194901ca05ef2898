//! A folder of files that this user owns and nobody else may write. They hold machine code, so what
//! another user could have put there must not run.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::names::Kind;
use crate::one_line::path_line;
use crate::whole_file;

/// A folder that belongs to this user alone.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// Why a file of the folder cannot be opened.
pub(super) enum Refused {
    Missing,
    Because(String),
}

impl Folder {
    /// An existing folder.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let name = path_line(path);
        let failed = |e: std::io::Error| format!("{name}: {e}");
        if !std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Err(format!("{name} is not a folder"));
        }
        let mut options = OpenOptions::new();
        // Windows opens folders only where this is asked for.
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::custom_flags(
            &mut options,
            windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS,
        );
        check_owner(&options.read(true).open(path).map_err(failed)?, &name)?;
        Ok(Folder(path.to_owned()))
    }

    /// The folder, which is created if it is missing.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            return Err("the folder has no name".to_owned());
        }
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.recursive(true).create(path) {
            Err(e) if !path.exists() => Err(format!("{}: {e}", path_line(path))),
            _ => Folder::open(path),
        }
    }

    /// The names of its files of a kind, in order.
    pub(super) fn names(&self, kind: Kind) -> Result<Vec<String>, String> {
        let failed = |e: std::io::Error| format!("{}: {e}", path_line(&self.0));
        let mut names = Vec::new();
        for entry in self.0.read_dir().map_err(failed)? {
            // Names that are not UTF-8 are not those of its files.
            names.extend(entry.map_err(failed)?.file_name().into_string().ok());
        }
        names.retain(|name| kind.has(name));
        names.sort();
        Ok(names)
    }

    /// How long ago a file was last written to, if the system tells.
    pub(super) fn age(&self, name: &str) -> Option<Duration> {
        let written = self.path(name).symlink_metadata().ok()?.modified().ok()?;
        SystemTime::now().duration_since(written).ok()
    }

    /// Files that were begun and that nobody has written to for a while.
    pub(super) fn abandoned(&self) -> Vec<String> {
        const WHILE: Duration = Duration::from_secs(60);
        let mut names = self.names(Kind::Unfinished).unwrap_or_default();
        names.retain(|name| self.age(name).is_some_and(|age| age > WHILE));
        names
    }

    /// The path of a file.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Opens a regular file of this user, which is not a link.
    pub(super) fn file(&self, name: &str) -> Result<File, Refused> {
        let path = self.path(name);
        let text = path_line(&path);
        let mut options = OpenOptions::new();
        // Without waiting for the writer of a pipe.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            libc::O_NOFOLLOW | libc::O_NONBLOCK,
        );
        // A link itself, which is no regular file.
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::custom_flags(
            &mut options,
            windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OPEN_REPARSE_POINT,
        );
        let file = options.read(true).open(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Refused::Missing,
            _ => Refused::Because(format!("{text}: {e}")),
        })?;
        let metadata = file.metadata();
        let metadata = metadata.map_err(|e| Refused::Because(format!("{text}: {e}")))?;
        if !metadata.is_file() {
            return Err(Refused::Because(format!("{text} is not a regular file")));
        }
        check_owner(&file, &text).map_err(Refused::Because)?;
        Ok(file)
    }

    /// The contents of a file of at most `most` bytes.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, Refused> {
        let file = self.file(name)?;
        let failed =
            |reason: String| Refused::Because(format!("{}: {reason}", path_line(self.path(name))));
        let len = file.metadata().map_err(|e| failed(e.to_string()))?.len();
        if len > most {
            return Err(failed(format!("{len} bytes are more than there can be")));
        }
        let mut bytes = Vec::new();
        let reserved = bytes.try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX));
        reserved.map_err(|e| failed(e.to_string()))?;
        file.take(most).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
        Ok(bytes)
    }

    /// Writes a file, as a whole or not at all. Nobody may write to it later, since processes map it
    /// and rely on its contents. It need not reach the disk at once: what a crash
    /// leaves of it does not match its checksum.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), String> {
        let path = self.path(name);
        let fill = |file: &mut File| parts.iter().try_for_each(|part| file.write_all(part));
        whole_file::write_constant(&path, fill).map_err(|e| format!("{}: {e}", path_line(&path)))
    }

    /// Removes a file. One that is gone already is no error.
    pub(super) fn remove(&self, name: &str) -> Result<(), String> {
        let path = self.path(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("{}: {e}", path_line(&path))),
            _ => Ok(()),
        }
    }
}

/// Checks that something belongs to this user, and that nobody else may write to it.
#[cfg(unix)]
fn check_owner(file: &File, name: &str) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    /// Permission to write, for the group and for everybody.
    const OTHERS_WRITE: u32 = 0o022;
    let metadata = file.metadata().map_err(|e| format!("{name}: {e}"))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{name} belongs to another user (number {})", metadata.uid()));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(format!("other users may write to {name}; `chmod go-w` forbids it"));
    }
    Ok(())
}

/// Checks that something belongs to this user, and that nobody else may write to it.
#[cfg(windows)]
fn check_owner(file: &File, name: &str) -> Result<(), String> {
    use crate::host::owner::{Standing, standing};
    match standing(file).map_err(|e| format!("{name}: {e}"))? {
        Standing::Ours => Ok(()),
        Standing::OfAnother => Err(format!("{name} belongs to another user")),
        Standing::WritableByOthers => Err(format!(
            "other users may write to {name}; \
             `icacls FOLDER /inheritance:r /grant:r %USERNAME%:(OI)(CI)F` forbids it"
        )),
    }
}

/// Nothing is trusted where this cannot be found out.
#[cfg(not(any(unix, windows)))]
fn check_owner(_: &File, name: &str) -> Result<(), String> {
    Err(format!("{name}: on this system it is not known who may write to a file"))
}
