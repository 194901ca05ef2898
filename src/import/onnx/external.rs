//! Tensor data outside of the model: in files beside it, confined to the model's folder and to the
//! files to which links in it may point, or where the caller has it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use memmap2::MmapMut;
use prost::bytes::Bytes;
use resnetc_ir::memory::NoMemory;

use super::budget::Budget;
use super::proto::TensorProto;
use super::refusal::Refusal;
use crate::import::error::{ImportError, ImportErrorKind};
use crate::import::foreign::{Format, Wanted, head};
use crate::one_line::path_line;
use crate::whole_file::{Source, Stamp, changed};

/// Where the data is that a model keeps outside of its file.
#[derive(Clone)]
pub enum Beside {
    /// Nowhere: the model was not read from a file.
    Nothing,
    /// In a folder.
    Folder(PathBuf),
    /// Where a function finds it.
    Given(Given),
}

/// Returns the contents of a file by the name that the model gives it.
pub type Given = Arc<dyn Fn(&str) -> io::Result<Cow<'static, [u8]>> + Send + Sync>;

impl From<Option<&Path>> for Beside {
    fn from(folder: Option<&Path>) -> Self {
        folder.map_or(Beside::Nothing, |folder| Beside::Folder(folder.to_path_buf()))
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Beside::Nothing => f.write_str("Nothing"),
            Beside::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Beside::Given(_) => f.write_str("Given"),
        }
    }
}

/// The files beside a model.
pub(super) struct Files {
    beside: Beside,
    /// The files that were read.
    seen: BTreeMap<PathBuf, Seen>,
    /// The contents that were given.
    given: BTreeMap<String, Bytes>,
}

/// A file that was read: everything that a model reads of it must come from one version.
struct Seen {
    stamp: Stamp,
    /// Whether the file changed so recently that the stamp alone does not identify its version.
    /// Then what was read is kept, and compared at the end.
    is_recent: bool,
    parts: Vec<(u64, Bytes)>,
}

impl Files {
    pub(super) fn new(beside: Beside) -> Self {
        Files { beside, seen: BTreeMap::new(), given: BTreeMap::new() }
    }

    /// Checks that no file changed between the first and the last read.
    pub(super) fn check(&mut self) -> Result<(), ImportError> {
        for (path, seen) in std::mem::take(&mut self.seen) {
            seen.check(&path).map_err(|source| {
                ImportError::from(ImportErrorKind::Io { action: "reading", source }).in_file(&path)
            })?;
        }
        Ok(())
    }
}

impl Seen {
    fn of(source: &Source) -> Self {
        Seen { stamp: source.stamp(), is_recent: source.is_recent(), parts: Vec::new() }
    }

    fn check(self, path: &Path) -> io::Result<()> {
        let mut source = Source::open(path, u64::MAX)?;
        let mut is_same = source.stamp() == self.stamp;
        for (offset, bytes) in self.parts {
            is_same = is_same && source.holds(offset, &bytes)?;
        }
        if is_same { Ok(()) } else { Err(changed()) }
    }
}

/// Reads `size` bytes of external data and passes them to `decode`.
pub(super) fn read<T>(
    proto: &TensorProto,
    files: &mut Files,
    size: usize,
    budget: &mut Budget,
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
            text.parse::<u64>().map_err(|_| fail(format!("its {key} \"{text}\" is not a number")))
        }
        None => Ok(default),
    };
    let offset = number("offset", 0)?;
    let length = number("length", size as u64)?;
    if length != size as u64 {
        return Err(fail(format!("its length is {length} bytes, but its shape needs {size}")));
    }
    let bytes = match &files.beside {
        Beside::Nothing => {
            return Err(fail("the model was not read from a file, so it has no folder".into()));
        }
        Beside::Folder(folder) => {
            let path = confine(folder, location).map_err(fail)?;
            read_range(&mut files.seen, budget, &path, offset, size)
        }
        Beside::Given(given) => {
            given_range(given, &mut files.given, budget, location, (offset, size))
        }
    };
    Ok(decode(bytes.map_err(|refusal| refusal.of_tensor(proto.name(), fail))?))
}

