//! Whether a row of tiles has values too far apart in magnitude: what [`energy`](super::super::energy)
//! says, for windows of several blocks of 2x2 pixels, where each lane is a tile.
//!
//! An output sees a square of whole blocks. If these have less than [`LEAST_SHARE`] of the energy of
//! its tile, or if an energy is not finite, the row of tiles is computed directly.

use crate::codegen::vir::{Arith, Builder, Count, OverBudget, Program, Target, V};
use crate::kernels::geometry::F32;

use super::super::energy::LEAST_SHARE;
use super::form::{ADVANCE, STRIDE};
use super::split::each_vector;

/// Pairs of columns from a tile to the next.
const PAIRS: usize = ADVANCE / STRIDE;

/// The energies of the blocks of one or two rows of pixels. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Energies {
    pub(super) target: Target,
    /// Tiles, the one after the last included.
    pub(super) tiles: usize,
    /// Rows of pixels, 1 or 2.
    pub(super) rows: usize,
    pub(super) channels: usize,
    /// Bytes between rows of pixels, channels and strips.
    pub(super) row: i64,
    pub(super) channel: i64,
    pub(super) strip: i64,
}

impl Energies {
    /// Arguments: the first strip of the first row, the channels' gains, the first strip of
    /// energies.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, gains, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let held = b.vectors(self.channels);
        for (channel, &gain) in held.iter().enumerate() {
            b.broadcast(gain, gains.at(channel as i64 * F32));
        }
        each_vector(&mut b, self.tiles, [src, dst], |b| {
            for pair in 0..PAIRS {
                let [sum, value] = [b.vector(), b.vector()];
                b.constant(sum, 0.0);
                for (row, column) in (0..self.rows).flat_map(|r| (0..STRIDE).map(move |c| (r, c))) {
                    for (channel, &gain) in held.iter().enumerate() {
                        let column = (STRIDE * pair + column) as i64;
                        let before = row as i64 * self.row + channel as i64 * self.channel;
                        b.load(value, src.at(before + column * self.strip));
                        b.arith(Arith::Mul, value, value, gain);
                        b.multiply_add(sum, value, value);
                    }
                }
                b.store(dst.at(pair as i64 * self.strip), sum);
                b.release([sum, value]);
            }
        });
        b.release(held);
        b.finish()
    }
}

/// The check of a row of tiles. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Check {
    pub(super) target: Target,
    pub(super) tiles: usize,
    /// Rows and columns of blocks that windows of the tile's outputs see.
    pub(super) blocks: [usize; 2],
    /// Rows and columns of whole blocks that each output sees.
    pub(super) window: [usize; 2],
    /// Rows of outputs that exist, columns of a tile, and columns of the last tile that exist.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) last_columns: usize,
    /// Bytes from a strip to the next, and from a row of blocks.
    pub(super) strip: i64,
    pub(super) row: i64,
}

/// Registers that hold for the whole program.
#[derive(Clone, Copy)]
struct Held {
    /// The sum of all deficits.
    missing: V,
    zero: V,
    /// The minimum share, negated.
    share: V,
}

impl Check {
    /// Arguments: the first strip of energies, and a word that becomes 0 if every output has its
    /// share.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let lanes = self.target.lanes;
        let held = Held { missing: b.vector(), zero: b.vector(), share: b.vector() };
        b.constant(held.missing, 0.0);
        b.constant(held.zero, 0.0);
        b.constant(held.share, -LEAST_SHARE);
        // Vectors of tiles all of whose columns exist.
        let whole = (self.tiles - usize::from(self.last_columns < self.columns)) / lanes;
        let src = b.arg(0);
        if whole > 0 {
            b.repeat(Count::Fixed(whole as u32), |b| {
                self.vector(b, held, 0);
                b.advance(src, lanes as i64 * F32);
            });
        }
        for first in (whole * lanes..self.tiles).step_by(lanes) {
            self.vector(&mut b, held, first);
            b.advance(src, lanes as i64 * F32);
        }
        b.sum_lanes(held.missing);
        b.store_first(b.arg(1).at(0), held.missing);
        b.release([held.missing, held.zero, held.share]);
        b.finish()
    }

    /// Adds the deficits of the outputs of the tiles from `first` on: 0, a value below 0, or NaN.
    fn vector(&self, b: &mut Builder, held: Held, first: usize) {
        let total = self.total(b);
        b.arith(Arith::Mul, total, total, held.share);
        for column in 0..self.columns {
            let all = self.tiles - usize::from(column >= self.last_columns);
            let lanes = all.saturating_sub(first).min(self.target.lanes);
            if lanes > 0 {
                let live = u16::MAX >> (16 - lanes);
                self.column(b, held, total, column, live);
            }
        }
        b.release([total]);
    }

    /// The energy of each tile.
    fn total(&self, b: &mut Builder) -> V {
        let total = b.vector();
        let value = b.vector();
        b.constant(total, 0.0);
        for (row, column) in
            (0..self.blocks[0]).flat_map(|r| (0..self.blocks[1]).map(move |c| (r, c)))
        {
            self.load(b, value, row, column);
            b.arith(Arith::Add, total, total, value);
        }
        b.release([value]);
        total
    }

    /// Adds the deficits of a column of outputs; `total` is what each must have, negated.
    fn column(&self, b: &mut Builder, held: Held, total: V, column: usize, live: u16) {
        let value = b.vector();
        let sums: Vec<V> = b.vectors(self.blocks[0]);
        for (row, &sum) in sums.iter().enumerate() {
            self.load(b, sum, row, column);
            for further in 1..self.window[1] {
                self.load(b, value, row, column + further);
                b.arith(Arith::Add, sum, sum, value);
            }
        }
        for row in 0..self.rows {
            let blocks = &sums[row..row + self.window[0]];
            b.arith(Arith::Add, value, total, blocks[0]);
            blocks[1..].iter().for_each(|&sum| b.arith(Arith::Add, value, value, sum));
            // The minimum, where NaN stays NaN.
            b.arith(Arith::Min, value, held.zero, value);
            if live != u16::MAX >> (16 - self.target.lanes) {
                b.blend(value, held.zero, value, live);
            }
            b.arith(Arith::Add, held.missing, held.missing, value);
        }
        b.release(sums);
        b.release([value]);
    }

    /// Loads the energies of a block of each tile.
    fn load(&self, b: &mut Builder, dst: V, row: usize, column: usize) {
        let (pair, tile) = ((column % PAIRS) as i64, (column / PAIRS) as i64);
        b.load(dst, b.arg(0).at(row as i64 * self.row + pair * self.strip + tile * F32));
    }
}
