//! The transforms as vector programs: a small constant matrix applied to the columns, then to the
//! rows of a tile.
//!
//! Between the two passes the tile is stored where its result will be, because there are not enough
//! registers for all of it.

use crate::codegen::vir::{Arith, Builder, Cache, Count, Mem, OverBudget, P, Program, Target, V};
use crate::kernels::epilogue::{Epilogue, Growing};
use crate::kernels::residual::Read;

use super::linear::{Constants, Folded, apply, with_most_held};
use super::matrices::Matrix;

/// Neighbouring tiles of a row that have the same number of columns inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many tiles.
    pub tiles: usize,
    /// Existing columns of each tile.
    pub columns: usize,
}

/// One row of tiles. Everything that determines the code, except which of the two transforms it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TileRow {
    /// The machine.
    pub target: Target,
    /// The constant matrix.
    pub matrix: Matrix,
    /// Rows of each tile that exist.
    pub rows: usize,
    /// The tiles.
    pub runs: Vec<Run>,
    /// Bytes between rows of the image.
    pub image_row: i64,
    /// Bytes between the tiles' first pixels in the image.
    pub image_tile: i64,
    /// Bytes between the elements of a transformed tile.
    pub element: i64,
    /// Bytes between transformed tiles.
    pub tile: i64,
    /// Whether an input transform prefetches the pixels that the next row of tiles adds to those of
    /// this one.
    pub ahead: bool,
}

/// What the output transform adds from a residual, for 16 outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct AddedTile {
    /// Bytes between the tiles' first pixels in the residual.
    pub tile: i64,
    /// Bytes between the pixels that are added to neighbouring rows, and to neighbouring pixels of
    /// a row.
    pub pixels: [i64; 2],
    /// What is read for each vector of outputs.
    pub vectors: Vec<Vec<Read>>,
}

/// Bytes of a pixel of one channel block.
const PIXEL: i64 = 64;

impl TileRow {
    /// Image to transformed tiles, for 16 channels. Arguments: the first tile's first pixel, the
    /// first tile's first element.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub fn input(&self, name: String) -> Result<Program, OverBudget> {
        with_most_held(&self.matrix, |held| self.input_with(name.clone(), held))
    }

    fn input_with(&self, name: String, held: &[f32]) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let constants = Constants::held(&mut b, held);
        self.each_tile(&mut b, &[(src, self.image_tile), (dst, self.tile)], |b, columns, lane| {
            let n = self.matrix.len();
            if self.ahead && lane == 0 {
                self.prefetch(b, src);
            }
            for x in 0..columns {
                let load = |b: &mut Builder, y: usize, register: V| {
                    b.load(register, at(src, y as i64 * self.image_row + x as i64 * PIXEL + lane));
                };
                apply(b, &constants, &self.matrix, self.rows, load, |b, i, value| {
                    b.store(self.element(dst, i * n + x, lane), value)
                });
            }
            for i in 0..n {
                let load = |b: &mut Builder, x: usize, register: V| {
                    b.load(register, self.element(dst, i * n + x, lane))
                };
                apply(b, &constants, &self.matrix, columns, load, |b, j, value| {
                    b.store(self.element(dst, i * n + j, lane), value)
                });
            }
        });
        b.finish()
    }

    /// Prefetches what the tile below adds to this one.
    fn prefetch(&self, b: &mut Builder, src: P) {
        let (seen, advance) = (self.matrix[0].len() as i64, self.image_tile / PIXEL);
        for row in seen..seen + advance {
            for pixel in 0..advance {
                b.prefetch(at(src, row * self.image_row + pixel * PIXEL), Cache::First);
            }
        }
    }

    /// Transformed tiles to image, for 16 channels. Arguments: the first tile's first element,
    /// bias, the first tile's first pixel in the result, and in the residual. The transformed tiles
    /// are overwritten.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub fn output(
        &self,
        name: String,
        added: Option<&AddedTile>,
        epilogue: Epilogue,
    ) -> Result<Program, OverBudget> {
        let folded = Folded::of(&self.matrix, self.matrix[0].len());
        with_most_held(&folded.matrix, |held| self.output_with(name.clone(), added, epilogue, held))
    }

    fn output_with(
        &self,
        name: String,
        added: Option<&AddedTile>,
        epilogue: Epilogue,
        held: &[f32],
    ) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3 + usize::from(added.is_some()));
        let (src, bias, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let mut walks = vec![(src, self.tile), (dst, self.image_tile)];
        walks.extend(added.map(|added| (b.arg(3), added.tile)));
        let n = self.matrix[0].len();
        let constants = Constants::held(&mut b, held);
        self.each_tile(&mut b, &walks, |b, columns, lane| {
            for x in 0..n {
                let load = |b: &mut Builder, i: usize, register: V| {
                    b.load(register, self.element(src, i * n + x, lane))
                };
                apply(b, &constants, &self.matrix, n, load, |b, y, value| {
                    b.store(self.element(src, y * n + x, lane), value)
                });
            }
            let offset = b.vector();
            b.load(offset, at(bias, lane));
            for y in 0..self.rows {
                let load = |b: &mut Builder, x: usize, register: V| {
                    b.load(register, self.element(src, y * n + x, lane))
                };
                apply(b, &constants, &self.matrix, n, load, |b, x, value| {
                    if x >= columns {
                        return;
                    }
                    let pixel = |[down, across]: [i64; 2]| y as i64 * down + x as i64 * across;
                    epilogue.finish(b, &Growing::NOTHING, &[value], |b, _, sum| {
                        b.arith(Arith::Add, sum, sum, offset);
                        if let Some(added) = added {
                            let from = at(b.arg(3), pixel(added.pixels));
                            let vector = lane as usize / b.target().vector_bytes() as usize;
                            added.vectors[vector].iter().for_each(|read| read.add(b, sum, from));
                        }
                    });
                    b.store(at(dst, pixel([self.image_row, PIXEL]) + lane), value);
                });
            }
            b.release([offset]);
        });
        b.finish()
    }

    /// Runs `body(columns, lane offset)` for every tile and every vector of the 16 channels, and
    /// advances the pointers of `walks`.
    fn each_tile(
        &self,
        b: &mut Builder,
        walks: &[(P, i64)],
        body: impl Fn(&mut Builder, usize, i64),
    ) {
        for run in &self.runs {
            b.repeat(Count::Fixed(run.tiles as u32), |b| {
                for v in 0..16 / self.target.lanes {
                    body(b, run.columns, v as i64 * self.target.vector_bytes());
                }
                walks.iter().for_each(|&(pointer, step)| b.advance(pointer, step));
            });
        }
    }

    fn element(&self, base: P, index: usize, lane: i64) -> Mem {
        at(base, index as i64 * self.element + lane)
    }
}

fn at(base: P, offset: i64) -> Mem {
    base.at(offset)
}
