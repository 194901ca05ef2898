//! Files and folders that appear whole or not at all, and files that are read whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Reads a regular file of at most `most` bytes.
///
/// What never ends, or grows while it is read, takes no more memory than that; what would keep its reader waiting, such
/// as a pipe, is not opened.
///
/// # Errors
/// If it cannot be read, is no regular file, is longer, or was changed while it was read.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut source = Source::open(path, most)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(source.len()).unwrap_or(usize::MAX))?;
    (&source.file).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_long(bytes.len() as u64, most));
    }
    // What the system makes up while it is read, as in `/proc`, has no length, and may differ every time.
    if source.len() > 0 {
        source.check(0, &bytes)?;
    }
    Ok(bytes)
}

/// A regular file that is being read, and what the system said of it before.
///
/// What is read while somebody writes may be half of one file and half of another. So everything that is read is checked
/// to be of one, by the length and the time of the last change that the system keeps. (Who writes through a shared mapping
/// may go unseen: systems note such changes late.)
pub(crate) struct Source {
    file: File,
    before: Stamp,
    opened: SystemTime,
}

/// What tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(file: &File) -> Result<Self> {
        let metadata = file.metadata()?;
        Ok(Stamp { len: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// The greatest step between the times that a file system can tell apart: that of FAT.
const TIME_STEP: Duration = Duration::from_secs(2);

impl Source {
    /// Opens a regular file of at most `most` bytes.
    pub(crate) fn open(path: &Path, most: u64) -> Result<Self> {
        // Asked before opening: opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(Error::other("this is no regular file"));
        }
        let (opened, file) = (SystemTime::now(), File::open(path)?);
        let before = Stamp::of(&file)?;
        match before.len > most {
            true => Err(too_long(before.len, most)),
            false => Ok(Source { file, before, opened }),
        }
    }

    /// Its length, as the system says it.
    pub(crate) fn len(&self) -> u64 {
        self.before.len
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Which state of the file this is.
    pub(crate) fn stamp(&self) -> Stamp {
        self.before
    }

    /// Whether the last change is so short ago that a later one may have the same time. A time in the future tells as
    /// little as none.
    pub(crate) fn is_recent(&self) -> bool {
        let age = self.before.modified.and_then(|time| self.opened.duration_since(time).ok());
        age.is_none_or(|age| age <= TIME_STEP)
    }

    /// Fills `bytes` with those from `offset` on. Whether they are all of one state of the file is to be checked then.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(bytes).map_err(cut_short)
    }

    /// Sees that the file did not change while `bytes` were read from `offset` on. After a recent change they are read
    /// once more.
    ///
    /// # Errors
    /// If it was changed, or cannot be read.
    pub(crate) fn check(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.is_recent() && !self.holds(offset, bytes)? {
            return Err(changed());
        }
        match Stamp::of(&self.file)? == self.before {
            true => Ok(()),
            false => Err(changed()),
        }
    }

    /// Whether `bytes` are what is in the file from `offset` on.
    ///
    /// # Errors
    /// If it cannot be read so far.
    pub(crate) fn holds(&mut self, offset: u64, bytes: &[u8]) -> Result<bool> {
        let mut again = [0; 1 << 16];
        self.file.seek(SeekFrom::Start(offset))?;
        for piece in bytes.chunks(again.len()) {
            let again = &mut again[..piece.len()];
            self.file.read_exact(again).map_err(cut_short)?;
            if again != piece {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn too_long(length: u64, most: u64) -> Error {
    let text = format!("it has {length} bytes or more, and {most} is the limit");
    Error::new(ErrorKind::FileTooLarge, text)
}

/// What is said of a file that was written to between two looks at it.
pub(crate) fn changed() -> Error {
    Error::other("the file was changed while it was read; try again when it is complete")
}

fn cut_short(error: Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => changed(),
        _ => error,
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
    fn what_is_read_is_of_one_state_of_the_file() {
        let folder = Folder::new("steady");
        let file = folder.0.join("a");
        let open = || {
            std::fs::write(&file, [b'o'; 100_000]).expect("it can be written");
            Source::open(&file, 1 << 20).expect("it is there")
        };
        let mut bytes = vec![0; 50_000];
        let mut steady = open();
        let mut read = |source: &mut Source| {
            source.read(100, &mut bytes)?;
            source.check(100, &bytes)?;
            Ok::<_, Error>(bytes.clone())
        };
        let found = read(&mut steady).expect("nobody wrote");
        assert!(found.iter().all(|&b| b == b'o'));
        // Shorter, longer, and as long with other contents: between opening and reading, and behind what was read.
        let changes: [&[u8]; 4] = [&[b'o'; 40_000], &[b'o'; 200_000], &[b'n'; 100_000], &[]];
        for new in changes {
            let mut source = open();
            std::fs::write(&file, new).expect("it can be written");
            // Where times are coarse this may be the new file, whole.
            if let Ok(found) = read(&mut source) {
                assert!(new.len() == 100_000 && found.iter().all(|&b| b == b'n'));
            }
            let mut source = open();
            let old = vec![b'o'; 50_000];
            std::fs::write(&file, new).expect("it can be written");
            assert!(source.check(100, &old).is_err(), "{} bytes", new.len());
        }
        // Another file of the name is another file.
        let mut source = open();
        write(&file, b"new").expect("it can be replaced");
        read(&mut source).expect("the old file is as it was");
    }

    #[test]
    fn a_change_that_leaves_the_time_is_seen_if_it_is_recent() {
        let folder = Folder::new("time");
        let file = folder.0.join("a");
        std::fs::write(&file, b"old").expect("it can be written");
        let mut source = Source::open(&file, 3).expect("it is there");
        std::fs::write(&file, b"new").expect("it can be written");
        let time = source.before.modified.expect("the system keeps it");
        let set = File::options().write(true).open(&file).and_then(|f| f.set_modified(time));
        set.expect("it is ours");
        assert_eq!(Stamp::of(&source.file).expect("it is open"), source.before);
        assert!(source.check(0, b"old").is_err() && source.check(0, b"new").is_ok());
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
