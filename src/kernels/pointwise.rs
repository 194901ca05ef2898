//! Expressions of single elements inside loops.

use resnetc_ir::expression::Expression;

use crate::codegen::region::Piece;
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::expression::Code;
use super::geometry::{F32, Place};
use super::loops::{self, Kernel, Level};
use super::sink::Sink;
use super::view::{self, View};

/// Lowers an expression with one result; sources broadcast to its shape.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn lower(
    expression: &Expression,
    sources: &[&Place],
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &dst.geometry.ty.shape;
    let mut views = vec![View::whole(dst)];
    views.extend(sources.iter().map(|source| View::broadcast(source, shape.len())));
    let kernel = Pointwise { expression, contracts: sink.machine.contracts() };
    let mut pieces = Vec::new();
    for loops in view::loops(shape, &views) {
        pieces.extend(loops.lower("pointwise", &kernel, sink)?);
    }
    Ok(pieces)
}

struct Pointwise<'a> {
    expression: &'a Expression,
    /// Whether a product and its sum are rounded once.
    contracts: bool,
}

impl Kernel for Pointwise<'_> {
    fn form(&self, operands: usize, levels: &[Level]) -> String {
        let levels: Vec<_> = levels.iter().map(|level| level.form(operands)).collect();
        format!("pointwise {:?} {levels:?}", self.expression)
    }

    fn program(
        &self,
        name: String,
        target: Target,
        operands: usize,
        levels: &[Level],
    ) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, operands);
        let pointers = (0..operands).map(|i| b.arg(i)).collect();
        let emit = Emit { code: Code::new(self.expression, self.contracts), pointers };
        emit.level(&mut b, levels);
        b.finish()
    }
}

/// How many vectors are computed in one iteration.
const UNROLL: usize = 4;
/// Registers that an expression needs besides those of operands that stay in theirs.
const WORKING: usize = 9;

struct Emit<'a> {
    code: Code<'a>,
    /// The result's, then those of the sources.
    pointers: Vec<P>,
}

impl Emit<'_> {
    /// Runs a level and advances the pointers past it.
    fn level(&self, b: &mut Builder, levels: &[Level]) {
        match levels {
            [last] => self.last(b, *last),
            [rows, row] if self.is_whole(b, *row) => self.rows(b, *rows, *row),
            [level, inner @ ..] => {
                loops::repeat(b, &self.pointers, *level, inner, |b| self.level(b, inner));
            }
            [] => {}
        }
    }

    /// Whether the elements of a level are consecutive, or the same in all of it.
    fn is_dense(&self, level: Level) -> bool {
        let strides = &level.strides[..self.pointers.len()];
        strides[0] == F32 && strides.iter().all(|&stride| stride == 0 || stride == F32)
    }

    /// Whether a level is a few whole vectors.
    fn is_whole(&self, b: &Builder, row: Level) -> bool {
        let lanes = b.target().lanes;
        self.is_dense(row)
            && row.extent.is_multiple_of(lanes)
            && (1..=UNROLL).contains(&(row.extent / lanes))
    }

    /// Rows of a few vectors. Sources that are the same in every row are loaded once, as far as
    /// there are registers.
    fn rows(&self, b: &mut Builder, rows: Level, row: Level) {
        let sources = self.pointers.len() - 1;
        let vectors = row.extent / b.target().lanes;
        let mut room = b.target().vectors.saturating_sub(WORKING);
        let mut kept = vec![vec![None; sources]; vectors];
        for source in (0..sources).filter(|&i| rows.strides[1 + i] == 0) {
            let is_same = row.strides[1 + source] == 0;
            let needed = if is_same { 1 } else { vectors };
            if needed > room {
                continue;
            }
            room -= needed;
            let own: Vec<V> = (0..needed).map(|v| self.loaded(b, row, source, 0, v)).collect();
            kept.iter_mut().enumerate().for_each(|(v, kept)| {
                kept[source] = own.get(if is_same { 0 } else { v }).copied();
            });
        }
        let together = UNROLL / vectors;
        for (count, at_once) in [(rows.extent / together, together), (rows.extent % together, 1)] {
            b.repeat(Count::Fixed(count as u32), |b| {
                for r in 0..at_once {
                    for (v, kept) in kept.iter().enumerate() {
                        let before = |i: usize| r as i64 * rows.strides[i];
                        self.vector(b, row, kept, &before, v);
                    }
                }
                loops::advance(b, &self.pointers, |i| rows.strides[i] * at_once as i64);
            });
        }
        let mut all: Vec<V> = kept.into_iter().flatten().flatten().collect();
        all.sort_unstable();
        all.dedup();
        b.release(all);
    }

    /// A single level.
    fn last(&self, b: &mut Builder, level: Level) {
        let none = vec![None; self.pointers.len() - 1];
        let lanes = b.target().lanes;
        if self.is_dense(level) {
            let (vectors, step) = (level.extent / lanes, lanes as i64);
            b.repeat(Count::Fixed((vectors / UNROLL) as u32), |b| {
                (0..UNROLL).for_each(|v| self.vector(b, level, &none, &|_| 0, v));
                loops::advance(b, &self.pointers, |i| level.strides[i] * step * UNROLL as i64);
            });
            (0..vectors % UNROLL).for_each(|v| self.vector(b, level, &none, &|_| 0, v));
            loops::advance(b, &self.pointers, |i| {
                level.strides[i] * step * (vectors % UNROLL) as i64
            });
            b.repeat(Count::Fixed((level.extent % lanes) as u32), |b| self.element(b, level));
        } else {
            b.repeat(Count::Fixed(level.extent as u32), |b| self.element(b, level));
        }
    }

    /// Computes the `v`-th vector of a level whose elements are dense, `before` bytes further on.
    fn vector(
        &self,
        b: &mut Builder,
        level: Level,
        kept: &[Option<V>],
        before: &dyn Fn(usize) -> i64,
        v: usize,
    ) {
        let load = |b: &mut Builder, source: usize, register: V| {
            self.load(b, level, source, before(1 + source), v, register);
        };
        let dst = self.pointers[0].at(before(0) + v as i64 * b.target().vector_bytes());
        self.code.emit(b, kept, &load, &mut |b, _, result| b.store(dst, result));
    }

    /// Computes the element at the pointers, and advances them.
    fn element(&self, b: &mut Builder, level: Level) {
        let none = vec![None; self.pointers.len() - 1];
        let load = |b: &mut Builder, source: usize, register: V| {
            b.broadcast(register, self.pointers[1 + source].at(0));
        };
        let dst = self.pointers[0].at(0);
        self.code.emit(b, &none, &load, &mut |b, _, result| b.store_first(dst, result));
        loops::advance(b, &self.pointers, |i| level.strides[i]);
    }

    fn loaded(&self, b: &mut Builder, level: Level, source: usize, before: i64, v: usize) -> V {
        let register = b.vector();
        self.load(b, level, source, before, v, register);
        register
    }

    fn load(
        &self,
        b: &mut Builder,
        level: Level,
        source: usize,
        before: i64,
        v: usize,
        register: V,
    ) {
        let pointer = self.pointers[1 + source];
        match level.strides[1 + source] {
            0 => b.broadcast(register, pointer.at(before)),
            _ => {
                let first = v as i64 * b.target().vector_bytes();
                b.load(register, pointer.at(before + first));
            }
        }
    }
}
