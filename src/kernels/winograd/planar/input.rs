//! The input transform: down the columns of tiles, then across their rows. Each lane is a tile.

use crate::codegen::vir::{Builder, OverBudget, Program, Target};
use crate::kernels::geometry::F32;

use super::super::linear::{Constants, apply, with_most_held};
use super::super::matrices::Matrix;
use super::form::{ADVANCE, STRIDE};
use super::split::each_vector;

/// The transform of a column of tiles, for both phases of its rows. Everything that determines the
/// code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Down {
    pub(super) target: Target,
    /// `B^T`.
    pub(super) matrix: Matrix,
    /// The points of each phase.
    pub(super) points: [usize; STRIDE],
    /// Tiles that are transformed.
    pub(super) tiles: usize,
    /// Rows of pixels that exist.
    pub(super) rows: usize,
    /// Bytes from a row of pixels to the next.
    pub(super) src_row: i64,
    /// Bytes from a phase's points to the next.
    pub(super) dst_phase: i64,
    /// Bytes from a point to the next.
    pub(super) dst_point: i64,
}

/// The transform of a row of tiles at a point, for both phases of its columns. Everything that
/// determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Across {
    pub(super) target: Target,
    /// `B^T`.
    pub(super) matrix: Matrix,
    /// The points of each phase of columns.
    pub(super) points: [usize; STRIDE],
    /// The phases of rows that are summed at the row's point.
    pub(super) row_phases: usize,
    /// Tiles that are transformed.
    pub(super) tiles: usize,
    /// Channels of the source.
    pub(super) channels: usize,
    /// Bytes from a phase of rows to the next.
    pub(super) src_phase: i64,
    /// Bytes from a strip to the next.
    pub(super) strip: i64,
    /// Bytes from a point to the next.
    pub(super) dst_point: i64,
}

impl Down {
    /// Arguments: a column's strip in the first row of pixels, and in the first point.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        with_most_held(&self.matrix, |held| self.build(name.clone(), held))
    }

    fn build(&self, name: String, held: &[f32]) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let constants = Constants::held(&mut b, held);
        each_vector(&mut b, self.tiles, [src, dst], |b| {
            for (phase, &points) in self.points.iter().enumerate() {
                let present = points.min((self.rows - phase).div_ceil(STRIDE));
                apply(
                    b,
                    &constants,
                    &self.matrix[..points],
                    present,
                    |b, i, value| {
                        let row = (STRIDE * i + phase) as i64;
                        b.load(value, src.at(row * self.src_row));
                    },
                    |b, i, value| {
                        let place = phase as i64 * self.dst_phase + i as i64 * self.dst_point;
                        b.store(dst.at(place), value);
                    },
                );
            }
        });
        b.finish()
    }
}

impl Across {
    /// Arguments: the first column's strip in the first phase of rows, and the channel's strip in
    /// the values of the row's first point.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        with_most_held(&self.matrix, |held| self.build(name.clone(), held))
    }

    fn build(&self, name: String, held: &[f32]) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let constants = Constants::held(&mut b, held);
        let phases = |point: usize| self.points.iter().filter(|&&points| point < points).count();
        each_vector(&mut b, self.tiles, [src, dst], |b| {
            for down in 0..self.row_phases {
                for (phase, &points) in self.points.iter().enumerate() {
                    apply(
                        b,
                        &constants,
                        &self.matrix[..points],
                        points,
                        |b, i, value| {
                            let column = STRIDE * i + phase;
                            let (column, tile) = (column % ADVANCE, column / ADVANCE);
                            let place = down as i64 * self.src_phase + column as i64 * self.strip;
                            b.load(value, src.at(place + tile as i64 * F32));
                        },
                        |b, i, value| {
                            let strips = (down * phases(i) + phase) * self.channels;
                            let place = i as i64 * self.dst_point + strips as i64 * self.strip;
                            b.store(dst.at(place), value);
                        },
                    );
                }
            }
        });
        b.finish()
    }
}
