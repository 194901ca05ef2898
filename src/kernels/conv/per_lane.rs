//! The sum of a tile whose lanes see different channels: small groups, and one channel per group.
//!
//! The lanes need different values of a source pixel, so a broadcast is not enough: they take a
//! load if the values are adjacent, a shuffle if each four of them are, otherwise a broadcast and a
//! blend per group. That costs as much as the multiply-adds. But neighbouring pixels of a tile see
//! the same source pixel under different taps, so it is gathered once and multiplied with the
//! weights of all these taps.

use std::collections::BTreeMap;

use crate::codegen::vir::{Builder, Count, Inst, Mem, P, V};
use crate::kernels::geometry::F32;

use super::ahead::Panels;
use super::budget::{HELD, UNROLLED_STEPS};
use super::micro::{Micro, Sum};

/// The values of a block.
const BLOCK: i64 = 16;

impl Micro {
    /// Adds the sum to the accumulators. `channels[i][lane]` is the byte offset of channel `i` of
    /// the lane's group. Leaves `src` unchanged and the weights pointer after the weights that were
    /// read.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn own_sum(
        &self,
        b: &mut Builder,
        sum: &Sum,
        channels: &[Vec<i64>],
        acc: &[Vec<V>],
        pixels: &[i64],
        src: P,
        panels: Panels,
    ) {
        let (rows, row_step) = sum.tap_rows;
        let (columns, column_step) = sum.tap_columns;
        let whole = columns * channels.len() <= UNROLLED_STEPS;
        let unrolled = if whole { columns } else { 1 };
        let turns = columns / unrolled;
        let steps = unrolled * channels.len();
        b.repeat(Count::Fixed(rows as u32), |b| {
            b.repeat(Count::Fixed(turns as u32), |b| {
                for first in (0..unrolled).step_by(HELD) {
                    let held: Vec<usize> = (first..unrolled.min(first + HELD)).collect();
                    for (channel, lanes) in channels.iter().enumerate() {
                        for (i, _) in held.iter().enumerate() {
                            let done = first * channels.len() + channel * held.len() + i;
                            panels.fetch(b, self.step_bytes(), done, steps);
                        }
                        let taps = Taps { columns: &held, step: column_step, channel, lanes };
                        self.own_taps(b, &taps, channels.len(), acc, pixels, src, panels.weights);
                    }
                }
                b.advance(panels.weights, (steps * self.lanes()) as i64 * F32);
                if turns > 1 {
                    b.advance(src, column_step);
                }
            });
            let back = if turns > 1 { columns as i64 * column_step } else { 0 };
            b.advance(src, row_step - back);
        });
        b.advance(src, -(rows as i64 * row_step));
    }

    /// One channel of each group under some columns of the kernel.
    #[allow(clippy::too_many_arguments)]
    fn own_taps(
        &self,
        b: &mut Builder,
        taps: &Taps<'_>,
        channels: usize,
        acc: &[Vec<V>],
        pixels: &[i64],
        src: P,
        weights: P,
    ) {
        let vector = self.target.lanes;
        let value = b.vector();
        let held = b.vectors(taps.columns.len());
        for (v, lanes) in taps.lanes.chunks_exact(vector).enumerate() {
            for (&register, column) in held.iter().zip(taps.columns) {
                let step = column * channels + taps.channel;
                let offset = (step * self.lanes() + v * vector) as i64 * F32;
                b.load(register, weights.at(offset));
            }
            for (offset, products) in taps.products(pixels) {
                gather(b, value, src, offset, lanes);
                for (pixel, tap) in products {
                    b.multiply_add(acc[pixel][v], value, held[tap]);
                }
            }
        }
        b.release(held);
        b.release([value]);
    }
}

/// Some taps of a kernel's row, for one channel of each group.
struct Taps<'a> {
    columns: &'a [usize],
    /// Bytes from one column to the next.
    step: i64,
    channel: usize,
    /// Byte offset of each lane's channel.
    lanes: &'a [i64],
}

