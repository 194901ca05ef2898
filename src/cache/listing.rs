//! Which networks a folder holds, and removing them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry;
use super::folder::Folder;
use super::key::version;
use super::names::Kind;

/// A compiled network in a folder.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its file.
    pub file: PathBuf,
    /// When it was written, if the system tells.
    pub written: Option<SystemTime>,
    /// Bytes of the file: plan and code.
    pub bytes: u64,
    /// What it is; or why the file is not used.
    pub network: Result<ListedNetwork, String>,
}

/// What a network in a folder was compiled from, and for what.
#[derive(Clone, Debug)]
pub struct ListedNetwork {
    /// The path or the name of the model.
    pub model: String,
    /// The instruction set.
    pub isa: String,
    /// Threads of a run.
    pub threads: usize,
    /// The name and shape of each input.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// The file of each part of its packed weights, which networks can share, and its bytes.
    pub weights: Vec<(PathBuf, usize)>,
    /// Whether this version of the compiler wrote it; a network of another one is compiled again.
    pub is_current: bool,
}

/// What [`clear`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Networks.
    pub networks: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// The compiled networks in a folder, in order of their files' names.
///
/// # Errors
/// If there is no such folder, it belongs to another user, or others may write to it.
pub fn list(folder: &Path) -> Result<Vec<Listed>, String> {
    let folder = Folder::open(folder)?;
    let listed = |(name, about): entry::Known| {
        let file = folder.path(&name);
        let metadata = file.metadata().ok();
        Listed {
            written: metadata.as_ref().and_then(|metadata| metadata.modified().ok()),
            bytes: metadata.map_or(0, |metadata| metadata.len()),
            network: about.map(|about| ListedNetwork {
                model: about.label,
                isa: about.isa,
                threads: about.threads,
                inputs: about.inputs.into_iter().map(|port| (port.name, port.shape)).collect(),
                weights: about
                    .segments
                    .into_iter()
                    .map(|stored| (folder.path(&stored.file), stored.bytes))
                    .collect(),
                is_current: about.version == version(),
            }),
            file,
        }
    };
    Ok(entry::all(&folder)?.into_iter().map(listed).collect())
}

/// Removes all compiled networks from a folder, and nothing else that is in it. Models that were
/// loaded from it go on to work.
///
/// # Errors
/// As [`list`], and if a file cannot be removed, the first of them; the others are removed.
pub fn clear(folder: &Path) -> Result<Cleared, String> {
    let folder = Folder::open(folder)?;
    let mut cleared = Cleared::default();
    let mut failures = Vec::new();
    for kind in Kind::ALL {
        let names = match kind {
            Kind::Unfinished => folder.abandoned(),
            _ => folder.names(kind)?,
        };
        for name in names {
            let bytes = folder.path(&name).symlink_metadata().map_or(0, |found| found.len());
            match folder.remove(&name) {
                Ok(()) => {
                    cleared.bytes += bytes;
                    cleared.networks += usize::from(kind == Kind::Network);
                }
                Err(reason) => failures.push(reason),
            }
        }
    }
    failures.into_iter().next().map_or(Ok(cleared), Err)
}
