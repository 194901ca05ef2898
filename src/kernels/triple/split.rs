//! A row of pixels in three parts.

use crate::codegen::vir::{Arith, Builder, Count, OverBudget, P, Program, Target, V};

use super::{BLOCK, PART, PARTS, POSITION};

/// How many channels there are of each of the two blocks of a pair; lanes past the last hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Of the first, at least one.
    pub(super) first: usize,
    /// Of the second; where there are none, there need be no such block.
    pub(super) second: usize,
}

/// Pixels of two blocks of channels to parts of pairs. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// Bytes between pixels of the source.
    pub(super) pixel: i64,
    /// Bytes between its blocks of channels.
    pub(super) plane: i64,
    /// What is missing of the channels.
    pub(super) tail: Tail,
}

/// Pixels that are split at once, so that each waits for another's arithmetic, not for its own.
const TOGETHER: usize = 4;

impl Split {
    /// Arguments: the first pixel, its place in the result.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let zero = b.vector();
        b.constant(zero, 0.0);
        let run = |b: &mut Builder, count: usize, together: usize| {
            b.repeat(Count::Fixed(count as u32), |b| {
                self.pixels(b, src, dst, zero, together);
                b.advance(src, (together as i64 * self.pixel) as i32);
                b.advance(dst, (together as i64 * POSITION) as i32);
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }

    fn pixels(&self, b: &mut Builder, src: P, dst: P, zero: V, count: usize) {
        let mut values: Vec<[V; 2]> = Vec::new();
        for i in 0..count as i64 {
            let pair = [b.vector(), b.vector()];
            let blocks = [(0, self.tail.first), (self.plane, self.tail.second)];
            for (value, (plane, live)) in pair.into_iter().zip(blocks) {
                self.load(b, value, zero, src, i * self.pixel + plane, live);
            }
            values.push(pair);
        }
        let [pair, part] = [b.vector(), b.vector()];
        for step in 0..PARTS {
            for (i, &[first, second]) in values.iter().enumerate() {
                b.pair_halves(pair, first, second);
                b.store(dst.at((step * PART + i as i64 * POSITION) as i32), pair);
                if step + 1 < PARTS {
                    for value in [first, second] {
                        b.upper_half(part, value);
                        b.arith(Arith::Sub, value, value, part);
                    }
                }
            }
        }
        b.release(values.into_iter().flatten().chain([pair, part]));
    }

    /// Loads the channels of a block; those that do not exist are zero.
    fn load(&self, b: &mut Builder, dst: V, zero: V, src: P, offset: i64, live: usize) {
        match live {
            0 => b.constant(dst, 0.0),
            BLOCK => b.load(dst, src.at(offset as i32)),
            _ => {
                b.load(dst, src.at(offset as i32));
                b.blend(dst, zero, dst, (1 << live) - 1);
            }
        }
    }
}
