//! Rows of pixels to strips, one for each column of a tile.

use std::ops::Range;

use crate::codegen::vir::{Builder, Count, Distance, Inst, OverBudget, P, Program, Target, V};
use crate::kernels::geometry::F32;

use super::form::ADVANCE;

/// The strips of a row of one channel. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) target: Target,
    /// Tiles of a strip that are written, the one after the last tile included.
    pub(super) tiles: usize,
    /// Pixels that windows see; those after them become zeros, and are not read.
    pub(super) pixels: usize,
    /// Bytes from a strip to the next.
    pub(super) strip: i64,
}

impl Split {
    /// Arguments: the row's first pixel, the first strip.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let group = self.target.lanes * ADVANCE;
        let groups = self.tiles.div_ceil(self.target.lanes);
        let whole = (self.pixels / group).min(groups);
        if whole > 0 {
            b.repeat(Count::Fixed(whole as u32), |b| self.group(b, group));
        }
        for done in whole..groups {
            self.group(&mut b, self.pixels.saturating_sub(done * group));
        }
        b.finish()
    }

    /// A vector of each strip, from the next pixels, of which `present` exist.
    fn group(&self, b: &mut Builder, present: usize) {
        let lanes = self.target.lanes;
        // Squares of this many tiles and columns are transposed; a vector of sixteen lanes has one
        // column of two squares.
        let side = lanes.min(ADVANCE);
        let square: Vec<V> = b.vectors(side);
        for column in (0..ADVANCE).step_by(side) {
            for (tile, &dst) in square.iter().enumerate() {
                b.constant(dst, 0.0);
                for first in (0..lanes).step_by(side) {
                    let pixel = (tile + first) * ADVANCE + column;
                    load(b, dst, pixel, first..first + side, present);
                }
            }
            transpose(b, &square);
            for (i, &value) in square.iter().enumerate() {
                b.store(b.arg(1).at((column + i) as i64 * self.strip), value);
            }
        }
        b.release(square);
        let (src, dst) = (b.arg(0), b.arg(1));
        b.advance(src, (lanes * ADVANCE) as i64 * F32);
        b.advance(dst, lanes as i64 * F32);
    }
}

/// Loads neighbouring pixels, from `pixel` on, into some lanes, as far as the pixels are present.
fn load(b: &mut Builder, dst: V, pixel: usize, lanes: Range<usize>, present: usize) {
    let all = b.target().lanes;
    // The pixels of a whole vector in which these are in their lanes.
    let whole = pixel.checked_sub(lanes.start).filter(|first| first + all <= present);
    let value = b.vector();
    if let Some(first) = whole {
        b.load(value, b.arg(0).at(first as i64 * F32));
        let mask = lanes.clone().fold(0, |mask, lane| mask | 1 << lane);
        b.blend(dst, dst, value, mask);
    } else {
        for (i, lane) in lanes.enumerate().take_while(|(i, _)| pixel + i < present) {
            b.broadcast(value, b.arg(0).at((pixel + i) as i64 * F32));
            b.blend(dst, dst, value, 1 << lane);
        }
    }
    b.release([value]);
}

/// Transposes squares of as many lanes as there are vectors, each in its part of the lanes: bit by
/// bit, the lane's number changes places with the vector's.
fn transpose(b: &mut Builder, square: &[V]) {
    let all = u16::MAX >> (16 - b.target().lanes);
    for distance in Distance::ALL.into_iter().filter(|d| d.lanes() < square.len()) {
        let far = (0..16).filter(|lane| lane & distance.lanes() != 0);
        let far = far.fold(0, |mask, lane| mask | 1 << lane) & all;
        for low in (0..square.len()).filter(|i| i & distance.lanes() == 0) {
            let (a, c) = (square[low], square[low + distance.lanes()]);
            let [from_a, from_c] = [b.vector(), b.vector()];
            b.push(Inst::Exchange { dst: from_a, src: a, distance });
            b.push(Inst::Exchange { dst: from_c, src: c, distance });
            b.blend(a, a, from_c, far);
            b.blend(c, from_a, c, far);
            b.release([from_a, from_c]);
        }
    }
}

/// Runs `body` for each vector of strips of `tiles` tiles, and advances `strips` past it.
pub(super) fn each_vector<const N: usize>(
    b: &mut Builder,
    tiles: usize,
    strips: [P; N],
    body: impl FnOnce(&mut Builder),
) {
    let lanes = b.target().lanes;
    b.repeat(Count::Fixed(tiles.div_ceil(lanes) as u32), |b| {
        body(b);
        strips.into_iter().for_each(|strip| b.advance(strip, lanes as i64 * F32));
    });
}
