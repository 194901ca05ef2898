//! How large the values that each output sees are, relative to those of its whole tile.
//!
//! A transform mixes all values of a tile. In exact arithmetic those that an output does not see
//! cancel; in f32 their rounding errors remain. So a value disturbs its neighbours by a small
//! fraction of itself. That is negligible if all values are similar, but it can swamp a small value
//! next to a large one; and a value that is not finite spreads over the whole tile. Direct
//! convolution does neither.
//!
//! The *energy* of some pixels is the sum of the squares of their values, each multiplied with its
//! channel's [gain](super::plain), which tells how much the filters amplify it. Among what an output
//! sees is an aligned block of 2x2 pixels, the one in which the middle of its window lies: all
//! outputs whose middles lie there see it. If such a block has less than [`LEAST_SHARE`] of the energy of everything that
//! its tile reads, or if an energy is not finite, the row of tiles is computed directly.
//!
//! Each stored energy covers one row and two columns: columns 0 | 1, 2 | 3, 4 | ... of the tiles'
//! rows, where column 0 is the first one that a window sees.

use crate::codegen::vir::{Arith, Builder, Count, OverBudget, P, Program, Target, V};
use crate::kernels::geometry::F32;
use crate::kernels::sink::aligned;

use super::Tiling;

/// The minimum share of a tile's energy that every output must see. If all values are alike, a
/// block has four of the tile's 36 pixels, or of the 64 that are counted.
pub(super) const LEAST_SHARE: f32 = 1.0 / 4096.0;

/// Values before the first energy of a row, in which a vector may begin.
const BEFORE: usize = 16;

/// Values after the last energy of a row, in which a vector may end.
const BEHIND: usize = 32;

/// Registers that are not used for sums.
const OTHERS: usize = 6;

impl Tiling {
    /// Number of columns of energies that checks read.
    fn energy_columns(&self) -> usize {
        self.tiles[1] * self.tile_blocks() + 2
    }

    /// Bytes from a row of energies to the next.
    pub(super) fn energy_row(&self) -> i64 {
        aligned((BEFORE + self.energy_columns() + BEHIND) as i64 * F32)
    }

    /// Offset of the first energy of a row.
    pub(super) fn first_energy(&self) -> i64 {
        BEFORE as i64 * F32
    }

    /// Blocks of 2x2 pixels from one tile to the next along an axis.
    fn tile_blocks(&self) -> usize {
        self.transforms.advance() / 2
    }

    /// The energies of a row of pixels.
    pub(super) fn energy(&self, target: Target, plane: i64) -> Energy {
        Energy {
            target,
            pixels: self.seen()[1],
            columns: self.energy_columns(),
            channels: self.inputs,
            plane,
        }
    }

    /// The check of a row of tiles, of which `rows` rows of outputs exist.
    pub(super) fn check(&self, target: Target, rows: usize) -> Check {
        let blocks = |outputs: usize| (outputs * self.transforms.stride).div_ceil(2);
        Check {
            target,
            tile_blocks: self.tile_blocks(),
            tile_columns: 1 + self.transforms.inputs() / 2,
            rows: self.transforms.seen(rows),
            blocks: [blocks(rows), blocks(self.size[1])],
            row: self.energy_row(),
        }
    }
}

/// The energies of a row of pixels. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Energy {
    target: Target,
    /// Pixels of the row.
    pixels: usize,
    /// Number of energies that are written; those past the last pixel are 0.
    columns: usize,
    channels: usize,
    /// Bytes from a block of channels to the next.
    plane: i64,
}

