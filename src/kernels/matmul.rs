//! Products of two matrices that are both computed at run time, as in attention pooling.
//!
//! Operands are planar. The right one is read in place, row by row, so there is nothing to pack: a
//! tile of a few rows of the result by two vectors of its columns is accumulated in registers over
//! the inner dimension. Leading dimensions broadcast.

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::geometry::{F32, Place, row_major};
use super::sink::{Levels, Pointer, Sink};

/// Rows of a tile.
const ROWS: usize = 4;
/// Vectors of columns in a tile.
const VECTORS: usize = 2;

/// Everything that determines the code: a band of rows of the result. Arguments: left operand,
/// right operand, result.
#[derive(Clone, Copy, Debug)]
struct Band {
    rows: usize,
    inner: usize,
    columns: usize,
}

/// Lowers `dst = a * b` over the last two axes, leading axes broadcast.
///
/// # Errors
/// If the kernel does not fit the machine's registers.
pub fn lower(
    a: &Place,
    b: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &dst.geometry.ty.shape;
    let lead = shape.len() - 2;
    let inner = a.geometry.ty.shape.last().copied().unwrap_or(1);
    let (rows, columns) = (shape[lead], shape[lead + 1]);
    let mut pieces = Vec::new();
    let whole = rows / ROWS * ROWS;
    for (first, count, height) in
        [(0, rows / ROWS, ROWS), (whole, usize::from(rows > whole), rows - whole)]
    {
        if count == 0 {
            continue;
        }
        let band = Band { rows: height, inner, columns };
        let name = format!("matmul m{rows} n{columns} k{inner}");
        let target = sink.machine.target;
        let kernel = sink.program(&name, format!("{band:?}"), |n| band.program(n, target))?;
        let from = |place: &Place, row: usize| {
            Pointer::new(place.base, place.offset + (first * row) as i64 * F32)
        };
        let mut levels = Levels::new([from(a, inner), from(b, 0), from(dst, columns)]);
        let batch = |axis: usize| {
            [step(a, axis, shape.len()), step(b, axis, shape.len()), step(dst, axis, shape.len())]
        };
        let bytes = |row: usize| (ROWS * row) as i64 * F32;
        let bands = [bytes(inner), 0, bytes(columns)];
        match lead {
            0 => drop(levels.chunk(count, bands)),
            _ => {
                levels.chunk(shape[0], batch(0));
                (1..lead)
                    .for_each(|axis| levels.inner(Extent::Fixed(shape[axis] as u32), batch(axis)));
                levels.inner(Extent::Fixed(count as u32), bands);
            }
        }
        pieces.push(levels.piece(kernel, &[]));
    }
    Ok(pieces)
}

/// An operand's stride in bytes along a leading axis of the result: 0 where it is broadcast.
fn step(place: &Place, axis: usize, rank: usize) -> i64 {
    let shape = &place.geometry.ty.shape;
    match (axis + shape.len()).checked_sub(rank) {
        Some(own) if shape[own] != 1 => row_major(shape, place.geometry.ty.dtype)[own],
        _ => 0,
    }
}

impl Band {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 3);
        let (right, dst) = (b.arg(1), b.arg(2));
        let wide = VECTORS * target.lanes;
        let mut left = self.columns;
        for (vectors, width) in [(VECTORS, wide), (1, target.lanes), (0, 1)] {
            b.repeat(Count::Fixed((left / width) as u32), |b| {
                self.tile(b, vectors);
                b.advance(right, width as i64 * F32);
                b.advance(dst, width as i64 * F32);
            });
            left %= width;
        }
        b.finish()
    }

    /// A tile of all rows by `vectors` vectors of columns, or by one column if `vectors` is 0.
    fn tile(&self, b: &mut Builder, vectors: usize) {
        let acc: Vec<Vec<V>> = (0..self.rows).map(|_| b.vectors(vectors.max(1))).collect();
        acc.iter().flatten().for_each(|&a| b.constant(a, 0.0));
        let (left, right) = (b.pointer(b.arg(0)), b.pointer(b.arg(1)));
        b.repeat(Count::Fixed(self.inner as u32), |b| {
            self.step(b, &acc, left, right, vectors);
            b.advance(left, F32);
            b.advance(right, self.columns as i64 * F32);
        });
        b.release_pointer(left);
        b.release_pointer(right);
        let dst = b.arg(2);
        for (row, registers) in acc.iter().enumerate() {
            for (v, &register) in registers.iter().enumerate() {
                let place = dst
                    .at((row * self.columns) as i64 * F32 + v as i64 * b.target().vector_bytes());
                match vectors {
                    0 => b.store_first(place, register),
                    _ => b.store(place, register),
                }
            }
        }
        acc.into_iter().for_each(|row| b.release(row));
    }

    fn step(&self, b: &mut Builder, acc: &[Vec<V>], left: P, right: P, vectors: usize) {
        let columns = b.vectors(vectors.max(1));
        for (v, &register) in columns.iter().enumerate() {
            match vectors {
                0 => b.broadcast(register, right.at(0)),
                _ => b.load(register, right.at(v as i64 * b.target().vector_bytes())),
            }
        }
        let value = b.vector();
        for (row, registers) in acc.iter().enumerate() {
            b.broadcast(value, left.at((row * self.inner) as i64 * F32));
            registers.iter().zip(&columns).for_each(|(&a, &c)| b.multiply_add(a, value, c));
        }
        b.release([value]);
        b.release(columns);
    }
}
