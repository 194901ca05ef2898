//! The transforms as vector programs: a small constant matrix applied to the columns, then to the rows of a tile.
//!
//! Between the two passes the tile lies where its result will: there are not enough registers for all of it.

use resnetc_ir::op::Activation;

use crate::codegen::vir::{Arith, Builder, Count, Inst, Mem, OverBudget, P, Program, Target, V};
use crate::kernels::conv::micro::activate;

use super::matrices::Matrix;

/// Neighbouring tiles of a row that have the same number of columns inside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many tiles.
    pub tiles: usize,
    /// Columns of each that exist.
    pub columns: usize,
}

/// One row of tiles. Everything that determines the code, but for which of the two transforms it is.
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
    /// Bytes between rows of the picture.
    pub picture_row: i64,
    /// Bytes between the tiles' first pixels in the picture.
    pub picture_tile: i64,
    /// Bytes between the elements of a transformed tile.
    pub element: i64,
    /// Bytes between transformed tiles.
    pub tile: i64,
}

/// Bytes of a pixel of one channel block.
const PIXEL: i64 = 64;

impl TileRow {
    /// Picture to transformed tiles, for 16 channels. Arguments: the first tile's first pixel, the first tile's first
    /// element.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub fn input(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        self.each_tile(
            &mut b,
            &[(src, self.picture_tile), (dst, self.tile)],
            |b, columns, lane| {
                let n = self.matrix.len();
                for x in 0..columns {
                    let load = |b: &mut Builder, y: usize, register: V| {
                        b.load(
                            register,
                            at(src, y as i64 * self.picture_row + x as i64 * PIXEL + lane),
                        );
                    };
                    self.apply(b, self.rows, load, |b, i, value| {
                        b.store(self.element(dst, i * n + x, lane), value)
                    });
                }
                for i in 0..n {
                    let load = |b: &mut Builder, x: usize, register: V| {
                        b.load(register, self.element(dst, i * n + x, lane))
                    };
                    self.apply(b, columns, load, |b, j, value| {
                        b.store(self.element(dst, i * n + j, lane), value)
                    });
                }
            },
        );
        b.finish()
    }

    /// Transformed tiles to picture, for 16 channels. Arguments: the first tile's first element, bias, the first
    /// tile's first pixel in the result, and in the residual. The transformed tiles are overwritten.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub fn output(
        &self,
        name: String,
        residual: Option<[i64; 2]>,
        activation: Activation,
    ) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3 + usize::from(residual.is_some()));
        let (src, bias, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let mut walks = vec![(src, self.tile), (dst, self.picture_tile)];
        walks.extend(residual.map(|[tile, _]| (b.arg(3), tile)));
        let n = self.matrix[0].len();
        self.each_tile(&mut b, &walks, |b, columns, lane| {
            for x in 0..n {
                let load = |b: &mut Builder, i: usize, register: V| {
                    b.load(register, self.element(src, i * n + x, lane))
                };
                self.apply(b, n, load, |b, y, value| {
                    b.store(self.element(src, y * n + x, lane), value)
                });
            }
            let offset = b.vector();
            b.load(offset, at(bias, lane));
            for y in 0..self.rows {
                let load = |b: &mut Builder, x: usize, register: V| {
                    b.load(register, self.element(src, y * n + x, lane))
                };
                self.apply(b, n, load, |b, x, value| {
                    if x >= columns {
                        return;
                    }
                    let pixel = |row: i64| y as i64 * row + x as i64 * PIXEL + lane;
                    b.arith(Arith::Add, value, value, offset);
                    if let Some([_, row]) = residual {
                        let other = b.vector();
                        b.load(other, at(b.arg(3), pixel(row)));
                        b.arith(Arith::Add, value, value, other);
                        b.release([other]);
                    }
                    activate(b, activation, &[value]);
                    b.store(at(dst, pixel(self.picture_row)), value);
                });
            }
            b.release([offset]);
        });
        b.finish()
    }

    /// Runs `body(columns, lane offset)` for every tile and every vector of the 16 channels, with `walks` moved along.
    fn each_tile(
        &self,
        b: &mut Builder,
        walks: &[(P, i64)],
        body: impl Fn(&mut Builder, usize, i64),
    ) {
        for run in &self.runs {
            b.repeat(Count::Fixed(run.tiles as u32), |b| {
                for v in 0..16 / self.target.lanes {
                    body(b, run.columns, v as i64 * i64::from(self.target.vector_bytes()));
                }
                walks.iter().for_each(|&(pointer, step)| b.advance(pointer, step as i32));
            });
        }
    }

    fn element(&self, base: P, index: usize, lane: i64) -> Mem {
        at(base, index as i64 * self.element + lane)
    }

    /// Multiplies the matrix with a vector of which the first `present` elements exist, and hands each row's product
    /// on in a register that is the caller's for the moment. Rows that differ in signs only are computed together.
    fn apply(
        &self,
        b: &mut Builder,
        present: usize,
        load: impl Fn(&mut Builder, usize, V),
        mut store: impl FnMut(&mut Builder, usize, V),
    ) {
        let inputs = b.vectors(present);
        inputs.iter().enumerate().for_each(|(i, &register)| load(b, i, register));
        let mut row = 0;
        while row < self.matrix.len() {
            let first = &self.matrix[row][..present];
            let second = self.matrix.get(row + 1).map(|r| &r[..present]);
            match second.and_then(|second| mirrored(first, second)) {
                Some((same, opposite)) => {
                    let (even, odd, sum) = (b.vector(), b.vector(), b.vector());
                    combine(b, even, &same, &inputs);
                    combine(b, odd, &opposite, &inputs);
                    b.arith(Arith::Add, sum, even, odd);
                    store(b, row, sum);
                    b.arith(Arith::Sub, even, even, odd);
                    store(b, row + 1, even);
                    b.release([even, odd, sum]);
                    row += 2;
                }
                None => {
                    let sum = b.vector();
                    combine(b, sum, first, &inputs);
                    store(b, row, sum);
                    b.release([sum]);
                    row += 1;
                }
            }
        }
        b.release(inputs);
    }
}

