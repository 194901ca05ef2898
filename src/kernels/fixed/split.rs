//! Splits a row of pixels into the digits of their channels.

use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target};

use super::digits::Digits;
use super::number::Width;
use super::sizes::{BLOCK, ROW};

/// Splits pixels of a group of blocks of channels into digits. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// The machine.
    pub(super) target: Target,
    /// How many digits numbers have.
    pub(super) width: Width,
    /// How many pixels.
    pub(super) positions: usize,
    /// Bytes between pixels of the source.
    pub(super) pixel: i64,
    /// Bytes between the source's blocks of channels.
    pub(super) plane: i64,
    /// Channels of the group that exist, at least one; lanes past the last hold anything.
    pub(super) channels: usize,
}

/// Pixels per iteration.
const TOGETHER: usize = 2;

impl Split {
    /// Arguments: the first pixel, its place in the result, the thread's memory.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst) = (b.arg(0), b.arg(1));
        let thread = b.arg(2);
        let digits = Digits::new(&mut b, thread, self.width);
        let run = |b: &mut Builder, turns: usize, together: usize| {
            b.repeat(Count::Fixed(turns as u32), |b| {
                self.pixels(b, [src, dst], &digits, together);
                b.advance(src, together as i64 * self.pixel);
                b.advance(dst, together as i64 * self.width.position());
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }

    fn pixels(&self, b: &mut Builder, [src, dst]: [P; 2], digits: &Digits, count: usize) {
        for i in 0..count as i64 {
            let place = |block: usize| {
                let live = self.channels.saturating_sub(block * BLOCK).min(BLOCK);
                (src.at(i * self.pixel + block as i64 * self.plane), live)
            };
            let rows = digits.of(b, std::array::from_fn(place));
            for (digit, &row) in rows.iter().enumerate() {
                b.store(dst.at(i * self.width.position() + digit as i64 * ROW), row);
            }
            b.release(rows);
        }
    }
}
