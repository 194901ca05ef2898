//! The transforms as vector programs: bytes to 16-bit integers, and sums in 32 bits to results.

use crate::codegen::vir::{Builder, Count, Integer, Mem, OverBudget, P, Program, Shift, Target, V};
use crate::kernels::conv::bytes::Rounding;
use crate::kernels::conv::heads::{Head, HeadPlace};
use crate::kernels::geometry::F32;

use resnetc_ir::ty::BLOCK;

use super::super::linear::{Constants, Folded, Numbers, groups};
use super::super::matrices::Matrix;
use super::super::transform::Run;
use super::cost::SHORT;
use super::divisors::{Divisor, OutputRow};

/// The input transform of a row of tiles, for a block of channels. Everything that determines the
/// code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inputs {
    pub(super) target: Target,
    pub(super) matrix: Matrix,
    /// Rows of each tile that exist, and tiles by their columns that exist.
    pub(super) rows: usize,
    pub(super) runs: Vec<Run>,
    /// Bytes in the image: between rows, between pixels, between tiles.
    pub(super) row: i64,
    pub(super) pixel: i64,
    pub(super) image_tile: i64,
    /// Bytes between the elements of a transformed tile, and between transformed tiles.
    pub(super) element: i64,
    pub(super) tile: i64,
}

/// The output transform of a row of tiles, for a block of outputs. Everything that determines the
/// code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outputs {
    pub(super) target: Target,
    pub(super) matrix: Vec<OutputRow>,
    /// Rows of each tile that exist, and tiles by their columns that exist.
    pub(super) rows: usize,
    pub(super) runs: Vec<Run>,
    /// Bytes in the result: between rows, between pixels.
    pub(super) result: [i64; 2],
    /// The same in the residual, if there is one.
    pub(super) residual: Option<[i64; 2]>,
    /// Bytes between the elements of a transformed tile.
    pub(super) element: i64,
    pub(super) rounding: Rounding,
}

/// Lanes of a vector that holds a block in 16 bits.
pub(super) const HALF: usize = BLOCK / 2;

/// Bytes of a block of transformed values.
pub(super) const SHORTS: i64 = BLOCK as i64 * SHORT;

/// Bytes of a block of sums.
pub(super) const SUMS: i64 = BLOCK as i64 * F32;

impl Inputs {
    /// Arguments: the first tile's first pixel, the first tile's first element.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let constants = Constants::integers(Numbers::Shorts);
        let n = self.matrix.len();
        let element = |i: usize| dst.at(i as i64 * self.element);
        for run in &self.runs {
            b.repeat(Count::Fixed(run.tiles as u32), |b| {
                for x in 0..run.columns {
                    let inputs = b.vectors(self.rows);
                    for (y, &input) in inputs.iter().enumerate() {
                        let pixel = y as i64 * self.row + x as i64 * self.pixel;
                        b.widen_bytes(input, src.at(pixel));
                    }
                    products(b, &constants, &self.matrix, inputs, |b, i, value| {
                        b.store(element(i * n + x), value);
                        b.release([value]);
                    });
                }
                for i in 0..n {
                    let inputs = b.vectors(run.columns);
                    for (x, &input) in inputs.iter().enumerate() {
                        b.load(input, element(i * n + x));
                    }
                    products(b, &constants, &self.matrix, inputs, |b, j, value| {
                        b.store(element(i * n + j), value);
                        b.release([value]);
                    });
                }
                b.advance(src, self.image_tile);
                b.advance(dst, self.tile);
            });
        }
        b.finish()
    }
}

impl Outputs {
    /// Arguments: the first tile's first element, the head, the first tile's first pixel in the
    /// result, and in the residual if there is one; the source's scale and zero point if they are
    /// measured. The transformed tiles are overwritten.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let measured = usize::from(self.rounding.head == Head::Measured);
        let args = 3 + usize::from(self.residual.is_some()) + measured;
        let mut b = Builder::new(name, self.target, args);
        let (src, head, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let constants = Constants::integers(Numbers::Integers);
        let matrix: Matrix = self.matrix.iter().map(|row| row.row.clone()).collect();
        let n = matrix[0].len();
        for run in &self.runs {
            b.repeat(Count::Fixed(run.tiles as u32), |b| {
                for (v, x) in (0..self.vectors()).flat_map(|v| (0..n).map(move |x| (v, x))) {
                    let inputs = b.vectors(n);
                    for (i, &input) in inputs.iter().enumerate() {
                        b.load(input, self.element(src, i * n + x, v));
                    }
                    products(b, &constants, &matrix, inputs, |b, y, value| {
                        b.store(self.element(src, y * n + x, v), value);
                        b.release([value]);
                    });
                }
                for y in 0..self.rows {
                    self.row(b, &constants, &matrix, (y, run.columns), [src, head, dst]);
                }
                b.advance(src, SUMS);
                let tile = matrix.len() as i64;
                b.advance(dst, tile * self.result[1]);
                if let Some([_, pixel]) = self.residual {
                    b.advance(b.arg(3), tile * pixel);
                }
            });
        }
        b.finish()
    }

