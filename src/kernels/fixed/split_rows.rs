//! Splits one or two rows of a planar image into the digits of their channels.

use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target};
use crate::kernels::geometry::F32;

use super::digits::Digits;
use super::number::Width;
use super::sizes::{BLOCK, LANES_BYTES};

/// Splits rows of an image into digits. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SplitRows {
    /// The machine.
    pub(super) target: Target,
    /// How many digits numbers have.
    pub(super) width: Width,
    /// Channels, up to four.
    pub(super) channels: usize,
    /// Number of rows that exist, and number of rows that share a pixel: one or two.
    pub(super) rows: [usize; 2],
    /// Bytes between channels and rows of the source.
    pub(super) strides: [i64; 2],
    /// Pixels of a row, 16 or more.
    pub(super) pixels: usize,
    /// Bytes between digits.
    pub(super) plane: i64,
    /// Offset in the thread's memory of rows before they are interleaved.
    pub(super) apart: i64,
}

impl SplitRows {
    /// Arguments: the first pixel, its place in the result, the thread's memory.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst, thread) = (b.arg(0), b.arg(1), b.arg(2));
        let digits = Digits::new(&mut b, thread, self.width);
        let together = self.rows[1] as i64;
        b.repeat(Count::Fixed((self.pixels / BLOCK) as u32), |b| {
            self.vector(b, [src, dst, thread], &digits);
            b.advance(src, LANES_BYTES);
            b.advance(dst, together * LANES_BYTES);
        });
        let rest = self.pixels % BLOCK;
        if rest > 0 {
            // The last pixels, some of which are already done.
            let again = (BLOCK - rest) as i64 * F32;
            b.advance(src, -again);
            b.advance(dst, -again * together);
            self.vector(&mut b, [src, dst, thread], &digits);
        }
        b.finish()
    }

    /// The pixels of a vector.
    fn vector(&self, b: &mut Builder, [src, dst, thread]: [P; 3], digits: &Digits) {
        let [live, together] = self.rows;
        let count = self.width.digits();
        let apart =
            |row: usize, digit: usize| self.apart + (row * count + digit) as i64 * LANES_BYTES;
        for row in 0..together {
            let place = |channel: usize| {
                let exists = row < live && channel < self.channels;
                let at = channel as i64 * self.strides[0] + row as i64 * self.strides[1];
                (src.at(if exists { at } else { 0 }), if exists { BLOCK } else { 0 })
            };
            let rows = digits.of(b, std::array::from_fn(place));
            for (digit, &v) in rows.iter().enumerate() {
                let place = match together {
                    1 => dst.at(digit as i64 * self.plane),
                    _ => thread.at(apart(row, digit)),
                };
                b.store(place, v);
            }
            b.release(rows);
        }
        if together > 1 {
            let v = b.vector();
            for (digit, half) in (0..count).flat_map(|digit| [(digit, 0), (digit, 1)]) {
                let place = |row: usize| thread.at(apart(row, digit) + half * LANES_BYTES / 2);
                b.interleave(v, place(0), place(1));
                b.store(dst.at(digit as i64 * self.plane + half * LANES_BYTES), v);
            }
            b.release([v]);
        }
    }
}
