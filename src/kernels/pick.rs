//! Elements picked along an axis by position: any selection, and weighted sums.
//!
//! Positions are not an affine function of an index. So the kernel reads the addresses of each
//! element of the result and of its sources from a table among the packed constants. Elements that
//! are adjacent along other axes are processed together as far as they are contiguous.

use std::sync::Arc;

use resnetc_ir::op::Interpolate;
use resnetc_ir::ty::{BLOCK, Layout};

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::geometry::{F32, Place};
use super::loops::{Level, OPERANDS, collapse};
use super::sink::{Levels, Pointer, Sink, WEIGHTS};
use super::view::axis_offset;

/// How the elements of the result are computed.
#[derive(Clone, Debug)]
pub struct Picks {
    /// The axis along which elements are picked.
    pub axis: usize,
    taps: usize,
    indices: Arc<[usize]>,
    /// `None` if each element of the result is a copy of one element.
    weights: Option<Arc<[f32]>>,
}

impl Picks {
    /// The elements at these positions.
    pub fn of(axis: usize, indices: &Arc<[usize]>) -> Self {
        Picks { axis, taps: 1, indices: Arc::clone(indices), weights: None }
    }

    /// Weighted sums.
    pub fn sums(op: &Interpolate) -> Self {
        let weights = Some(Arc::clone(&op.weights));
        Picks { axis: op.axis, taps: op.taps, indices: Arc::clone(&op.indices), weights }
    }

    fn form(&self, run: usize) -> PickForm {
        PickForm { taps: self.taps, weighted: self.weights.is_some(), run }
    }

    /// The table: for each element of the result its distance from the start, and for each of its
    /// sources the distance and the weight.
    fn table(&self, src: &Place, dst: &Place) -> Vec<u8> {
        let mut table = Vec::new();
        for (i, indices) in self.indices.chunks_exact(self.taps).enumerate() {
            table.extend(axis_offset(dst, self.axis, i as i64).to_le_bytes());
            for (t, &index) in indices.iter().enumerate() {
                table.extend(axis_offset(src, self.axis, index as i64).to_le_bytes());
                if let Some(weights) = &self.weights {
                    table.extend(weights[i * self.taps + t].to_le_bytes());
                }
            }
        }
        table
    }
}

/// Lowers a selection or weighted sums along an axis; both values have the same layout.
///
/// # Errors
/// If the kernel does not fit the machine's registers.
pub fn lower(
    name: &str,
    picks: &Picks,
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let (outer, run) = beside(picks.axis, src, dst);
    let form = picks.form(run);
    let count = picks.indices.len() / picks.taps;
    let table = picks.table(src, dst);
    let table = sink.pack_bytes(table.len(), move |out| out.copy_from_slice(&table));
    let target = sink.machine.target;
    let kernel = sink.program(name, format!("{form:?}"), |n| form.program(n, target))?;
    let parts = sink.machine.parts();
    let mut levels = Levels::new([
        Pointer::new(dst.base, dst.origin()),
        Pointer::new(src.base, src.origin()),
        Pointer::new(WEIGHTS, table),
    ]);
    let strides = |level: &Level| [level.strides[0], level.strides[1], 0];
    // The outermost loop with enough iterations is cut into chunks. If there is none, every
    // iteration of every loop is a chunk, and the table is cut into chunks, too.
    let cut = outer.iter().position(|level| level.extent >= parts);
    let whole: usize = outer.iter().map(|level| level.extent).product();
    let mut split = None;
    let mut rows = Extent::Fixed(count as u32);
    match cut {
        Some(cut) => {
            for level in &outer[..cut] {
                levels.chunk(level.extent, strides(level));
            }
            split = Some(levels.split(outer[cut].extent, parts, strides(&outer[cut])));
        }
        None => {
            for level in &outer {
                levels.chunk(level.extent, strides(level));
            }
            let part = levels.split(count, parts.div_ceil(whole), [0, 0, form.row_bytes()]);
            rows = part.extent();
        }
    }
    split.into_iter().for_each(|split| levels.rest(split));
    for level in cut.map_or(&[][..], |cut| &outer[cut + 1..]) {
        levels.inner(Extent::Fixed(level.extent as u32), strides(level));
    }
    Ok(vec![levels.piece(kernel, &[rows])])
}

/// The loops over all axes except one, and how many elements are contiguous in both values.
fn beside(axis: usize, src: &Place, dst: &Place) -> (Vec<Level>, usize) {
    let shape = &dst.geometry.ty.shape;
    let blocked = dst.geometry.ty.layout == Layout::Blocked;
    let level = |extent: usize, [to, from]: [i64; 2]| {
        let mut strides = [0; OPERANDS];
        strides[..2].copy_from_slice(&[to, from]);
        Level { extent, strides }
    };
    let step = |other: usize, index: usize| {
        [dst, src].map(|place| axis_offset(place, other, index as i64))
    };
    let mut levels = Vec::new();
    for other in (0..shape.len()).filter(|&other| other != axis) {
        levels.push(match blocked && other == 1 {
            true => level(shape[1].div_ceil(BLOCK), step(1, BLOCK)),
            false => level(shape[other], step(other, 1)),
        });
    }
    if blocked && axis != 1 {
        levels.push(level(BLOCK, [F32; 2]));
    }
    let mut levels = collapse(levels);
    let contiguous = |level: &Level| level.strides[..2] == [F32; 2];
    match levels.pop_if(|level| contiguous(level)) {
        Some(level) => (levels, level.extent),
        None => (levels, 1),
    }
}

