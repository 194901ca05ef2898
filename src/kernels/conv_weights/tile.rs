//! The kernels: products of vectors of outputs and scalars of the source, summed over pixels.

use resnetc_ir::ty::BLOCK;

use super::form::SUMS;
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, Program, Target, V};

/// How `run` scalars are cut into tiles, as equal as possible: scalars of a tile, how many such
/// tiles, and the first scalar of the first one.
pub(super) fn cuts(target: Target, together: usize, run: usize) -> Vec<[usize; 3]> {
    let parts = run.div_ceil(most_scalars(target, together));
    let (small, larger) = (run / parts, run % parts);
    let all = [[small + 1, larger, 0], [small, parts - larger, larger * (small + 1)]];
    all.into_iter().filter(|&[scalars, tiles, _]| scalars > 0 && tiles > 0).collect()
}

/// How many scalars a tile has at most.
fn most_scalars(target: Target, together: usize) -> usize {
    let vectors = together * (BLOCK / target.lanes).max(1);
    ((target.vectors - vectors - 1) / vectors).clamp(1, BLOCK)
}

/// The kernel of a tile. Arguments: the sums, the gradient of the result, the source.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub(super) target: Target,
    /// Blocks of outputs.
    pub(super) together: usize,
    pub(super) scalars: usize,
    /// Bytes between scalars.
    pub(super) step: i64,
    /// Bytes between the sums of two blocks of outputs.
    pub(super) sums: i64,
    /// Rows and columns.
    pub(super) size: [usize; 2],
    /// Bytes between blocks, rows and pixels of the gradient.
    pub(super) dy: [i64; 3],
    /// Bytes between rows and pixels of the source.
    pub(super) src: [i64; 2],
}

/// Pixels of one iteration.
const UNROLL: usize = 2;

impl Tile {
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let per_block = BLOCK / self.target.lanes;
        let vectors = self.together * per_block;
        let bytes = self.target.vector_bytes();
        let place = |v: usize, of_block: i64| {
            (v / per_block) as i64 * of_block + (v % per_block) as i64 * bytes
        };
        let sum_at = |i: usize, v: usize| i as i64 * SUMS + place(v, self.sums);
        let sums: Vec<Vec<V>> = (0..self.scalars).map(|_| b.vectors(vectors)).collect();
        for (i, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                b.load(sum, b.arg(0).at(sum_at(i, v)));
            }
        }
        let pixels = |b: &mut Builder, count: usize| {
            let rows = b.vectors(vectors);
            let scalar = b.vector();
            for pixel in 0..count as i64 {
                for (v, &row) in rows.iter().enumerate() {
                    b.load(row, b.arg(1).at(pixel * self.dy[2] + place(v, self.dy[0])));
                }
                for (i, sums) in sums.iter().enumerate() {
                    let at = pixel * self.src[1] + i as i64 * self.step;
                    b.broadcast(scalar, b.arg(2).at(at));
                    for (&sum, &row) in sums.iter().zip(&rows) {
                        b.multiply_add(sum, row, scalar);
                    }
                }
            }
            b.release(rows);
            b.release([scalar]);
            b.advance(b.arg(1), count as i64 * self.dy[2]);
            b.advance(b.arg(2), count as i64 * self.src[1]);
        };
        let [rows, columns] = self.size;
        b.repeat(Count::Fixed(rows as u32), |b| {
            b.repeat(Count::Fixed((columns / UNROLL) as u32), |b| pixels(b, UNROLL));
            if columns % UNROLL > 0 {
                pixels(b, columns % UNROLL);
            }
            b.advance(b.arg(1), self.dy[1] - columns as i64 * self.dy[2]);
            b.advance(b.arg(2), self.src[0] - columns as i64 * self.src[1]);
        });
        for (i, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                b.store(b.arg(0).at(sum_at(i, v)), sum);
            }
        }
        b.finish()
    }
}

/// The kernel that adds up parts. Arguments: the sums of the first, and how many blocks of outputs
/// there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartSum {
    pub(super) parts: usize,
    /// Bytes between parts.
    pub(super) part: i64,
}

impl PartSum {
    pub(super) fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let vectors = BLOCK / target.lanes;
        b.repeat(Count::Register(b.arg(1)), |b| {
            let at = b.pointer(b.arg(0));
            let (sums, other) = (b.vectors(vectors), b.vector());
            let place = |v: usize| v as i64 * target.vector_bytes();
            sums.iter().enumerate().for_each(|(v, &sum)| b.load(sum, at.at(place(v))));
            b.repeat(Count::Fixed(self.parts as u32 - 1), |b| {
                b.advance(at, self.part);
                for (v, &sum) in sums.iter().enumerate() {
                    b.load(other, at.at(place(v)));
                    b.arith(Arith::Add, sum, sum, other);
                }
            });
            sums.iter().enumerate().for_each(|(v, &sum)| b.store(b.arg(0).at(place(v)), sum));
            b.release(sums);
            b.release([other]);
            b.release_pointer(at);
            b.advance(b.arg(0), SUMS);
        });
        b.finish()
    }
}
