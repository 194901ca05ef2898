//! Copies a row of positions, so that the channels of four blocks are side by side.

use crate::codegen::vir::{Builder, Count, OverBudget, Program, Target};

use super::super::sizes::{BLOCK, ROW};

/// Copies positions of some blocks of channels. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// The machine, with vectors of 16 bytes: those of a block.
    pub(super) target: Target,
    /// How many positions.
    pub(super) positions: usize,
    /// Bytes between positions of the source.
    pub(super) pixel: i64,
    /// Bytes between the source's blocks of channels.
    pub(super) plane: i64,
    /// Blocks of channels, up to four. Where there are fewer, bytes keep what they had before: their
    /// weights are 0.
    pub(super) blocks: usize,
}

/// Positions per iteration.
const UNROLLED: usize = 4;

impl Copy {
    /// The target whose vectors are blocks of bytes.
    pub(super) fn target(target: Target) -> Target {
        target.narrowed(BLOCK / 4)
    }

    /// Arguments: the first position, its place.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let run = |b: &mut Builder, turns: usize, positions: usize| {
            b.repeat(Count::Fixed(turns as u32), |b| {
                for position in 0..positions as i64 {
                    let values = b.vectors(self.blocks);
                    for (block, &value) in (0..).zip(&values) {
                        b.load(value, src.at(position * self.pixel + block * self.plane));
                    }
                    for (block, &value) in (0..).zip(&values) {
                        b.store(dst.at(position * ROW + block * BLOCK as i64), value);
                    }
                    b.release(values);
                }
                b.advance(src, positions as i64 * self.pixel);
                b.advance(dst, positions as i64 * ROW);
            });
        };
        run(&mut b, self.positions / UNROLLED, UNROLLED);
        let rest = self.positions % UNROLLED;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }
}