impl Energy {
    /// Arguments: the row's first pixel, the gains, the row's first energy.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        self.columns(&mut b, 1, 1);
        let pairs = (self.pixels - 1) / 2;
        // Many at a time, to hide the latency of additions and reads.
        let together = ((self.target.vectors - OTHERS) / (2 * self.parts())).max(1);
        if pairs >= together {
            b.repeat(Count::Fixed((pairs / together) as u32), |b| self.columns(b, together, 2));
        }
        if !pairs.is_multiple_of(together) {
            self.columns(&mut b, pairs % together, 2);
        }
        if self.pixels.is_multiple_of(2) {
            self.columns(&mut b, 1, 1);
        }
        let written = 1 + pairs + usize::from(self.pixels.is_multiple_of(2));
        let zero = b.vector();
        b.constant(zero, 0.0);
        for column in 0..self.columns.saturating_sub(written) {
            b.store_first(b.arg(2).at(column as i64 * F32), zero);
        }
        b.release([zero]);
        b.finish()
    }

    /// Vectors of a block. Each has sums of its own, so that the order of a sum does not depend on
    /// the number of lanes: whether a row is computed directly is the same on every CPU.
    fn parts(&self) -> usize {
        16 / self.target.lanes
    }

    /// The next `count` columns, of `width` pixels each.
    fn columns(&self, b: &mut Builder, count: usize, width: usize) {
        let (src, gains, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let parts = self.parts();
        let sums: Vec<Vec<V>> = (0..count).map(|_| b.vectors(width * parts)).collect();
        sums.iter().flatten().for_each(|&sum| b.constant(sum, 0.0));
        let block = b.pointer(src);
        let gain = b.pointer(gains);
        b.repeat(Count::Fixed((self.channels / 16) as u32), |b| {
            self.add(b, &sums, [block, gain], u16::MAX);
            b.advance(block, self.plane);
            b.advance(gain, 16 * F32);
        });
        if !self.channels.is_multiple_of(16) {
            self.add(b, &sums, [block, gain], (1 << (self.channels % 16)) - 1);
        }
        b.release_pointer(block);
        b.release_pointer(gain);
        for (i, sums) in sums.iter().enumerate() {
            for (part, &sum) in sums.iter().enumerate().skip(parts) {
                b.arith(Arith::Add, sums[part % parts], sums[part % parts], sum);
            }
            // Halves of the block, then halves of these sums, as lanes are summed.
            for half in (0..parts.ilog2()).rev().map(|bit| 1 << bit) {
                for part in 0..half {
                    b.arith(Arith::Add, sums[part], sums[part], sums[part + half]);
                }
            }
            b.sum_lanes(sums[0]);
            b.store_first(dst.at(i as i64 * F32), sums[0]);
        }
        b.release(sums.into_iter().flatten());
        b.advance(src, (count * width * 64) as i64);
        b.advance(dst, count as i64 * F32);
    }

    /// Adds the squares of the channels of a block; `live` has a bit for each channel that exists.
    fn add(&self, b: &mut Builder, sums: &[Vec<V>], [block, gains]: [P; 2], live: u16) {
        let lanes = self.target.lanes;
        let [gain, value] = [b.vector(), b.vector()];
        for (part, first) in (0..16i32).step_by(lanes).enumerate() {
            let all = u16::MAX >> (16 - lanes);
            let live = live >> first & all;
            if live == 0 {
                continue;
            }
            let lane = first as i64 * F32;
            b.load(gain, gains.at(lane));
            let of_part = sums.iter().flatten().skip(part).step_by(self.parts());
            for (pixel, &sum) in of_part.enumerate() {
                b.load(value, block.at(pixel as i64 * 64 + lane));
                b.arith(Arith::Mul, value, value, gain);
                if live != all {
                    // Lanes past the last channel may hold anything.
                    let zero = b.vector();
                    b.constant(zero, 0.0);
                    b.blend(value, zero, value, live);
                    b.release([zero]);
                }
                b.multiply_add(sum, value, value);
            }
        }
        b.release([gain, value]);
    }
}

/// Checks whether a row of tiles can be computed by tiles. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Check {
    target: Target,
    /// Blocks of 2x2 pixels from one tile to the next along an axis.
    tile_blocks: usize,
    /// Columns of energies that cover a tile.
    tile_columns: usize,
    /// Rows of pixels that exist.
    rows: usize,
    /// Blocks in which middles of windows lie, in a column of the row of tiles and in a row.
    blocks: [usize; 2],
    /// Bytes from a row of energies to the next.
    row: i64,
}

