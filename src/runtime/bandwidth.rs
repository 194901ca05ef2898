//! How fast this machine reads memory: the other roof of the roofline that kernels are measured
//! against.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use resnetc_ir::memory::reserved;

use crate::error::Error;
use crate::host::caches::last_cache_bytes;
use crate::runtime::pool::most_threads;

/// How many times as large as the last-level cache the memory is, so that little of it stays
/// cached. Servers whose cache is too large for the limit in [`BYTES`] share it among many
/// processes, so how much of it this one gets is unknown.
const CACHES: usize = 4;
/// The minimum and the maximum of the memory that is read, in bytes.
const BYTES: (usize, usize) = (64 << 20, 256 << 20);

/// The highest speed at which memory was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bandwidth {
    /// Number of threads that read.
    pub threads: usize,
    /// Bytes that all threads together read in one pass, each its own share.
    pub bytes: usize,
    /// Billions of bytes per second, all threads together.
    pub gbytes: f64,
}

/// Measures for about `time`, at least one pass. The fastest pass counts.
///
/// # Errors
/// If there is not enough memory.
pub fn measure(threads: usize, time: Duration) -> Result<Bandwidth, Error> {
    let threads = threads.clamp(1, most_threads());
    let bytes = last_cache_bytes().saturating_mul(CACHES).clamp(BYTES.0, BYTES.1);
    let words = written(bytes / size_of::<u64>())?;
    let (start, mut best) = (Instant::now(), Duration::MAX);
    loop {
        let turn = Instant::now();
        read(&words, threads);
        best = best.min(turn.elapsed());
        if start.elapsed() >= time {
            break;
        }
    }
    let bytes = words.len() * size_of::<u64>();
    Ok(Bandwidth { threads, bytes, gbytes: bytes as f64 / best.as_secs_f64().max(1e-9) / 1e9 })
}

/// Memory that was written: unwritten pages are all the same page of zeros, which is always in the
/// cache.
fn written(words: usize) -> Result<Vec<u64>, Error> {
    let what = "a buffer whose reading is timed";
    let mut memory = reserved(words).map_err(Error::memory(what))?;
    memory.extend((0..words as u64).map(|i| i | 1));
    Ok(memory)
}

/// Reads everything once; each thread reads its own share.
fn read(words: &[u64], threads: usize) {
    let share = words.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut shares = words.chunks(share);
        let own = shares.next();
        for other in shares {
            // If a thread cannot be started, this one does more.
            if thread::Builder::new().spawn_scoped(scope, || black_box(sum(other))).is_err() {
                black_box(sum(other));
            }
        }
        black_box(own.map(sum));
    });
}

/// Depends on every word, and is not slower than memory: rustc vectorizes it.
fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, &word| sum.wrapping_add(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_of_memory_is_a_positive_number() {
        let found = measure(2, Duration::ZERO).expect("there is memory");
        assert!(found.gbytes.is_finite() && found.gbytes > 0.0);
        assert!((BYTES.0..=BYTES.1).contains(&found.bytes));
    }
}