fn at(base: P, offset: i64) -> Mem {
    base.at(offset as i32)
}

/// Splits two rows into what they have in common and what they have with opposite signs; `None` if they differ
/// otherwise, or if one part would be empty.
fn mirrored(first: &[f64], second: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let pick = |sign: f64| -> Vec<f64> {
        first.iter().zip(second).map(|(&a, &b)| if a == sign * b { a } else { 0.0 }).collect()
    };
    let (same, opposite) = (pick(1.0), pick(-1.0));
    let whole = first.iter().zip(&same).zip(&opposite).all(|((&a, &s), &o)| a == s || a == o);
    let filled = |part: &[f64]| part.iter().any(|&c| c != 0.0);
    (whole && filled(&same) && filled(&opposite)).then_some((same, opposite))
}

/// `dst = sum(coefficients[i] * inputs[i])`.
fn combine(b: &mut Builder, dst: V, coefficients: &[f64], inputs: &[V]) {
    let mut terms: Vec<(f64, V)> =
        coefficients.iter().copied().zip(inputs.iter().copied()).filter(|t| t.0 != 0.0).collect();
    // A term that needs no multiplication makes the best start.
    terms.sort_by_key(|t| t.0 != 1.0);
    let Some((&(first, value), rest)) = terms.split_first() else {
        return b.constant(dst, 0.0);
    };
    match first == 1.0 {
        true => b.push(Inst::Copy { dst, src: value }),
        false => {
            b.constant(dst, first as f32);
            b.arith(Arith::Mul, dst, dst, value);
        }
    }
    let coefficient = b.vector();
    for &(c, value) in rest {
        match c {
            1.0 => b.arith(Arith::Add, dst, dst, value),
            -1.0 => b.arith(Arith::Sub, dst, dst, value),
            _ => {
                b.constant(coefficient, c as f32);
                b.multiply_add(dst, coefficient, value);
            }
        }
    }
    b.release([coefficient]);
}
