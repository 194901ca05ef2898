//! Offsets in the order of the steps, as an allocator would give them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::plan::Buffer;

/// An offset for every buffer: at each step what is no longer live is freed, and what begins to
/// live gets the smallest gap that holds it. It sees no further than one step, so it usually needs
/// more memory than placing the largest first, but takes less time where thousands are live at
/// once.
pub(super) fn offsets(buffers: &[Buffer]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (buffers[i].live.0, Reverse(buffers[i].bytes), i));
    let mut offsets = vec![0; buffers.len()];
    let mut live: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    let mut gaps = Gaps::default();
    for index in order {
        let Buffer { bytes, live: (first, last), .. } = buffers[index];
        while let Some(&Reverse((_, other))) = live.peek().filter(|ended| ended.0.0 < first) {
            live.pop();
            gaps.free(offsets[other], offsets[other] + buffers[other].bytes);
        }
        offsets[index] = gaps.allocate(bytes);
        live.push(Reverse((last, index)));
    }
    offsets
}

/// What is free below the end of what was ever used.
#[derive(Default)]
struct Gaps {
    /// Their ends, by their starts.
    ends: BTreeMap<usize, usize>,
    /// Their sizes and starts.
    sizes: BTreeSet<(usize, usize)>,
    /// The end of what was ever used.
    end: usize,
}

impl Gaps {
    fn add(&mut self, start: usize, end: usize) {
        if start < end {
            self.ends.insert(start, end);
            self.sizes.insert((end - start, start));
        }
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.ends.remove(&start);
        self.sizes.remove(&(end - start, start));
    }

    /// The start of the smallest gap that is large enough, or of new memory at the end, which
    /// begins with the gap before it.
    fn allocate(&mut self, bytes: usize) -> usize {
        if let Some(&(size, start)) = self.sizes.range((bytes, 0)..).next() {
            self.remove(start, start + size);
            self.add(start + bytes, start + size);
            return start;
        }
        let last = self.ends.last_key_value().map(|(&start, &end)| (start, end));
        let start = match last {
            Some((start, end)) if end == self.end => {
                self.remove(start, end);
                start
            }
            _ => self.end,
        };
        self.end = start + bytes;
        start
    }

    /// A new gap, together with those next to it.
    fn free(&mut self, mut start: usize, mut end: usize) {
        let before = self.ends.range(..start).next_back().map(|(&from, &to)| (from, to));
        if let Some((from, to)) = before.filter(|&(_, to)| to == start) {
            self.remove(from, to);
            start = from;
        }
        if let Some(&to) = self.ends.get(&end) {
            self.remove(end, to);
            end = to;
        }
        self.add(start, end);
    }
}
