//! Files and folders that appear whole or not at all, and files that are read whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads a regular file of at most `most` bytes.
///
/// What never ends, or grows while it is read, takes no more memory than that; what would keep its reader waiting, such
/// as a pipe, is not opened.
///
/// # Errors
/// If it cannot be read, is no regular file, or is longer.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    // Asked before opening: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Error::other("this is no regular file"));
    }
    let too_long = |length: u64| {
        let text = format!("it has {length} bytes or more, and {most} is the limit");
        Error::new(ErrorKind::FileTooLarge, text)
    };
    if metadata.len() > most {
        return Err(too_long(metadata.len()));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(metadata.len()).unwrap_or(usize::MAX))?;
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_long(bytes.len() as u64)),
        false => Ok(bytes),
    }
}

/// Writes beside the target, then takes its place: what was there stays until the new file is complete on disk.
///
/// # Errors
/// If the file cannot be written; what was there is still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = beside(path)?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|e| {
        // What lies there is ours unless it was there before; the error that counts is the first one.
        if e.kind() != ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&temporary);
        }
    })
}

/// Makes a folder beside its place, lets `fill` put files into it, and moves it there once it is complete.
///
/// # Errors
/// If there is something of this name already, or the folder cannot be filled; nothing is there then that was not there
/// before.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    check_free(path)?;
    let temporary = beside(path)?;
    std::fs::create_dir(&temporary)?;
    let written = fill(&temporary)
        // Writing takes a while, in which something may have appeared.
        .and_then(|()| check_free(path))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // The first error counts.
        let _ = std::fs::remove_dir_all(&temporary);
    })
}

/// Whether nothing has this name.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if something has it, or what the system says.
pub fn check_free(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, "it exists already")),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// A name in the same folder, where a rename cannot fail half-way, that nobody else uses at this time.
fn beside(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::other("the path names no file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(hidden))
}

/// Sees whether [`write()`] could write a file: makes one beside it and takes it away.
///
/// # Errors
/// If none can be made there.
pub fn try_beside(path: &Path) -> Result<()> {
    let temporary = beside(path)?;
    OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    std::fs::remove_file(&temporary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("resnetc-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(&self.0).expect("it is there");
            let name = |e: Result<std::fs::DirEntry>| e.expect("readable").file_name();
            let mut names: Vec<String> =
                entries.map(|e| name(e).to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = Folder::new("file");
        let file = folder.0.join("a");
        write(&file, b"old").expect("it can be written");
        write(&file, b"new").expect("it can be replaced");
        assert_eq!(std::fs::read(&file).expect("it is there"), b"new");
        assert!(write(&folder.0.join("no/such/b"), b"").is_err());
        assert_eq!(folder.names(), ["a"]);
    }

    #[test]
    fn a_file_is_read_whole_up_to_its_limit() {
        let folder = Folder::new("read");
        let file = folder.0.join("a");
        std::fs::write(&file, b"four").expect("it can be written");
        assert_eq!(read(&file, 4).expect("it is short enough"), b"four");
        assert_eq!(read(&file, 3).map_err(|e| e.kind()), Err(ErrorKind::FileTooLarge));
        assert!(read(&folder.0, 4).is_err());
        // These announce no length; the first one would never end, and the second is longer than it says.
        #[cfg(target_os = "linux")]
        {
            assert!(read(Path::new("/dev/zero"), 4).is_err());
            let status = Path::new("/proc/self/status");
            assert_eq!(read(status, 4).map_err(|e| e.kind()), Err(ErrorKind::FileTooLarge));
            assert!(read(status, 1 << 20).expect("it is short enough").starts_with(b"Name:"));
        }
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let folder = Folder::new("folder");
        let path = folder.0.join("a");
        let failed = write_folder(&path, |inside| {
            write(&inside.join("one"), b"1")?;
            assert_eq!(path.symlink_metadata().err().map(|e| e.kind()), Some(ErrorKind::NotFound));
            Err(Error::other("no more"))
        });
        assert!(failed.is_err() && folder.names().is_empty());
        write_folder(&path, |inside| write(&inside.join("one"), b"1")).expect("it can be made");
        let again = write_folder(&path, |_| unreachable!("it is there"));
        assert_eq!(again.map_err(|e| e.kind()), Err(ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read(path.join("one")).expect("it is there"), b"1");
        assert_eq!(folder.names(), ["a"]);
    }
}
