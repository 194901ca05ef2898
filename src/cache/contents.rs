//! What a network is made from.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};
use prost::bytes::Buf;

use super::folder::Folder;
use super::memo;
use super::read_file::ReadFile;
use crate::import::onnx::{Beside, Model};
use crate::one_line::{name_line, one_line, path_line};
use crate::spec::Spec;
use crate::whole_file::Identity;

/// What a network is made from, as one digest.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(super) digest: Hash,
    /// What users call the network.
    pub(super) label: String,
    /// The files that were read for it.
    pub(super) files: Vec<ReadFile>,
}

/// A version of a file that was read.
#[derive(Clone, Debug)]
pub(crate) struct FileVersion {
    path: PathBuf,
    /// Identifies what was at the path before it was read.
    before: Option<Identity>,
    /// The digest of what was read, if it was wanted then.
    digest: Option<Hash>,
}

/// What the weights of a spec's network are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Made<'a> {
    /// A seed.
    Seed(u64),
    /// A file.
    File(&'a ReadFile),
    /// The bytes of a file.
    Bytes(&'a [u8]),
}

impl FileVersion {
    /// Reads a file, and finds out which version it is. If a folder of compiled networks is going
    /// to be asked, its digest is needed, too.
    pub(crate) fn read<B: Buf, E>(
        path: &Path,
        cache: Option<&Path>,
        read: impl FnOnce(&Path) -> Result<B, E>,
    ) -> Result<(Self, B), E> {
        let before = Identity::of(path);
        let buffer = read(path)?;
        let known = cache.and_then(|cache| memo::known(cache, path));
        let known = known.filter(|file| file.identity.is_some() && file.identity == before);
        let digest =
            cache.map(|_| known.map_or_else(|| blake3::hash(buffer.chunk()), |f| f.digest));
        Ok((FileVersion { path: path.to_owned(), before, digest }, buffer))
    }

    /// The version that is at a path now, without reading it.
    pub(crate) fn unread(path: &Path) -> Self {
        FileVersion { path: path.to_owned(), before: Identity::of(path), digest: None }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the same version is still there, as far as the system tells.
    pub(crate) fn is_there(&self) -> bool {
        self.before == Identity::of(&self.path)
    }

    /// What was read. If its digest was not wanted then, and is not known, the file is read again.
    ///
    /// # Errors
    /// If there may be another version by now.
    pub(crate) fn contents(&self, cache: &Path) -> Result<ReadFile, String> {
        let FileVersion { path, before, digest } = self;
        if let &Some(digest) = digest {
            let identity = before.clone().filter(|identity| !identity.is_recent());
            return Ok(ReadFile { path: path.clone(), identity, digest, beside: Vec::new() });
        }
        let is_it = |read: &ReadFile| read.identity.is_some() && read.identity == *before;
        if let Some(known) = memo::known(cache, path).filter(is_it) {
            return Ok(known);
        }
        let read = ReadFile::read(path).map_err(|e| format!("{}: {e}", path_line(path)))?;
        match is_it(&read) {
            true => Ok(read),
            false => {
                let path = path_line(path);
                Err(format!("{path} was changed just now, or cannot be identified"))
            }
        }
    }
}

impl Contents {
    /// Those of an ONNX file, if neither it nor a file beside it has changed since it was read.
    pub(crate) fn known_onnx(cache: &Path, path: &Path) -> Option<Self> {
        let folder = Folder::open(cache).ok()?;
        let file = memo::read(&folder, path)?;
        let beside = path.parent()?;
        let others = file.beside.iter().map(|name| memo::read(&folder, &beside.join(name)));
        let others = others.collect::<Option<Vec<_>>>()?;
        Some(Contents::of_files(file, others))
    }

    /// Those of a spec with weights from a file, if that has not changed since it was read, or from
    /// a seed.
    pub(crate) fn known_spec(
        cache: &Path,
        spec: &Spec,
        weights: Option<&Path>,
        seed: u64,
    ) -> Option<Self> {
        let Some(path) = weights else {
            return Contents::of_spec(spec, Made::Seed(seed)).ok();
        };
        let file = memo::known(cache, path)?;
        Contents::of_spec(spec, Made::File(&file)).ok()
    }

    /// Those of an ONNX model, and of the files beside it.
    ///
    /// # Errors
    /// If a file beside it cannot be read, or is being changed.
    pub(crate) fn of_onnx(mut file: ReadFile, model: &Model, cache: &Path) -> Result<Self, String> {
        let (names, beside) = model.data_beside();
        let mut all = Vec::new();
        if let Beside::Folder(folder) = beside {
            for name in &names {
                let path = folder.join(name);
                let failed =
                    |reason: &str| format!("{}: {}", path_line(&path), one_line(reason, 200));
                let read = || ReadFile::read(&path).map_err(|e| failed(&e.to_string()));
                let read = memo::known(cache, &path).map_or_else(read, Ok)?;
                if read.identity.is_none() {
                    return Err(failed("it was changed just now, or cannot be identified"));
                }
                all.push(read);
            }
        }
        file.beside = names.into_iter().map(str::to_owned).collect();
        Ok(Contents::of_files(file, all))
    }

    /// Those of an ONNX file and of the files that it refers to, in order.
    pub(super) fn of_files(file: ReadFile, others: Vec<ReadFile>) -> Self {
        let mut hasher = Digester::new("onnx");
        hasher.add(file.digest.as_bytes());
        for (name, other) in file.beside.iter().zip(&others) {
            hasher.add(name.as_bytes());
            hasher.add(other.digest.as_bytes());
        }
        let label = path_line(&file.path);
        let files = std::iter::once(file).chain(others).collect();
        Contents { digest: hasher.finish(), label, files }
    }

    /// Those of an ONNX model in memory.
    ///
    /// # Errors
    /// If the function that has the data beside it fails.
    pub(crate) fn of_onnx_bytes(bytes: &[u8], model: &Model) -> Result<Self, String> {
        let mut hasher = Digester::new("onnx");
        hasher.add(blake3::hash(bytes).as_bytes());
        let (names, beside) = model.data_beside();
        for name in names {
            let failed = |e: io::Error| format!("{}: {e}", one_line(name, 200));
            let data = match beside {
                Beside::Nothing => Cow::Borrowed(&[][..]),
                Beside::Folder(folder) => {
                    let read = ReadFile::read(&folder.join(name)).map_err(failed)?;
                    Cow::Owned(read.digest.as_bytes().to_vec())
                }
                Beside::Given(given) => given(name).map_err(failed)?,
            };
            hasher.add(name.as_bytes());
            hasher.add(blake3::hash(&data).as_bytes());
        }
        let label = "bytes of an ONNX model".to_owned();
        Ok(Contents { digest: hasher.finish(), label, files: Vec::new() })
    }

    /// Those of a spec and its weights.
    ///
    /// # Errors
    /// Never, as far as is known: a spec can be written as JSON.
    pub(crate) fn of_spec(spec: &Spec, weights: Made<'_>) -> Result<Self, String> {
        let mut hasher = Digester::new("spec");
        hasher.add(serde_json::to_string(spec).map_err(|e| e.to_string())?.as_bytes());
        let mut files = Vec::new();
        match weights {
            Made::Seed(seed) => hasher.add(&seed.to_le_bytes()),
            Made::File(file) => {
                hasher.add(file.digest.as_bytes());
                files.push(file.clone());
            }
            Made::Bytes(bytes) => hasher.add(blake3::hash(bytes).as_bytes()),
        }
        let label = match &spec.name[..] {
            "" => "a spec without a name".to_owned(),
            name => name_line(name),
        };
        Ok(Contents { digest: hasher.finish(), label, files })
    }
}

/// A digest of several parts, each with its length, so that no two lists of parts look alike.
pub(super) struct Digester(Hasher);

impl Digester {
    pub(super) fn new(kind: &str) -> Self {
        let mut digester = Digester(Hasher::new());
        digester.add(kind.as_bytes());
        digester
    }

    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(super) fn finish(&self) -> Hash {
        self.0.finalize()
    }
}
