//! The positions of a convolution's results, and the pixels that its taps see from them.

use resnetc_ir::op::Window;

use crate::codegen::vir::TILE_ROWS;
use crate::kernels::conv::start;
use crate::kernels::geometry::Place;

use super::stripe::Stripe;

/// Pixels of the source whose rows and columns have the same remainders modulo the strides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// The remainders.
    remainder: [usize; 2],
    /// Number of rows and columns beyond the last output's that taps see.
    beyond: [usize; 2],
}

/// What a tap of the window sees: for the output at `(row, column)`, the pixel of `phase` that is
/// `distance` further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) phase: usize,
    distance: [usize; 2],
}

/// The results of a chunk and what they see, row after row: a tap is a distance between positions.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    /// Rows and columns of the result.
    pub(super) size: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) phases: Vec<Phase>,
    /// Row by row.
    pub(super) taps: Vec<Tap>,
    /// Positions from one row to the next.
    pub(super) pitch: usize,
}

/// The pixels of a phase that a chunk sees.
pub(super) struct Seen {
    /// Offset of the first chunk's first pixel.
    pub(super) first: i64,
    /// Rows, and pixels of a row. Rows that are contiguous in memory as they are in tiles are one
    /// long row.
    pub(super) size: [usize; 2],
    /// Bytes from one row and one pixel to the next.
    pub(super) row: i64,
    pub(super) pixel: i64,
}

impl Positions {
    /// Those of a convolution with this many rows and columns of results.
    pub(super) fn of(window: &Window, size: [usize; 2]) -> Self {
        let (mut phases, mut taps): (Vec<Phase>, _) = (Vec::new(), Vec::new());
        for y in 0..window.kernel[0] {
            for x in 0..window.kernel[1] {
                let far = [y * window.dilations[0], x * window.dilations[1]];
                let remainder = std::array::from_fn(|axis| far[axis] % window.strides[axis]);
                let distance = std::array::from_fn(|axis| far[axis] / window.strides[axis]);
                let known = phases.iter().position(|p| p.remainder == remainder);
                let phase = known.unwrap_or_else(|| {
                    phases.push(Phase { remainder, beyond: [0; 2] });
                    phases.len() - 1
                });
                let beyond = phases[phase].beyond;
                phases[phase].beyond = std::array::from_fn(|axis| beyond[axis].max(distance[axis]));
                taps.push(Tap { phase, distance });
            }
        }
        let across = phases.iter().map(|p| p.beyond[1]).max().unwrap_or(0);
        Positions { size, strides: window.strides, phases, taps, pitch: size[1] + across }
    }

    /// How many there are from the first output of `rows` rows to the last.
    pub(super) fn count(&self, rows: usize) -> usize {
        (rows - 1) * self.pitch + self.size[1]
    }

    /// Number of tiles of 16 positions.
    pub(super) fn tiles(&self, rows: usize) -> usize {
        self.count(rows).div_ceil(TILE_ROWS)
    }

    /// How many positions of a phase tiles read for `rows` rows of results.
    pub(super) fn stored(&self, rows: usize) -> usize {
        let farthest = self.taps.iter().map(|tap| self.distance(tap)).max().unwrap_or(0);
        self.tiles(rows) * TILE_ROWS + farthest
    }

    /// The pixels of all phases that `rows` rows of results see.
    pub(super) fn pixels(&self, rows: usize) -> usize {
        let seen = |phase: &Phase| (rows + phase.beyond[0]) * (self.size[1] + phase.beyond[1]);
        self.phases.iter().map(seen).sum()
    }

    /// The pixels of the source that `rows` rows of results lie over: a stride apart in both
    /// directions.
    pub(super) fn covered(&self, rows: usize) -> usize {
        rows * self.size[1] * self.strides[0] * self.strides[1]
    }

    /// Where a tap's first position is, if a phase and a position take this many bytes.
    pub(super) fn place(&self, tap: &Tap, [phase, position]: [i64; 2]) -> i64 {
        tap.phase as i64 * phase + self.distance(tap) as i64 * position
    }

    /// As [`Positions::place`], for each tap.
    pub(super) fn places(&self, bytes: [i64; 2]) -> Vec<i64> {
        self.taps.iter().map(|tap| self.place(tap, bytes)).collect()
    }

    /// What a chunk sees of a phase.
    pub(super) fn seen(&self, window: &Window, src: &Place, stripe: Stripe, phase: usize) -> Seen {
        let strides = src.geometry.strides();
        let Phase { remainder, beyond } = self.phases[phase];
        let [down, across] = self.strides.map(|stride| stride as i64);
        let [y, x] = remainder.map(|remainder| remainder as i64);
        let (row, pixel) = (down * strides.row, across * strides.pixel);
        let corner = start(src.origin(), strides, window) + y * strides.row + x * strides.pixel;
        let [rows, columns] = [stripe.rows + beyond[0], self.size[1] + beyond[1]];
        let is_one = row == columns as i64 * pixel && columns == self.pitch;
        let size = if is_one { [1, rows * columns] } else { [rows, columns] };
        Seen { first: corner + stripe.first as i64 * row, size, row, pixel }
    }

    /// Distance of a tap from its phase's first position.
    fn distance(&self, tap: &Tap) -> usize {
        tap.distance[0] * self.pitch + tap.distance[1]
    }
}
