//! Fills the packed constants, on several threads.

use std::sync::Mutex;

use crate::kernels::sink::{Fill, Pack};

use super::memory::{PageMemory, elements_mut};
use super::pool::default_threads;

/// Memory of `bytes` filled by `packs`.
///
/// # Errors
/// If there is not that much memory.
pub fn pack(packs: Vec<Pack>, bytes: usize, threads: usize) -> std::io::Result<PageMemory> {
    let mut memory = PageMemory::zeroed(bytes)?;
    let mut rest = memory.bytes_mut();
    let mut start = 0;
    let mut jobs = Vec::with_capacity(packs.len());
    for pack in packs {
        let (_, from) = rest.split_at_mut(pack.offset - start);
        let (place, after) = from.split_at_mut(pack.bytes);
        start = pack.offset + pack.bytes;
        rest = after;
        jobs.push((place, pack.fill));
    }
    let jobs = Mutex::new(jobs);
    let take = || jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
    let work = || {
        while let Some((place, fill)) = take() {
            match fill {
                Fill::Floats(fill) => fill(elements_mut(place)),
                Fill::Bytes(fill) => fill(place),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(default_threads()) {
            // If a thread cannot be started, the others do more.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cpu::Vendor;
    use crate::kernels::sink::{ALIGN, Machine, Sink};

    #[test]
    fn bytes_and_values_lie_where_they_were_promised() {
        let target = crate::isa::Isa::Baseline.target();
        let mut sink = Sink::new(Machine::new(target, 2, 1 << 15, Vendor::Other));
        let odd = sink.pack_bytes(5, |out| out.copy_from_slice(&[1, 2, 3, 4, 5]));
        let values = sink.pack(3, |out| out.copy_from_slice(&[0.5, -1.0, 2.0]));
        let last = sink.pack_bytes(1, |out| out[0] = 9);
        assert_eq!([odd, values, last], [0, ALIGN as i64, 2 * ALIGN as i64]);
        let (_, packs, bytes) = sink.finish();
        let memory = pack(packs, bytes, 2).expect("there is memory");
        let mut expected = vec![0; bytes];
        expected[..5].copy_from_slice(&[1, 2, 3, 4, 5]);
        let floats = [0.5f32, -1.0, 2.0].map(f32::to_le_bytes);
        expected[ALIGN..ALIGN + 12].copy_from_slice(floats.as_flattened());
        expected[2 * ALIGN] = 9;
        assert_eq!(memory.bytes(), expected);
    }
}
