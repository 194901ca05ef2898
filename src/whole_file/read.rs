//! Files that are read whole or not at all.

use std::fs::{File, FileType};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Reads a regular file of at most `most` bytes.
///
/// A file that never ends, or grows while it is read, takes no more memory than that; one that
/// would block its reader, such as a pipe, is not opened.
///
/// # Errors
/// If it cannot be read, is not a regular file, is longer, or was changed while it was read.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut source = Source::open(path, most)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(source.len()).unwrap_or(usize::MAX))?;
    (&source.file).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_long(bytes.len() as u64, most));
    }
    // A file that the system generates on the fly, as in `/proc`, has no length, and may differ
    // every time.
    if source.len() > 0 {
        source.check(0, &bytes)?;
    }
    Ok(bytes)
}

/// Checks that there is a regular file at `path`, without opening it.
///
/// # Errors
/// If there is nothing or something else, which the error names.
pub fn check_regular(path: &Path) -> Result<()> {
    let ty = std::fs::metadata(path)?.file_type();
    match ty.is_file() {
        true => Ok(()),
        false => Err(Error::other(irregular(ty))),
    }
}

/// The message about something that is not a regular file.
fn irregular(ty: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if ty.is_fifo() {
            return "this is a pipe, not a regular file; write its contents to a file first";
        }
        if ty.is_char_device() || ty.is_block_device() {
            return "this is a device, not a regular file";
        }
    }
    match ty.is_dir() {
        true => "this is a folder, not a regular file",
        false => "this is not a regular file",
    }
}

/// A regular file that is being read, and what the system reported about it before.
///
/// A read while somebody writes may get half of one version and half of another. So every read is
/// checked to come from one version, by the length and the time of the last change that the system
/// keeps. (Writes through a shared mapping may go unnoticed: systems record those late.)
pub(crate) struct Source {
    file: File,
    before: Stamp,
    opened: SystemTime,
}

/// What distinguishes one version of a file from the next.
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

/// The coarsest time resolution of a file system: that of FAT.
const TIME_STEP: Duration = Duration::from_secs(2);

impl Source {
    /// Opens a regular file of at most `most` bytes.
    pub(crate) fn open(path: &Path, most: u64) -> Result<Self> {
        // Checked before opening: opening a pipe would wait for its writer.
        check_regular(path)?;
        let (opened, file) = (SystemTime::now(), File::open(path)?);
        let before = Stamp::of(&file)?;
        match before.len > most {
            true => Err(too_long(before.len, most)),
            false => Ok(Source { file, before, opened }),
        }
    }

    /// Its length, as the system reports it.
    pub(crate) fn len(&self) -> u64 {
        self.before.len
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Which version of the file this is.
    pub(crate) fn stamp(&self) -> Stamp {
        self.before
    }

    /// Whether the last change is so recent that a later one may have the same time. A missing
    /// time, or one in the future, counts as recent.
    pub(crate) fn is_recent(&self) -> bool {
        let age = self.before.modified.and_then(|time| self.opened.duration_since(time).ok());
        age.is_none_or(|age| age <= TIME_STEP)
    }

    /// Fills `bytes` with those from `offset` on. Whether they all come from one version of the
    /// file must be checked afterwards.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(bytes).map_err(cut_short)
    }

    /// Checks that the file did not change while `bytes` were read from `offset` on. After a recent
    /// change they are read once more.
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

    /// Whether the file contains `bytes` from `offset` on.
    ///
    /// # Errors
    /// If it cannot be read that far.
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
    let text = format!("it has {length} bytes or more; the limit is {most}");
    Error::new(ErrorKind::FileTooLarge, text)
}

/// The error for a file that was written to between two checks.
pub(crate) fn changed() -> Error {
    Error::other("the file was changed while it was read; try again when it is complete")
}

fn cut_short(error: Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => changed(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Folder;
    use super::*;

    #[test]
    fn a_file_is_read_whole_up_to_its_limit() {
        let folder = Folder::new("read");
        let file = folder.0.join("a");
        std::fs::write(&file, b"four").expect("it can be written");
        assert_eq!(read(&file, 4).expect("it is short enough"), b"four");
        assert_eq!(read(&file, 3).map_err(|e| e.kind()), Err(ErrorKind::FileTooLarge));
        assert!(read(&folder.0, 4).is_err());
        // These report no length; the first would never end, and the second is longer than it
        // reports.
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
        // Shorter, longer, and of the same length with other contents: between opening and reading,
        // and after the range that was read.
        let changes: [&[u8]; 4] = [&[b'o'; 40_000], &[b'o'; 200_000], &[b'n'; 100_000], &[]];
        for new in changes {
            let mut source = open();
            std::fs::write(&file, new).expect("it can be written");
            // Where times are coarse this may be the whole new file.
            if let Ok(found) = read(&mut source) {
                assert!(new.len() == 100_000 && found.iter().all(|&b| b == b'n'));
            }
            let mut source = open();
            let old = vec![b'o'; 50_000];
            std::fs::write(&file, new).expect("it can be written");
            assert!(source.check(100, &old).is_err(), "{} bytes", new.len());
        }
        // Another file of the same name is a different file. Wine does not replace open files, and
        // neither does Windows where the file system cannot.
        #[cfg(not(windows))]
        {
            let mut source = open();
            super::super::write(&file, b"new").expect("it can be replaced");
            read(&mut source).expect("the old file is as it was");
        }
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
}