    /// Vectors of a block of outputs.
    fn vectors(&self) -> usize {
        BLOCK / self.target.lanes
    }

    fn element(&self, base: P, index: usize, vector: usize) -> Mem {
        base.at(index as i64 * self.element + vector as i64 * self.target.vector_bytes())
    }

    /// The results of row `y` of a tile with this many columns.
    fn row(
        &self,
        b: &mut Builder,
        constants: &Constants,
        matrix: &Matrix,
        (y, columns): (usize, usize),
        [src, head, dst]: [P; 3],
    ) {
        let n = matrix[0].len();
        let mut pixels: Vec<Vec<V>> = vec![Vec::new(); columns];
        for v in 0..self.vectors() {
            let inputs = b.vectors(n);
            for (x, &input) in inputs.iter().enumerate() {
                b.load(input, self.element(src, y * n + x, v));
            }
            products(b, constants, matrix, inputs, |b, x, value| match pixels.get_mut(x) {
                Some(pixel) => pixel.push(value),
                None => b.release([value]),
            });
        }
        self.divide(b, y, &pixels);
        let head = self.head(b, head);
        let zero = self.rounding.head.zero(b, head);
        for v in 0..self.vectors() {
            let start = b.vector();
            Head::start(b, start, v, head, zero);
            pixels.iter().for_each(|pixel| b.integer(Integer::Add, pixel[v], pixel[v], start));
            b.release([start]);
        }
        b.release(zero);
        let lanes = self.target.lanes as i64;
        let places = |base: P, [row, pixel]: [i64; 2], bytes: i64| -> Vec<Mem> {
            let of_pixel = |x: usize| {
                let at = y as i64 * row + x as i64 * pixel;
                (0..self.vectors() as i64).map(move |v| base.at(at + v * lanes * bytes))
            };
            (0..columns).flat_map(of_pixel).collect()
        };
        let bytes = self.rounding.residual_bytes();
        let residuals = self.residual.map(|strides| places(b.arg(3), strides, bytes));
        let results = places(dst, self.result, self.rounding.result_bytes());
        self.rounding.finish(b, &pixels, head, &residuals.unwrap_or_default(), &results);
        b.release(pixels.into_iter().flatten());
    }

    /// Where the words of a block are.
    fn head(&self, b: &Builder, head: P) -> HeadPlace {
        let encoding = match self.rounding.head {
            Head::Known => head,
            Head::Measured => b.arg(3 + usize::from(self.residual.is_some())),
        };
        let vector = self.target.vector_bytes();
        HeadPlace { first: head.at(0), word: SUMS, vector, encoding, shift: 0 }
    }

    /// Divides the results of row `y` by their divisors.
    fn divide(&self, b: &mut Builder, y: usize, pixels: &[Vec<V>]) {
        let constant = b.vector();
        let mut held = None;
        for (pixel, column) in pixels.iter().zip(&self.matrix) {
            let Divisor { inverse, shift } = Divisor::of(self.matrix[y].divisor * column.divisor);
            if inverse != 1 && held != Some(inverse) {
                b.bits(constant, inverse);
                held = Some(inverse);
            }
            for &sum in pixel {
                if inverse != 1 {
                    b.integer(Integer::Mul, sum, sum, constant);
                }
                if shift > 0 {
                    b.shift(Shift::SignedRight, sum, sum, shift);
                }
            }
        }
        b.release([constant]);
    }
}

/// Passes the product of each row of a matrix with the inputs, of which the first columns exist, to
/// `store`, which owns the register. Releases the inputs.
fn products(
    b: &mut Builder,
    constants: &Constants,
    matrix: &Matrix,
    mut inputs: Vec<V>,
    mut store: impl FnMut(&mut Builder, usize, V),
) {
    let folded = Folded::of(matrix, inputs.len());
    folded.fold(b, constants, &mut inputs);
    let mut row = 0;
    for group in groups(&folded.matrix, inputs.len()) {
        for value in group.product(b, constants, &inputs) {
            store(b, row, value);
            row += 1;
        }
    }
    b.release(inputs);
}