impl Check {
    /// Arguments: the first energy of the tiles' first row, and a word that becomes 0 if every
    /// block has its share.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let [missing, zero, share] = [b.vector(), b.vector(), b.vector()];
        b.constant(missing, 0.0);
        b.constant(zero, 0.0);
        b.constant(share, -LEAST_SHARE);
        let [down, across] = self.blocks;
        for first in (0..across).step_by(self.target.lanes) {
            let lanes = self.target.lanes.min(across - first);
            let live = u16::MAX >> (16 - lanes);
            let tile = self.tile(&mut b, first);
            for block in 0..down {
                self.block(&mut b, [missing, zero, share, tile], (first, block), live);
            }
            b.release([tile]);
        }
        b.sum_lanes(missing);
        b.store_first(b.arg(1).at(0), missing);
        b.release([missing, zero, share]);
        b.finish()
    }

    /// Adds the deficits of the blocks from `first` on of a row of blocks to `missing`: 0, a value
    /// below 0, or NaN.
    fn block(
        &self,
        b: &mut Builder,
        [missing, zero, share, tile]: [V; 4],
        (first, block): (usize, usize),
        live: u16,
    ) {
        let [own, other] = [b.vector(), b.vector()];
        b.load(own, b.arg(0).at(self.energy(1 + 2 * block, first, 0)));
        b.load(other, b.arg(0).at(self.energy(2 + 2 * block, first, 0)));
        b.arith(Arith::Add, own, own, other);
        b.multiply_add(own, share, tile);
        // The minimum, where NaN stays NaN.
        b.arith(Arith::Min, own, zero, own);
        if live != u16::MAX >> (16 - self.target.lanes) {
            b.blend(own, zero, own, live);
        }
        b.arith(Arith::Add, missing, missing, own);
        b.release([own, other]);
    }

    /// The energies of the tiles to which the blocks from `first` on belong: summed over all rows
    /// of a tile and the pairs of columns that cover it.
    fn tile(&self, b: &mut Builder, first: usize) -> V {
        let (before, after) = (-(self.tile_blocks as i64), self.tile_columns as i64 - 1);
        let sums: Vec<V> = (before..after).map(|column| self.column(b, first, column)).collect();
        let other = |b: &mut Builder, range: &[V]| {
            let sum = b.vector();
            b.arith(Arith::Add, sum, range[0], range[1]);
            range[2..].iter().for_each(|&column| b.arith(Arith::Add, sum, sum, column));
            sum
        };
        let tile = match self.tile_blocks {
            1 => other(b, &sums),
            _ => {
                // Blocks are alternately the first and the second of their tile.
                let [one, two] = [other(b, &sums[1..]), other(b, &sums[..sums.len() - 1])];
                b.blend(one, one, two, SECOND & u16::MAX >> (16 - self.target.lanes));
                b.release([two]);
                one
            }
        };
        b.release(sums);
        tile
    }

    /// The sums over all existing rows of the columns that are `column` columns after the blocks
    /// from `first` on.
    fn column(&self, b: &mut Builder, first: usize, column: i64) -> V {
        let [sum, energy] = [b.vector(), b.vector()];
        b.load(sum, b.arg(0).at(self.energy(0, first, column)));
        for row in 1..self.rows {
            b.load(energy, b.arg(0).at(self.energy(row, first, column)));
            b.arith(Arith::Add, sum, sum, energy);
        }
        b.release([energy]);
        sum
    }

    /// Offset, in row `row`, of the energy of a block's column, or of the column `further` after it.
    fn energy(&self, row: usize, block: usize, further: i64) -> i64 {
        row as i64 * self.row + (1 + block as i64 + further) * F32
    }
}

/// One bit for every second lane.
const SECOND: u16 = 0xaaaa;
