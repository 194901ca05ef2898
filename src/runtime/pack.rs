//! Fills the packed constants, on several threads.

use std::sync::Mutex;

use crate::kernels::sink::Pack;

use super::memory::Memory;
use super::pool::default_threads;

/// Memory of `bytes` filled by `packs`.
///
/// # Errors
/// If the system has not so much memory.
pub fn pack(packs: Vec<Pack>, bytes: usize, threads: usize) -> std::io::Result<Memory> {
    let mut memory = Memory::zeroed(bytes)?;
    let mut rest = memory.floats_mut();
    let mut start = 0;
    let mut jobs = Vec::with_capacity(packs.len());
    for pack in packs {
        let (_, from) = rest.split_at_mut(pack.offset / 4 - start);
        let (place, after) = from.split_at_mut(pack.len);
        start = pack.offset / 4 + pack.len;
        rest = after;
        jobs.push((place, pack.fill));
    }
    let jobs = Mutex::new(jobs);
    let take = || jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
    let work = || {
        while let Some((place, fill)) = take() {
            fill(place);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(default_threads()) {
            // A thread that cannot be had only means that the others do more.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    Ok(memory)
}
