//! Offsets by best fit.
//!
//! Buffers are placed one by one, the largest first; each goes into the smallest gap between the
//! buffers that are live at the same time (Pisarchyk and Lee, "Efficient Memory Management for Deep
//! Neural Net Inference", 2020, section 5.2). Where too many are live at the same time for that,
//! offsets are given in the order of the steps.

use std::cmp::Reverse;

use super::Buffer;
use live::LiveIntervals;

mod in_order;
mod live;

/// The most pairs of buffers that are live at the same step for which best fit is tried. It looks
/// at each pair a few times, so that this many take some tenths of a second.
const MAX_PAIRS: usize = 1 << 22;

/// Gives every buffer an offset. Tries three placement orders and keeps the one that needs the
/// least memory.
pub fn place(buffers: &mut [Buffer]) {
    let by_size = |b: &Buffer| (Reverse(b.bytes), b.live.0, 0);
    let by_length = |b: &Buffer| (Reverse(b.live.1 - b.live.0), b.live.0, b.bytes);
    let by_area =
        |b: &Buffer| (Reverse(b.bytes.saturating_mul(b.live.1 - b.live.0 + 1)), b.live.0, 0);
    let attempts = match pairs_live_at_once(buffers) {
        0..=MAX_PAIRS => {
            vec![
                best_fit(buffers, by_size),
                best_fit(buffers, by_length),
                best_fit(buffers, by_area),
            ]
        }
        _ => vec![in_order::offsets(buffers)],
    };
    if let Some(best) = attempts.into_iter().min_by_key(|offsets| peak(buffers, offsets)) {
        buffers.iter_mut().zip(best).for_each(|(b, offset)| b.offset = offset);
    }
}

/// How many pairs of buffers are live at the same step: all pairs but those of which one ends
/// before the other starts.
fn pairs_live_at_once(buffers: &[Buffer]) -> usize {
    let mut ends: Vec<usize> = buffers.iter().map(|b| b.live.1).collect();
    ends.sort_unstable();
    let ended = |b: &Buffer| ends.partition_point(|&end| end < b.live.0);
    let apart: usize = buffers.iter().map(ended).sum();
    buffers.len() * buffers.len().saturating_sub(1) / 2 - apart
}

fn peak(buffers: &[Buffer], offsets: &[usize]) -> usize {
    buffers.iter().zip(offsets).map(|(b, o)| b.bytes + o).max().unwrap_or(0)
}

fn best_fit<K: Ord>(buffers: &[Buffer], key: impl Fn(&Buffer) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (key(&buffers[i]), i));
    let mut offsets = vec![0; buffers.len()];
    let mut placed = LiveIntervals::new(steps(buffers));
    for index in order {
        let Buffer { bytes, live, .. } = buffers[index];
        let range = |other: usize| (offsets[other], offsets[other] + buffers[other].bytes);
        let mut taken: Vec<(usize, usize)> = placed.overlapping(live).map(range).collect();
        taken.sort_unstable();
        offsets[index] = best_gap(&taken, bytes);
        placed.insert(live, index);
    }
    offsets
}

/// One past the last step at which a buffer is live.
fn steps(buffers: &[Buffer]) -> usize {
    buffers.iter().map(|b| b.live.1 + 1).max().unwrap_or(0)
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
    let mut change = vec![0isize; steps(buffers) + 1];
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

    /// Whether two buffers are live at the same step.
    fn overlap(a: &Buffer, b: &Buffer) -> bool {
        a.live.0 <= b.live.1 && b.live.0 <= a.live.1
    }

    fn check(buffers: &[Buffer]) -> Result<(), TestCaseError> {
        for (i, a) in buffers.iter().enumerate() {
            for b in &buffers[i + 1..] {
                let apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
                prop_assert!(!overlap(a, b) || apart, "{a:?} {b:?}");
            }
        }
        let peak = buffers.iter().map(|b| b.offset + b.bytes).max().unwrap();
        prop_assert!(peak >= lower_bound(buffers));
        Ok(())
    }

    proptest! {
        #[test]
        fn buffers_live_at_once_never_overlap(mut buffers in buffers()) {
            place(&mut buffers);
            check(&buffers)?;
            let offsets = in_order::offsets(&buffers);
            buffers.iter_mut().zip(offsets).for_each(|(b, offset)| b.offset = offset);
            check(&buffers)?;
        }

        #[test]
        fn pairs_live_at_once_are_counted(buffers in buffers()) {
            let later = |i: usize| buffers[i + 1..].iter();
            let with = |(i, a): (usize, &Buffer)| later(i).filter(|b| overlap(a, b)).count();
            let pairs: usize = buffers.iter().enumerate().map(with).sum();
            prop_assert_eq!(pairs_live_at_once(&buffers), pairs);
        }
    }

    /// Memory that is freed together is one gap.
    #[test]
    fn the_order_of_the_steps_reuses_what_is_freed() {
        let buffer = |bytes, live| Buffer { bytes, live, offset: 0, values: Vec::new() };
        let buffers = [
            buffer(64, (0, 1)),
            buffer(64, (0, 2)),
            buffer(64, (0, 9)),
            buffer(128, (3, 4)),
            buffer(192, (5, 6)),
            buffer(64, (5, 6)),
        ];
        assert_eq!(in_order::offsets(&buffers), [0, 64, 128, 0, 192, 0]);
    }
}
