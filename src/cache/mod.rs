//! Compiled networks in a folder ([`Options::cache_dir`](crate::Options::cache_dir)).
//!
//! | module | holds |
//! |---|---|
//! | `contents` | what a network is made from: digests of files, specs and bytes |
//! | `read_file` | files that a network is made from |
//! | `memo` | digests of files that have not changed since they were read |
//! | `key` | what else code depends on: options, CPU, version |
//! | `names` | how the files are named |
//! | `folder` | files that this user owns and nobody else may write |
//! | `entry` | the file of a network: plan, code, and which weights it needs |
//! | `functions` | machine code in such a file |
//! | `segments` | files of packed weights, which are mapped |
//! | `listing` | which networks there are, and removing them |
//!
//! A network is two files or more. `CONTENTS-OPTIONS.net` is read as a whole; its name says what
//! the network is made from and how it was compiled. `DIGEST.weights` holds packed weights alone
//! and is mapped, so that all processes have them in memory once; networks of the same contents
//! share one if their layers are packed alike. Files are written under a temporary name and
//! renamed, so that they are whole or missing, whoever else writes; what cannot be used is replaced.

mod contents;
mod entry;
mod folder;
mod functions;
mod key;
mod listing;
mod memo;
mod names;
mod read_file;
mod segments;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use resnetc_ir::Graph;

use crate::compile::{Artifact, CacheUse, Outcome, compile_apart};
use crate::error::Error;
use crate::host::executable;
use crate::options::Options;
use crate::runtime::model::Model;
use crate::runtime::weights::Segment;

pub(crate) use contents::{Contents, FileVersion, Made};
pub use listing::{Cleared, Listed, clear, list};

use entry::{Entry, Unusable};
use folder::Folder;
use key::Key;

/// The network of these contents, if the folder has it for these options.
pub(crate) fn find(
    path: &Path,
    contents: &Contents,
    options: &Options,
) -> Result<Option<Model>, Error> {
    let start = Instant::now();
    if executable::probe().is_err() {
        return Ok(None);
    }
    let (Ok(folder), Ok(key)) = (Folder::open(path), Key::of(contents, options)) else {
        return Ok(None);
    };
    match entry::read(&folder, &key) {
        Ok(artifact) => from_folder(artifact, options, start).map(Some),
        Err(_) => Ok(None),
    }
}

/// The network of these contents: from the folder, or compiled and then stored there.
///
/// # Errors
/// If it must be compiled, and cannot be.
pub(crate) fn compile(
    graph: Graph,
    options: &Options,
    path: &Path,
    contents: Result<Contents, String>,
) -> Result<Model, Error> {
    let start = Instant::now();
    let not_stored = |reason| CacheUse::NotStored { reason };
    let place = || {
        executable::probe().map_err(|refusal| refusal.to_string())?;
        Ok((Folder::create(path)?, contents?))
    };
    let (folder, contents) = match place() {
        Ok(place) => place,
        Err(reason) => {
            let outcome = compile_apart(graph, options, &[])?;
            return with(outcome, options, |_| not_stored(reason));
        }
    };
    let key = Key::of(&contents, options)?;
    let replaced = match entry::read(&folder, &key) {
        Ok(artifact) => {
            // It was read to find out that nothing has changed, which need not be repeated.
            memo::write(&folder, &contents.files);
            return from_folder(artifact, options, start);
        }
        Err(Unusable::Missing) => None,
        Err(Unusable::Because(reason)) => Some(reason),
    };
    let others = entry::related(&folder, &key);
    let outcome = compile_apart(graph, options, &others)?;
    with(outcome, options, |artifact| match store(&folder, &key, &contents, artifact) {
        Ok(()) => {
            memo::write(&folder, &contents.files);
            if replaced.is_some() {
                entry::remove_unused(&folder);
            }
            CacheUse::Stored { replaced }
        }
        Err(reason) => not_stored(reason),
    })
}

fn from_folder(mut artifact: Artifact, options: &Options, start: Instant) -> Result<Model, Error> {
    artifact.report.cache = Some(CacheUse::Found);
    artifact.report.phases = vec![("cache", start.elapsed())];
    artifact.into_model(options)
}

/// The model of a compilation, with a note in its report of how the folder was used.
fn with(
    outcome: Outcome,
    options: &Options,
    used: impl FnOnce(&mut Artifact) -> CacheUse,
) -> Result<Model, Error> {
    match outcome {
        Outcome::Interpreted(model) => Ok(model),
        Outcome::Compiled(mut artifact) => {
            artifact.report.cache = Some(used(&mut artifact));
            artifact.into_model(options)
        }
    }
}

/// Writes the files of a network, and replaces its weights by those of the files.
fn store(
    folder: &Folder,
    key: &Key,
    contents: &Contents,
    artifact: &mut Artifact,
) -> Result<(), String> {
    let stored = |segment: &Arc<Segment>| segments::store(folder, segment);
    artifact.weights = artifact.weights.iter().map(stored).collect::<Result<_, _>>()?;
    let entry = Entry::of(key, contents, artifact)?;
    folder.write(&key.file_name(), &[&entry.encode()?])
}
