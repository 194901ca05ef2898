//! Files and folders that are written whole or not at all.

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions, Permissions};
use std::hash::BuildHasher;
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::unnamed;
use crate::one_line::path_line;

/// Writes the file at a path.
///
/// A file is written beside its destination, and moved there once it is complete on disk: the old
/// file stays until then, and its permissions are kept. Symbolic links stay as well, and the file
/// to which they point is replaced; of several hard links this one becomes a separate file.
/// Devices, pipes, and files that a process has open (`/dev/stdout`) cannot be replaced, so the
/// bytes are written to them directly.
///
/// # Errors
/// If the path is a folder or a read-only file, or the bytes cannot be written; an existing file is
/// then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    match Target::of(path)? {
        Target::File { path, permissions } => {
            Pending::new(&path, bytes, permissions.as_ref())?.finish()
        }
        // Append, so that successive writes do not overwrite each other if the stream is a file.
        Target::Stream(path) => OpenOptions::new().append(true).open(path)?.write_all(bytes),
    }
}

/// Checks that [`write()`] could write: creates a file beside the destination and removes it.
///
/// # Errors
/// If it could not write.
pub fn check_target(path: &Path) -> Result<()> {
    match Target::of(path)? {
        Target::File { path, .. } => create_beside(&path),
        Target::Stream(_) => Ok(()),
    }
}

/// Creates a file in the folder of a path and removes it.
fn create_beside(path: &Path) -> Result<()> {
    let temporary = beside(path)?;
    OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    std::fs::remove_file(&temporary)
}

/// What is at a path.
enum Target {
    /// A regular file, or nothing yet, with a path whose last component is not a link.
    File {
        path: PathBuf,
        /// The permissions of the existing file.
        permissions: Option<Permissions>,
    },
    /// Something that is written to and never replaced.
    Stream(PathBuf),
}

impl Target {
    fn of(path: &Path) -> Result<Self> {
        let path = follow(path)?;
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Ok(Target::File { path, permissions: None });
            }
            Err(e) => return Err(e),
        };
        if found.is_dir() {
            return Err(Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        if !found.is_file() || is_open_file(&path) {
            return Ok(Target::Stream(path));
        }
        if found.permissions().readonly() {
            return Err(Error::new(ErrorKind::PermissionDenied, "it is read-only"));
        }
        Ok(Target::File { path, permissions: Some(found.permissions()) })
    }
}

/// The number of links that a system follows.
const MOST_LINKS: usize = 40;

/// The path with links in its last component resolved. An open file of a process looks like a link
/// but is not one.
fn follow(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if is_open_file(&path) {
            return Ok(path);
        }
        match std::fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(Error::other("it is a link that does not lead to a file"))
}

/// Whether a path is an open file of some process, as `/proc/self/fd/1` is.
fn is_open_file(path: &Path) -> bool {
    let folder = folder_of(path).canonicalize();
    folder.is_ok_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes several files: all of them beside their destinations, and then each takes its place. So
/// a full disk leaves the old files as they were.
///
/// # Errors
/// If a path is a folder, a read-only file or a stream, or the bytes cannot be written.
pub fn write_files(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let targets: Vec<Target> =
        files.iter().map(|(path, _)| Target::of(path)).collect::<Result<_>>()?;
    let pending = targets.iter().zip(files).map(|(target, (_, bytes))| match target {
        Target::File { path, permissions } => Pending::new(path, bytes, permissions.as_ref()),
        Target::Stream(_) => Err(Error::other("it is not a regular file")),
    });
    let pending: Vec<Pending> = pending.collect::<Result<_>>()?;
    pending.into_iter().try_for_each(Pending::finish)
}

/// Writes a file that only this user may read and nobody may write to, without waiting until it is
/// on disk: after a crash of the system it may be there, damaged. Whatever has its name is replaced.
///
/// # Errors
/// If it cannot be written; what had its name is then still there.
pub(crate) fn write_constant(
    path: &Path,
    fill: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    Pending::filled(path, Access::OwnerReads, fill)?.finish()
}

/// Who may do what with a new file, as far as the process's mask allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Everybody,
    OwnerWrites,
    OwnerReads,
}

impl Access {
    /// The permissions as Unix has them.
    fn mode(self) -> u32 {
        match self {
            Access::Everybody => 0o666,
            Access::OwnerWrites => 0o600,
            Access::OwnerReads => 0o400,
        }
    }
}