/// The range of what a function returns for a location, which it is asked for once.
fn given_range(
    given: &Given,
    known: &mut BTreeMap<String, Bytes>,
    budget: &mut Budget,
    location: &str,
    (offset, size): (u64, usize),
) -> Result<Bytes, Refusal> {
    if !known.contains_key(location) {
        let contents = given(location).map_err(|e| format!("it was not given: {e}"))?;
        let contents = match contents {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        known.insert(location.to_owned(), contents);
    }
    let contents = &known[location];
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| Some(start..start.checked_add(size)?));
    let range = range.filter(|range| range.end <= contents.len()).ok_or_else(|| {
        let have = contents.len();
        format!("{size} bytes at offset {offset} are needed, but only {have} were given")
    })?;
    budget.name(Path::new(location), contents.len() as u64, size as u64)?;
    Ok(contents.slice(range))
}

/// The file at `location`, which may not leave `folder` in any way: not by `..`, not by an absolute
/// path, not through any chain of symbolic links. A downloaded model must not read the user's
/// files.
pub(super) fn confine(folder: &Path, location: &str) -> Result<PathBuf, String> {
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
            format!("the file is missing; put it into {}, beside the model", path_line(folder))
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

/// A location without `.` and `..`, if it never leaves the folder from which it starts. Only names
/// count: links are not followed, so `data/..` is the folder even if `data` is a link.
fn plain(location: &str) -> Option<PathBuf> {
    // A backslash is an ordinary character here, but a separator on other systems, where the same
    // model may be used next.
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

/// Whether `path` is a file to which links in `root` may point, where `root` is a snapshot in
/// Hugging Face's cache: a folder `REPOSITORY/snapshots/REVISION`, or one below it, whose files are
/// links into `REPOSITORY/blobs`. `blobs` must be a real folder, not a link. Both paths are free of
/// links.
fn is_blob(root: &Path, path: &Path) -> bool {
    let snapshots =
        root.ancestors().skip(1).filter(|a| a.file_name() == Some("snapshots".as_ref()));
    let mut blobs = snapshots.map(|snapshots| snapshots.with_file_name("blobs"));
    let stands = |folder: &Path| folder.symlink_metadata().is_ok_and(|m| m.is_dir());
    blobs.any(|blobs| path.parent() == Some(&blobs) && stands(&blobs))
}

/// Reads exactly the range; the file's length is checked before anything is allocated.
fn read_range(
    seen: &mut BTreeMap<PathBuf, Seen>,
    budget: &mut Budget,
    path: &Path,
    offset: u64,
    size: usize,
) -> Result<Bytes, Refusal> {
    let text = |e: io::Error| e.to_string();
    let mut source = Source::open(path, u64::MAX).map_err(text)?;
    let seen = seen.entry(path.to_owned()).or_insert_with(|| Seen::of(&source));
    if seen.stamp != source.stamp() {
        return Err(changed().to_string().into());
    }
    let (end, have) = (offset.checked_add(size as u64), source.len());
    if end.is_none_or(|end| end > have) {
        return Err(match Format::of(None, &head(path).unwrap_or_default()) {
            Some(format) if format.is_pointer() => format.advise(Wanted::Model),
            _ => {
                format!("{size} bytes at offset {offset} are needed, but the file has only {have}")
            }
        }
        .into());
    }
    budget.name(path, have, size as u64)?;
    check_same(path, source.file()).map_err(text)?;
    let bytes = if size < OWN_PAGES {
        let mut memory = vec![0; size];
        source.read(offset, &mut memory).map_err(text)?;
        Bytes::from(memory)
    } else {
        let memory = MmapMut::map_anon(size);
        let mut memory = memory.map_err(|_| NoMemory { bytes: size })?;
        source.read(offset, &mut memory).map_err(text)?;
        Bytes::from_owner(memory)
    };
    if seen.is_recent {
        seen.parts.push((offset, bytes.clone()));
    }
    Ok(bytes)
}

/// Tensors of at least this many bytes get their own memory pages, which go back to the system with
/// the tensor.
const OWN_PAGES: usize = 1 << 18;

/// Checks that an open file is the one that was checked: somebody may have replaced it, or a folder
/// on its path, by a link before it was opened. `path` was free of links.
fn check_same(path: &Path, file: &File) -> io::Result<()> {
    if !is_at(file, path)? || path.canonicalize()? != path {
        return Err(io::Error::other("the file was replaced while it was being opened"));
    }
    Ok(())
}

/// Whether an open file is the one at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (opened, looked_at) = (file.metadata()?, path.symlink_metadata()?);
    Ok((opened.dev(), opened.ino()) == (looked_at.dev(), looked_at.ino()))
}

/// Elsewhere files have no number that the standard library reports.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}