impl Taps<'_> {
    /// The source pixels that the tile's pixels see, each with the pixels and the positions of the
    /// taps that see it.
    fn products(&self, pixels: &[i64]) -> BTreeMap<i64, Vec<(usize, usize)>> {
        let mut products: BTreeMap<i64, Vec<(usize, usize)>> = BTreeMap::new();
        for (pixel, at) in pixels.iter().enumerate() {
            for (tap, &column) in self.columns.iter().enumerate() {
                products.entry(at + column as i64 * self.step).or_default().push((pixel, tap));
            }
        }
        products
    }
}

/// Fills the lanes of `dst` from the byte offsets `lanes`.
fn gather(b: &mut Builder, dst: V, src: P, offset: i64, lanes: &[i64]) {
    let first = lanes[0];
    let at = |lane: i64| src.at(offset + lane);
    if lanes.iter().enumerate().all(|(i, &at)| at == first + i as i64 * F32) {
        return b.load(dst, at(first));
    }
    if let Some((start, order)) = shuffled(lanes) {
        return b.push(Inst::Shuffle { dst, src: at(start), order });
    }
    b.broadcast(dst, at(first));
    let mut distinct: Vec<i64> = lanes.iter().copied().filter(|&at| at != first).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let other = b.vector();
    for lane in distinct {
        let mask =
            lanes.iter().enumerate().filter(|&(_, &l)| l == lane).map(|(i, _)| 1u16 << i).sum();
        let src: Mem = at(lane);
        b.broadcast(other, src);
        b.push(Inst::Blend { dst, a: dst, b: other, mask });
    }
    b.release([other]);
}

/// The start of consecutive values in a block that become these lanes if each group of four is
/// permuted, and the permutation. `None` if all lanes have the same value: a broadcast is as good.
fn shuffled(lanes: &[i64]) -> Option<(i64, [u8; 4])> {
    let position = |lane: i64| lane / F32;
    let start = position(lanes[0]) / 4 * 4;
    let order: [i64; 4] = std::array::from_fn(|i| position(lanes[i]) - start);
    let fits = start >= 0 && start + lanes.len() as i64 <= BLOCK;
    let is_shuffle = lanes.iter().enumerate().all(|(i, &lane)| {
        lane == (start + (i - i % 4) as i64 + order[i % 4]) * F32 && (0..4).contains(&order[i % 4])
    });
    let is_broadcast = lanes.iter().all(|&lane| lane == lanes[0]);
    (fits && is_shuffle && !is_broadcast).then(|| (start * F32, order.map(|o| o as u8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(positions: impl IntoIterator<Item = i64>) -> Vec<i64> {
        positions.into_iter().map(|p| p * F32).collect()
    }

    #[test]
    fn groups_of_two_and_four_are_shuffled() {
        let four = |channel: i64| lanes((0..16).map(|l| l / 4 * 4 + channel));
        assert_eq!(shuffled(&four(2)), Some((0, [2; 4])));
        assert_eq!(shuffled(&four(0)[8..]), Some((32, [0; 4])));
        assert_eq!(shuffled(&lanes((0..8).map(|l| l / 2 * 2 + 1))), Some((0, [1, 1, 3, 3])));
    }

    #[test]
    fn what_leaves_its_four_or_its_block_is_not_shuffled() {
        for case in [
            lanes((0..16).map(|l| l / 8 * 8)),
            lanes((0..16).map(|l| l / 4 * 3)),
            lanes((0..8).map(|l| 12 + l / 4 * 4)),
            lanes([5; 8]),
        ] {
            assert_eq!(shuffled(&case), None, "{case:?}");
        }
    }

    /// Three taps on seven neighbours see nine source pixels.
    #[test]
    fn a_source_pixel_is_brought_once() {
        let taps = Taps { columns: &[0, 1, 2], step: 64, channel: 0, lanes: &[] };
        let pixels: Vec<i64> = (0..7).map(|p| 64 * p).collect();
        let products = taps.products(&pixels);
        assert_eq!(products.len(), 9);
        assert_eq!(products.values().map(Vec::len).sum::<usize>(), 21);
    }
}