/// A complete file beside its destination, which is removed if it does not get there. Where the
/// system has files without a name, it had none until it was complete, so a process that is killed
/// while it writes leaves nothing behind.
struct Pending {
    temporary: PathBuf,
    path: PathBuf,
}

impl Pending {
    /// A file that is on disk, with the permissions of the one that it will replace.
    fn new(path: &Path, bytes: &[u8], permissions: Option<&Permissions>) -> Result<Self> {
        let access = permissions.map_or(Access::Everybody, |_| Access::OwnerWrites);
        Pending::filled(path, access, |file| {
            file.write_all(bytes)?;
            if let Some(permissions) = permissions {
                // If they cannot be set, the file stays as private as it was created.
                let _ = file.set_permissions(permissions.clone());
            }
            file.sync_all()
        })
    }

    fn filled(
        path: &Path,
        access: Access,
        fill: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Self> {
        let pending = Pending { temporary: beside(path)?, path: path.to_owned() };
        if let Some(mut file) = unnamed::create(folder_of(path), access.mode()) {
            fill(&mut file)?;
            unnamed::name(&file, &pending.temporary)?;
        } else {
            fill(&mut create(&pending.temporary, access)?)?;
        }
        Ok(pending)
    }

    /// Moves the file to its destination.
    fn finish(self) -> Result<()> {
        std::fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Pending {
    /// Nobody else has a file of this name, and after [`Pending::finish`] it is gone.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Creates a new file.
fn create(path: &Path, access: Access) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, access.mode());
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)
}

/// Creates a folder beside its destination, lets `fill` write files into it, and moves it there
/// once it is complete.
///
/// # Errors
/// If something of this name already exists, or the folder cannot be filled; then nothing is left
/// behind.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    check_free(path)?;
    let temporary = beside(path)?;
    std::fs::create_dir(&temporary)?;
    let written = fill(&temporary)
        // Writing takes a while, so something may have appeared in the meantime.
        .and_then(|()| check_free(path))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // The first error is the one to report.
        let _ = std::fs::remove_dir_all(&temporary);
    })
}

/// Checks that [`write_folder`] could create this folder: creates one beside it and removes it.
///
/// # Errors
/// If it could not create it.
pub fn check_new_folder(path: &Path) -> Result<()> {
    check_free(path)?;
    let temporary = beside(path)?;
    std::fs::create_dir(&temporary)?;
    std::fs::remove_dir(&temporary)
}

/// Checks that files can be created in a folder, which may have to be created first, along with the
/// folders that lead to it. Leaves nothing behind.
///
/// # Errors
/// If it is not a folder, or the system refuses.
pub fn check_folder(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
        Ok(_) => {
            return match std::fs::metadata(path)?.is_dir() {
                true => create_beside(&path.join("file")),
                false => Err(Error::new(ErrorKind::NotADirectory, "it is not a folder")),
            };
        }
    }
    match folder_of(path) {
        parent if parent.is_dir() => check_new_folder(path),
        parent => check_folder(parent),
    }
}

