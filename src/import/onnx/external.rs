//! Tensor data in files beside the model, confined to the model's folder, and to the files that links in it may stand for.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use prost::bytes::Bytes;

use super::proto::TensorProto;
use crate::import::error::{ImportError, ImportErrorKind};
use crate::import::foreign::{Format, Wanted, head};

/// Reads `size` bytes of external data and hands them to `decode`.
pub(super) fn read<T>(
    proto: &TensorProto,
    folder: Option<&Path>,
    size: usize,
    decode: impl FnOnce(Bytes) -> T,
) -> Result<T, ImportError> {
    let entry = |key: &str| {
        let found = proto.external_data.iter().find(|e| e.key.as_deref() == Some(key));
        found.and_then(|e| e.value.as_deref())
    };
    let location = entry("location").unwrap_or("");
    let fail = |reason: String| -> ImportError {
        let tensor = proto.name.clone().unwrap_or_default();
        ImportErrorKind::ExternalData { tensor, location: location.into(), reason }.into()
    };
    let number = |key: &str, default: u64| match entry(key) {
        Some(text) => {
            text.parse::<u64>().map_err(|_| fail(format!("its {key} \"{text}\" is no number")))
        }
        None => Ok(default),
    };
    let offset = number("offset", 0)?;
    let length = number("length", size as u64)?;
    if length != size as u64 {
        return Err(fail(format!("its length is {length} bytes, but its shape needs {size}")));
    }
    let folder = folder
        .ok_or_else(|| fail("the model was not read from a file, so it has no folder".into()))?;
    let path = confine(folder, location).map_err(fail)?;
    let bytes = read_range(&path, offset, size).map_err(fail)?;
    Ok(decode(bytes.into()))
}

/// The file behind `location`, which may not leave `folder` by any way: not by `..`, not by an absolute path, not through
/// symbolic links, however many there are. A model from the network must not read the user's files.
fn confine(folder: &Path, location: &str) -> Result<PathBuf, String> {
    if location.is_empty() {
        return Err("the location is empty".into());
    }
    let relative =
        plain(location).ok_or("the location leaves the model's folder, which is refused")?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let root =
        folder.canonicalize().map_err(|e| format!("the model's folder cannot be opened: {e}"))?;
    let path = root.join(relative).canonicalize().map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            format!("the file is missing; put it into {}, beside the model", folder.display())
        }
        _ => e.to_string(),
    })?;
    match path.starts_with(&root) || is_blob(&root, &path) {
        true => Ok(path),
        false => {
            Err("the location is a link that leaves the model's folder, which is refused".into())
        }
    }
}

/// A location without `.` and `..`, if it never leaves the folder that it starts from. This is about names alone: what
/// `data/..` would be if `data` were a link is not asked.
fn plain(location: &str) -> Option<PathBuf> {
    // A backslash is an ordinary character here, but a separator where the same model may be used next.
    if location.contains(['\\', '\0']) {
        return None;
    }
    let mut plain = PathBuf::new();
    for component in Path::new(location).components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// Whether a file is one of those that links in `root` stand for, where that is a snapshot in Hugging Face's cache: a
/// folder `REPOSITORY/snapshots/REVISION`, or one below it, whose files are links into `REPOSITORY/blobs`. That folder
/// must stand there itself. Both paths are free of links.
fn is_blob(root: &Path, path: &Path) -> bool {
    let snapshots =
        root.ancestors().skip(1).filter(|a| a.file_name() == Some("snapshots".as_ref()));
    let mut blobs = snapshots.map(|snapshots| snapshots.with_file_name("blobs"));
    let stands = |folder: &Path| folder.symlink_metadata().is_ok_and(|m| m.is_dir());
    blobs.any(|blobs| path.parent() == Some(&blobs) && stands(&blobs))
}

/// Reads exactly the range; the file's length is checked before anything is allocated.
fn read_range(path: &Path, offset: u64, size: usize) -> Result<Vec<u8>, String> {
    let text = |e: std::io::Error| e.to_string();
    // Asked before opening: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(text)?;
    if !metadata.is_file() {
        return Err("this is no regular file".into());
    }
    let end = offset.checked_add(size as u64);
    if end.is_none_or(|end| end > metadata.len()) {
        let have = metadata.len();
        return Err(match Format::of(None, &head(path).unwrap_or_default()) {
            Some(format) if format.is_pointer() => format.advise(Wanted::Model),
            _ => {
                format!("{size} bytes at offset {offset} are needed, but the file has only {have}")
            }
        });
    }
    let mut file = File::open(path).map_err(text)?;
    check_same(path, &file).map_err(text)?;
    file.seek(SeekFrom::Start(offset)).map_err(text)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|e| format!("{size} bytes are needed: {e}"))?;
    file.take(size as u64).read_to_end(&mut bytes).map_err(text)?;
    match bytes.len() == size {
        true => Ok(bytes),
        false => Err("the file was cut short while it was read".into()),
    }
}

/// Whether an open file is the one that was looked at: somebody may have put a link to another one in its place, or in
/// that of a folder on its way, before it was opened. `path` was free of links.
fn check_same(path: &Path, file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (opened, looked_at) = (file.metadata()?, path.symlink_metadata()?);
        let same = (opened.dev(), opened.ino()) == (looked_at.dev(), looked_at.ino());
        if !same || path.canonicalize()? != path {
            return Err(std::io::Error::other("the file was exchanged while it was opened"));
        }
    }
    Ok(())
}
