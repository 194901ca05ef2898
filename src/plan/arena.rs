//! Offsets by best fit.
//!
//! Buffers are placed one by one, the largest first; each goes into the smallest gap between the
//! buffers that are live at the same time (Pisarchyk and Lee, "Efficient Memory Management for Deep
//! Neural Net Inference", 2020, section 5.2).

use std::cmp::Reverse;

use super::Buffer;

/// Gives every buffer an offset. Tries three placement orders and keeps the one that needs the
/// least memory.
pub fn place(buffers: &mut [Buffer]) {
    let by_size = |b: &Buffer| (Reverse(b.bytes), b.live.0, 0);
    let by_length = |b: &Buffer| (Reverse(b.live.1 - b.live.0), b.live.0, b.bytes);
    let by_area = |b: &Buffer| (Reverse(b.bytes * (b.live.1 - b.live.0 + 1)), b.live.0, 0);
    let attempts = [placed(buffers, by_size), placed(buffers, by_length), placed(buffers, by_area)];
    if let Some(best) = attempts.into_iter().min_by_key(|offsets| peak(buffers, offsets)) {
        buffers.iter_mut().zip(best).for_each(|(b, offset)| b.offset = offset);
    }
}

fn peak(buffers: &[Buffer], offsets: &[usize]) -> usize {
    buffers.iter().zip(offsets).map(|(b, o)| b.bytes + o).max().unwrap_or(0)
}

fn placed<K: Ord>(buffers: &[Buffer], key: impl Fn(&Buffer) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (key(&buffers[i]), i));
    let mut offsets = vec![0; buffers.len()];
    let mut done: Vec<usize> = Vec::new();
    for &index in &order {
        let mut taken: Vec<(usize, usize)> = done
            .iter()
            .filter(|&&other| overlap(&buffers[other], &buffers[index]))
            .map(|&other| (offsets[other], offsets[other] + buffers[other].bytes))
            .collect();
        taken.sort_unstable();
        offsets[index] = best_gap(&taken, buffers[index].bytes);
        done.push(index);
    }
    offsets
}

/// Whether two buffers are live at the same step.
pub fn overlap(a: &Buffer, b: &Buffer) -> bool {
    a.live.0 <= b.live.1 && b.live.0 <= a.live.1
}

/// The start of the smallest gap between the ranges in `taken` that holds `bytes`, or their end.
fn best_gap(taken: &[(usize, usize)], bytes: usize) -> usize {
    let mut best: Option<(usize, usize)> = None;
    let mut end = 0;
    for &(from, to) in taken {
        if from >= end + bytes {
            let gap = (from - end, end);
            best = Some(best.map_or(gap, |b| b.min(gap)));
        }
        end = end.max(to);
    }
    best.map_or(end, |(_, start)| start)
}

/// The most bytes that are live at one step.
pub fn lower_bound(buffers: &[Buffer]) -> usize {
    let steps = buffers.iter().map(|b| b.live.1 + 1).max().unwrap_or(0);
    let mut change = vec![0isize; steps + 1];
    for b in buffers {
        change[b.live.0] += b.bytes as isize;
        change[b.live.1 + 1] -= b.bytes as isize;
    }
    let mut live = 0;
    let at_each = change.into_iter().map(|c| {
        live += c;
        live
    });
    at_each.max().unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffers() -> impl Strategy<Value = Vec<Buffer>> {
        let one = (1usize..50, 0usize..30, 0usize..8).prop_map(|(lines, start, length)| Buffer {
            bytes: lines * 64,
            live: (start, start + length),
            offset: 0,
            values: Vec::new(),
        });
        prop::collection::vec(one, 1..40)
    }

    proptest! {
        #[test]
        fn buffers_live_at_once_never_overlap(mut buffers in buffers()) {
            place(&mut buffers);
            for (i, a) in buffers.iter().enumerate() {
                for b in &buffers[i + 1..] {
                    let apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
                    prop_assert!(!overlap(a, b) || apart, "{a:?} {b:?}");
                }
            }
            let peak = buffers.iter().map(|b| b.offset + b.bytes).max().unwrap();
            prop_assert!(peak >= lower_bound(&buffers));
        }
    }
}
