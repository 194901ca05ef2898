//! Files of packed weights, which are mapped. A file is named by the digest of what it holds, so
//! networks that need the same weights find the same file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread};

use serde::{Deserialize, Serialize};

use super::folder::{Folder, Refused};
use super::names;
use crate::one_line::path_line;
use crate::runtime::memory::FileMemory;
use crate::runtime::pool::default_threads;
use crate::runtime::weights::{Block, Segment};

/// The file of a segment, and what is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) file: String,
    pub(super) bytes: usize,
    blocks: Vec<Block>,
    /// The checksum of each block.
    sums: Vec<u32>,
}

/// More threads than this read memory no faster.
const MOST_THREADS: usize = 8;

impl Stored {
    /// A segment that is in a file.
    pub(super) fn of(segment: &Segment) -> Option<Self> {
        Some(Stored {
            file: segment.file()?.to_owned(),
            bytes: segment.bytes().len(),
            blocks: segment.blocks().to_vec(),
            sums: segment.sums().to_vec(),
        })
    }

    /// Maps the segment and checks it.
    pub(super) fn open(&self, folder: &Folder) -> Result<Arc<Segment>, String> {
        let text = path_line(folder.path(&self.file));
        let segment = map(folder, &self.file, self.bytes, self.blocks.clone())?;
        let damaged = || format!("{text} is damaged: a checksum differs");
        match self.blocks.len() == self.sums.len() && check(&segment, &self.sums) {
            true => Ok(Arc::new(segment.with_sums(self.sums.clone()))),
            false => Err(damaged()),
        }
    }
}

fn map(folder: &Folder, name: &str, bytes: usize, blocks: Vec<Block>) -> Result<Segment, String> {
    let text = path_line(folder.path(name));
    let file = folder.file(name).map_err(|refused| match refused {
        Refused::Missing => format!("{text} is missing"),
        Refused::Because(reason) => reason,
    })?;
    let memory = FileMemory::map(&file, bytes).map_err(|e| format!("{text}: {e}"))?;
    Segment::mapped(memory, name, blocks).ok_or_else(|| format!("{text} is damaged: too short"))
}

/// Whether all blocks have these checksums. All CPUs of the process look, whatever the network's
/// number of threads is: one alone reads half as fast. If a thread cannot be started, the others do
/// more.
fn check(segment: &Segment, sums: &[u32]) -> bool {
    let next = AtomicUsize::new(0);
    let are_whole = || {
        let pair = || {
            let i = next.fetch_add(1, Ordering::Relaxed);
            Some((segment.blocks().get(i)?, sums.get(i)?))
        };
        iter::from_fn(pair).all(|(&block, &sum)| crc32fast::hash(segment.block(block)) == sum)
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..default_threads().min(MOST_THREADS))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, are_whole).ok())
            .collect();
        let own = are_whole();
        helpers.into_iter().all(|helper| helper.join().unwrap_or(false)) && own
    })
}

/// Writes a segment unless it is in a file, and returns the one that is in a file.
pub(super) fn store(folder: &Folder, segment: &Arc<Segment>) -> Result<Arc<Segment>, String> {
    let digest = match segment.file() {
        Some(name) if folder.path(name).exists() => return Ok(Arc::clone(segment)),
        _ => blake3::hash(segment.bytes()),
    };
    let name = names::weights(&digest);
    let mapped = || map(folder, &name, segment.bytes().len(), segment.blocks().to_vec());
    let there = mapped().ok().filter(|there| there.bytes() == segment.bytes());
    let stored = match there {
        Some(there) => there,
        None => {
            folder.write(&name, &[segment.bytes()])?;
            mapped()?
        }
    };
    Ok(Arc::new(stored.with_sums(segment.sums().to_vec())))
}