/// Checks that nothing has this name.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if something has it, or the system's error.
pub fn check_free(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, "it already exists")),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// A name in the same folder, where a rename is atomic, that nobody else uses at this time.
fn beside(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Process numbers are used again, in a container for every run.
    static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
    if path.file_name().is_none() {
        return Err(Error::other("the path does not name a file"));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        let name = path_line(folder);
        return Err(match folder.exists() {
            true => Error::new(ErrorKind::NotADirectory, format!("{name} is not a folder")),
            false => Error::new(ErrorKind::NotFound, format!("there is no folder {name}")),
        });
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    Ok(folder.join(format!("{TEMPORARY}{process}-{:016x}-{count}{UNFINISHED}", *RUN)))
}

/// How the names of temporary files begin and end.
const TEMPORARY: &str = ".resnetc-";
const UNFINISHED: &str = ".tmp";

/// Whether a file of this name is one that a process has not completed yet, or left behind when it
/// was killed.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY) && name.ends_with(UNFINISHED)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Folder;
    use super::*;

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
    fn several_files_are_replaced_together() {
        let folder = Folder::new("several");
        let at = |name: &str| folder.0.join(name);
        std::fs::write(at("a"), b"old").expect("it is ours");
        std::fs::create_dir(at("b")).expect("it is ours");
        let files = |names: [&str; 2]| names.map(|name| (at(name), name.as_bytes().to_vec()));
        assert!(write_files(&files(["a", "b"])).is_err());
        assert_eq!(std::fs::read(at("a")).expect("it is there"), b"old");
        write_files(&files(["a", "c"])).expect("they can be written");
        assert_eq!(std::fs::read(at("a")).expect("it is there"), b"a");
        assert_eq!(folder.names(), ["a", "b", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = Folder::new("links");
        let at = |name: &str| folder.0.join(name);
        std::fs::create_dir(at("real")).expect("it is ours");
        std::fs::write(at("real/a"), b"old").expect("it is ours");
        let private = Permissions::from_mode(0o600);
        std::fs::set_permissions(at("real/a"), private.clone()).expect("it is ours");
        symlink("real/a", at("one")).expect("it is ours");
        symlink("one", at("two")).expect("it is ours");
        symlink("real/b", at("nothing")).expect("it is ours");
        symlink("round", at("round")).expect("it is ours");
        for (link, file) in [("two", "real/a"), ("nothing", "real/b")] {
            check_target(&at(link)).expect("it can be written");
            write(&at(link), b"new").expect("it can be written");
            assert_eq!(std::fs::read(at(file)).expect("it is there"), b"new");
            assert!(at(link).is_symlink());
        }
        assert_eq!(
            at("real/a").metadata().expect("it is there").permissions().mode() & 0o777,
            0o600
        );
        assert!(write(&at("round"), b"new").is_err() && check_target(&at("round")).is_err());
        assert_eq!(folder.names(), ["nothing", "one", "real", "round", "two"]);
    }

    #[test]
    fn what_is_only_to_be_read_stays() {
        let folder = Folder::new("readonly");
        let file = folder.0.join("a");
        std::fs::write(&file, b"old").expect("it is ours");
        let mut permissions = file.metadata().expect("it is there").permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&file, permissions).expect("it is ours");
        for refused in [write(&file, b"new"), check_target(&file)] {
            assert_eq!(refused.map_err(|e| e.kind()), Err(ErrorKind::PermissionDenied));
        }
        for refused in [write(&folder.0, b"new"), check_target(&folder.0)] {
            assert_eq!(refused.map_err(|e| e.kind()), Err(ErrorKind::IsADirectory));
        }
        assert_eq!(std::fs::read(&file).expect("it is there"), b"old");
        assert_eq!(folder.names(), ["a"]);
    }

    #[test]
    fn a_folder_is_checked_without_a_trace() {
        let folder = Folder::new("check_folder");
        let at = |name: &str| folder.0.join(name);
        std::fs::write(at("file"), b"old").expect("it is ours");
        for good in [at("."), at("new"), at("new/deep/er")] {
            check_folder(&good).expect("it can be made");
        }
        check_new_folder(&at("new")).expect("it can be made");
        for bad in [at("file"), at("file/inside"), at("file/in/side")] {
            assert!(check_folder(&bad).is_err(), "{}", bad.display());
            assert!(check_new_folder(&bad).is_err(), "{}", bad.display());
        }
        let refused = check_target(&at("new/a")).expect_err("there is no such folder");
        assert!(refused.to_string().contains("there is no folder"), "{refused}");
        let refused = check_target(&at("file/a")).expect_err("it is a file").to_string();
        assert!(
            refused.contains("Not a directory") || refused.contains("not a folder"),
            "{refused}"
        );
        assert_eq!(folder.names(), ["file"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_and_open_files_are_written_to() {
        use std::os::fd::AsRawFd;
        let folder = Folder::new("streams");
        let file = File::create(folder.0.join("a")).expect("it is ours");
        let open = PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()));
        check_target(&open).expect("it can be written");
        write(&open, b"one").expect("it is open");
        write(&open, b"two").expect("it is open");
        assert_eq!(std::fs::read(folder.0.join("a")).expect("it is there"), b"onetwo");
        let null = folder.0.join("null");
        std::os::unix::fs::symlink("/dev/null", &null).expect("it is ours");
        for path in [Path::new("/dev/null"), &null] {
            check_target(path).expect("it can be written");
            write(path, b"nothing").expect("it takes all");
        }
        assert!(write(Path::new("/dev/full"), b"nothing").is_err());
        assert_eq!(folder.names(), ["a", "null"]);
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
