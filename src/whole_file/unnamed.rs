//! Files without a name, which the system removes if the process ends before it names them.

use std::fs::File;
use std::io::Result;
use std::path::Path;

/// A new file in a folder, without a name, open for writing, with these permissions. `None` if the system, or the folder's file system, has no such files, or could not name
/// one later.
#[cfg(target_os = "linux")]
pub(super) fn create(folder: &Path, mode: u32) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(mode)).ok()?);
    // Needs a mounted /proc.
    path_of(&file).symlink_metadata().is_ok().then_some(file)
}

/// Gives a file of [`create`] a name, which must be free.
#[cfg(target_os = "linux")]
pub(super) fn name(file: &File, path: &Path) -> Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, path_of(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(target_os = "linux")]
fn path_of(file: &File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create(_: &Path, _: u32) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn name(_: &File, _: &Path) -> Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::super::testing::Folder;
    use super::*;

    #[test]
    fn a_file_is_not_seen_before_it_has_a_name() {
        let folder = Folder::new("unnamed");
        let Some(mut file) = create(&folder.0, 0o600) else { return };
        file.write_all(b"all").expect("it is ours");
        assert!(folder.names().is_empty());
        std::fs::write(folder.0.join("taken"), b"old").expect("it is ours");
        assert!(name(&file, &folder.0.join("taken")).is_err());
        name(&file, &folder.0.join("a")).expect("the name is free");
        assert_eq!(std::fs::read(folder.0.join("a")).expect("it is there"), b"all");
        assert_eq!(std::fs::read(folder.0.join("taken")).expect("it is there"), b"old");
        drop(create(&folder.0, 0o400));
        assert_eq!(folder.names(), ["a", "taken"]);
    }
}
