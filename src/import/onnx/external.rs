//! Tensor data in files beside the model, confined to the model's folder.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use prost::bytes::Bytes;

use super::proto::TensorProto;
use crate::import::error::{ImportError, ImportErrorKind};

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

/// The file behind `location`, which may not leave `folder` by any way: not by `..`, not by an absolute path,
/// not through a symbolic link. A model from the network must not read the user's files.
fn confine(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    if location.is_empty() {
        return Err("the location is empty".into());
    }
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    // A backslash is an ordinary character here, but a separator where the same model may be used next.
    if !relative.components().all(plain) || location.contains(['\\', '\0']) {
        return Err("the location leaves the model's folder, which is refused".into());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let root =
        folder.canonicalize().map_err(|e| format!("the model's folder cannot be opened: {e}"))?;
    let path = root.join(relative).canonicalize().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            format!("the file is missing; put it into {}, beside the model", folder.display())
        }
        _ => e.to_string(),
    })?;
    match path.starts_with(&root) {
        true => Ok(path),
        false => {
            Err("the location is a link that leaves the model's folder, which is refused".into())
        }
    }
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
        return Err(format!(
            "{size} bytes at offset {offset} are needed, but the file has only {have}"
        ));
    }
    let mut file = File::open(path).map_err(text)?;
    file.seek(SeekFrom::Start(offset)).map_err(text)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|e| format!("{size} bytes are needed: {e}"))?;
    file.take(size as u64).read_to_end(&mut bytes).map_err(text)?;
    match bytes.len() == size {
        true => Ok(bytes),
        false => Err("the file was cut short while it was read".into()),
    }
}