/// Everything that determines the code. Arguments: result, operand, table, rows of the table.
#[derive(Clone, Copy, Debug)]
struct PickForm {
    taps: usize,
    weighted: bool,
    /// Contiguous elements that are processed together.
    run: usize,
}

/// Bytes of a distance.
const DISTANCE: i64 = 8;
/// Vectors that are summed together.
const UNROLL: usize = 4;
/// Up to this many taps are unrolled.
const WRITTEN_OUT: usize = 4;

/// The addresses for one row of the table: of the results, of the operand from which the taps'
/// distances count, and of the first tap.
#[derive(Clone, Copy)]
struct Row {
    to: P,
    from: P,
    taps: P,
}

impl PickForm {
    fn tap_bytes(self) -> i64 {
        DISTANCE + if self.weighted { F32 } else { 0 }
    }

    fn row_bytes(self) -> i64 {
        DISTANCE + self.taps as i64 * self.tap_bytes()
    }

    fn program(self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 4);
        let [dst, src, table, rows] = [0, 1, 2, 3].map(|i| b.arg(i));
        b.repeat(Count::Register(rows), |b| {
            let to = b.pointer(dst);
            b.advance_by(to, table.at(0));
            b.advance(table, DISTANCE);
            let from = b.pointer(src);
            self.run(b, Row { to, from, taps: table });
            b.advance(table, self.taps as i64 * self.tap_bytes());
            b.release_pointer(to);
            b.release_pointer(from);
        });
        b.finish()
    }

    fn run(self, b: &mut Builder, row: Row) {
        let lanes = b.target().lanes;
        let (vectors, rest) = (self.run / lanes, self.run % lanes);
        let several = |b: &mut Builder, times: usize, vectors: usize, elements: usize| {
            b.repeat(Count::Fixed(times as u32), |b| {
                self.group(b, row, vectors);
                let bytes = elements as i64 * F32;
                b.advance(row.to, bytes);
                b.advance(row.from, bytes);
            });
        };
        several(b, vectors / UNROLL, UNROLL, UNROLL * lanes);
        several(b, usize::from(vectors % UNROLL > 0), vectors % UNROLL, vectors % UNROLL * lanes);
        several(b, rest, 0, 1);
    }

    /// Computes `vectors` vectors of the result, or a single element if `vectors` is 0.
    fn group(self, b: &mut Builder, row: Row, vectors: usize) {
        let sums = b.vectors(vectors.max(1));
        match self.weighted {
            false => self.tap(b, row.from, row.taps, |b, from| load(b, &sums, from, vectors)),
            true => {
                sums.iter().for_each(|&sum| b.constant(sum, 0.0));
                self.sum(b, row, &sums, vectors);
            }
        }
        for (v, &sum) in sums.iter().enumerate() {
            match vectors {
                0 => b.store_first(row.to.at(0), sum),
                _ => b.store(row.to.at(v as i64 * b.target().vector_bytes()), sum),
            }
        }
        b.release(sums);
    }

    /// Runs `body` on the address of a tap's source.
    fn tap(self, b: &mut Builder, from: P, tap: P, body: impl FnOnce(&mut Builder, P)) {
        let from = b.pointer(from);
        b.advance_by(from, tap.at(0));
        body(b, from);
        b.release_pointer(from);
    }

    fn sum(self, b: &mut Builder, row: Row, sums: &[V], vectors: usize) {
        let weight = b.vector();
        let values = b.vectors(sums.len());
        let taps = b.pointer(row.taps);
        let written_out = if self.taps <= WRITTEN_OUT { self.taps } else { 1 };
        b.repeat(Count::Fixed((self.taps / written_out) as u32), |b| {
            for _ in 0..written_out {
                b.broadcast(weight, taps.at(DISTANCE));
                self.tap(b, row.from, taps, |b, from| load(b, &values, from, vectors));
                sums.iter().zip(&values).for_each(|(&sum, &x)| b.multiply_add(sum, weight, x));
                b.advance(taps, self.tap_bytes());
            }
        });
        b.release_pointer(taps);
        b.release(values);
        b.release([weight]);
    }
}

/// Loads `vectors` vectors, or a single element if `vectors` is 0.
fn load(b: &mut Builder, into: &[V], from: P, vectors: usize) {
    for (v, &register) in into.iter().enumerate() {
        match vectors {
            0 => b.broadcast(register, from.at(0)),
            _ => b.load(register, from.at(v as i64 * b.target().vector_bytes())),
        }
    }
}
