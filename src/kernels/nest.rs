//! Loop nests over strided operands: all element-wise operators and all data movement.
//!
//! A nest computes `dst[i] = f(a[i], b[i])` where each operand's address is affine in the indices.
//! The innermost levels are compiled into the kernel, the others run in the driver.

use crate::codegen::region::{Base, Extent, Piece};
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::conversions::{self, Conversions, SOURCES};
use super::element::Element;
use super::function::{Function, Prepared};
use super::geometry::F32;
use super::sink::{Levels, Pointer, Sink};

/// Operands of a nest: the result and the sources.
pub const OPERANDS: usize = 1 + SOURCES;

/// One loop: its number of iterations, and each operand's stride (result first) in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level {
    /// Number of iterations.
    pub extent: usize,
    /// Bytes that each operand advances per iteration.
    pub strides: [i64; OPERANDS],
}

/// A loop nest, outermost level first.
#[derive(Clone, Debug)]
pub struct Nest {
    /// What is computed.
    pub function: Function,
    /// Where each operand starts; as many as the function reads, plus the result.
    pub starts: Vec<(Base, i64)>,
    /// The loops.
    pub levels: Vec<Level>,
    /// The elements of each operand.
    pub elements: [Element; OPERANDS],
    /// How they become numbers, and numbers elements of the result.
    pub conversions: Conversions,
}

/// Levels that a kernel runs itself.
const INNER_LEVELS: usize = 3;

/// The maximum number of elements of one call; outer loops run in the driver, which can distribute
/// them over threads.
const CALL_ELEMENTS: usize = 16 * 1024;

impl Nest {
    /// A nest of f32, without loops yet.
    pub fn new(function: Function, starts: Vec<(Base, i64)>) -> Self {
        Nest {
            function,
            starts,
            levels: Vec::new(),
            elements: Default::default(),
            conversions: Conversions::default(),
        }
    }

    /// Lowers the nest; nothing if it has no elements.
    ///
    /// # Errors
    /// If the kernel does not fit the machine's registers.
    pub fn lower(mut self, name: &str, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
        if self.levels.iter().any(|l| l.extent == 0) {
            return Ok(Vec::new());
        }
        self.levels = collapse(self.levels);
        match self.levels[..] {
            [only] if only.extent > CALL_ELEMENTS => self.lower_long(only, name, sink),
            _ => Ok(vec![self.lower_collapsed(name, sink)?]),
        }
    }

    /// Cuts a single long loop into runs and a rest.
    fn lower_long(
        self,
        only: Level,
        name: &str,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let run = CALL_ELEMENTS / 4;
        let outer =
            Level { extent: only.extent / run, strides: only.strides.map(|s| s * run as i64) };
        let inner = Level { extent: run, ..only };
        let mut rest = self.clone();
        rest.levels = vec![Level { extent: only.extent % run, ..only }];
        let done = outer.extent as i64;
        rest.starts.iter_mut().zip(outer.strides).for_each(|(s, stride)| s.1 += done * stride);
        let mut pieces =
            vec![Nest { levels: vec![outer, inner], ..self }.lower_collapsed(name, sink)?];
        if rest.levels[0].extent > 0 {
            pieces.push(rest.lower_collapsed(name, sink)?);
        }
        Ok(pieces)
    }

    fn lower_collapsed(self, name: &str, sink: &mut Sink) -> Result<Piece, KernelError> {
        let inner = inner_levels(&self.levels);
        let (outer, inner) = self.levels.split_at(self.levels.len() - inner);
        let operands = self.starts.len();
        let Nest { function, elements, conversions, .. } = &self;
        let form = format!("nest {operands} {function:?} {inner:?} {elements:?} {conversions:?}");
        let target = sink.machine.target;
        let kernel = sink.program(name, form, |n| self.program(n, target, inner))?;
        let parts = sink.machine.parts();
        Ok(match operands {
            1 => piece::<1>(&self.starts, outer, kernel, parts),
            2 => piece::<2>(&self.starts, outer, kernel, parts),
            3 => piece::<3>(&self.starts, outer, kernel, parts),
            _ => piece::<4>(&self.starts, outer, kernel, parts),
        })
    }
}

impl Nest {
    /// The kernel of the innermost levels.
    fn program(
        &self,
        name: String,
        target: Target,
        levels: &[Level],
    ) -> Result<Program, OverBudget> {
        let operands = self.starts.len();
        let mut b = Builder::new(name, target, operands);
        let moving = 1 + self.conversions.sources(operands - 1);
        let pointers: Vec<P> = (0..moving).map(|i| b.arg(i)).collect();
        let prepared = self.function.prepare(&mut b);
        let conversions = self.conversions.prepare(&mut b, self.function.constants());
        let emit = Emit { pointers, prepared, conversions, elements: self.elements };
        emit.level(&mut b, levels);
        b.finish()
    }
}

fn piece<const N: usize>(
    starts: &[(Base, i64)],
    outer: &[Level],
    kernel: usize,
    parts: usize,
) -> Piece {
    let mut levels =
        Levels::<N>::new(std::array::from_fn(|i| Pointer::new(starts[i].0, starts[i].1)));
    let strides = |l: &Level| std::array::from_fn(|i| l.strides[i]);
    // The outermost loop with enough iterations is cut into chunks; loops outside it become chunk
    // levels unchanged.
    let cut = outer.iter().position(|l| l.extent >= parts).unwrap_or(outer.len().saturating_sub(1));
    let mut split = None;
    for (i, level) in outer.iter().enumerate().take(cut + 1) {
        match i < cut {
            true => drop(levels.chunk(level.extent, strides(level))),
            false => split = Some(levels.split(level.extent, parts, strides(level))),
        }
    }
    split.into_iter().for_each(|s| levels.rest(s));
    for level in outer.iter().skip(cut + 1) {
        levels.inner(Extent::Fixed(level.extent as u32), strides(level));
    }
    levels.piece(kernel, &[])
}

/// Drops levels with a single iteration and joins neighbours that traverse memory like one loop.
/// The result is never empty.
pub(super) fn collapse(levels: Vec<Level>) -> Vec<Level> {
    let mut kept: Vec<Level> = Vec::new();
    for level in levels.into_iter().filter(|l| l.extent != 1) {
        match kept.last_mut() {
            Some(outer) if outer.strides == level.strides.map(|s| s * level.extent as i64) => {
                *outer = Level { extent: outer.extent * level.extent, strides: level.strides };
            }
            _ => kept.push(level),
        }
    }
    if kept.is_empty() {
        kept.push(Level { extent: 1, strides: [F32; OPERANDS] });
    }
    kept
}

/// How many of the innermost levels the kernel runs itself.
fn inner_levels(levels: &[Level]) -> usize {
    let mut elements = 1;
    let fits = levels.iter().rev().take(INNER_LEVELS).take_while(|l| {
        elements *= l.extent;
        elements <= CALL_ELEMENTS
    });
    fits.count().max(1)
}

struct Emit {
    pointers: Vec<P>,
    prepared: Prepared,
    conversions: conversions::Prepared,
    elements: [Element; OPERANDS],
}

impl Emit {
    /// Runs a level and advances the pointers past it.
    fn level(&self, b: &mut Builder, levels: &[Level]) {
        match levels {
            [last] => self.last(b, *last),
            [level, last] if self.is_packed(b, *level, *last) => self.packed(b, *level, *last),
            [level, inner @ ..] => b.repeat(Count::Fixed(level.extent as u32), |b| {
                self.level(b, inner);
                let moved = |i: usize| inner[0].strides[i] * inner[0].extent as i64;
                self.advance(b, |i| level.strides[i] - moved(i));
            }),
            [] => {}
        }
    }

    fn advance(&self, b: &mut Builder, bytes: impl Fn(usize) -> i64) {
        self.pointers.iter().enumerate().for_each(|(i, &p)| b.advance(p, bytes(i)));
    }

    fn last(&self, b: &mut Builder, level: Level) {
        let n = self.pointers.len();
        let is_dense = |i: usize| level.strides[i] == self.elements[i].bytes();
        let vectorizable = is_dense(0) && (1..n).all(|i| level.strides[i] == 0 || is_dense(i));
        let is_lookup = matches!(self.prepared, Prepared::Lookup(_));
        if !vectorizable || is_lookup {
            let unroll = if is_lookup { 8 } else { 1 };
            for (count, step) in [(level.extent / unroll, unroll), (level.extent % unroll, 1)] {
                b.repeat(Count::Fixed(count as u32), |b| {
                    (0..step).for_each(|i| self.element(b, i as i64, level));
                    self.advance(b, |i| level.strides[i] * step as i64);
                });
            }
            return;
        }
        const UNROLL: usize = 4;
        let lanes = b.target().lanes;
        let (vectors, tail) = (level.extent / lanes, level.extent % lanes);
        let step = |i: usize, elements: usize| level.strides[i] * elements as i64;
        let (all, one) = (
            Level { extent: vectors, strides: level.strides.map(|stride| stride * lanes as i64) },
            Level { extent: lanes, ..level },
        );
        let vectors = match self.is_packed(b, all, one) {
            true => {
                self.packed(b, all, one);
                0
            }
            false => vectors,
        };
        b.repeat(Count::Fixed((vectors / UNROLL) as u32), |b| {
            (0..UNROLL).for_each(|v| self.vector(b, v, level));
            self.advance(b, |i| step(i, UNROLL * lanes));
        });
        (0..vectors % UNROLL).for_each(|v| self.vector(b, v, level));
        self.advance(b, |i| step(i, vectors % UNROLL * lanes));
        b.repeat(Count::Fixed(tail as u32), |b| {
            self.element(b, 0, level);
            self.advance(b, |i| level.strides[i]);
        });
    }

    /// Computes the `v`-th vector from the pointers on.
    fn vector(&self, b: &mut Builder, v: usize, level: Level) {
        let first = (v * b.target().lanes) as i64;
        let sources = b.vectors(self.pointers.len() - 1);
        for (i, &register) in sources.iter().enumerate() {
            let element = self.elements[i + 1];
            match level.strides[i + 1] {
                0 => element.broadcast(b, register, self.pointers[i + 1].at(0)),
                _ => element.load(b, register, self.pointers[i + 1].at(first * element.bytes())),
            }
            self.conversions.to_number(b, i, register);
        }
        let result = self.prepared.apply(b, &sources);
        let (element, dst) = (self.elements[0], self.pointers[0]);
        self.conversions.store(b, element, dst.at(first * element.bytes()), result);
        b.release(sources);
    }

    /// Computes the single element `index` from the pointers on.
    fn element(&self, b: &mut Builder, index: i64, level: Level) {
        let place = |i: usize| self.pointers[i].at(index * level.strides[i]);
        if let Prepared::Lookup(position) = self.prepared {
            b.lookup(place(0), place(1), self.pointers[2], position);
            return;
        }
        let sources = b.vectors(self.pointers.len() - 1);
        for (i, &register) in sources.iter().enumerate() {
            self.elements[i + 1].load_first(b, register, place(i + 1));
            self.conversions.to_number(b, i, register);
        }
        let result = self.prepared.apply(b, &sources);
        self.conversions.store_first(b, self.elements[0], place(0), result);
        b.release(sources);
    }

    /// Whether the results of two levels are packed, four vectors at a time: unsigned bytes that
    /// are consecutive, of a function that leaves enough registers.
    fn is_packed(&self, b: &Builder, level: Level, row: Level) -> bool {
        let lanes = b.target().lanes;
        let is_whole = |stride: i64, element: Element| stride == 0 || stride == element.bytes();
        let vectors = row.extent / lanes;
        b.target().packs()
            && self.conversions.quantizes()
            && self.elements[0] == Element::U8
            && self.prepared.is_simple()
            && row.extent.is_multiple_of(lanes)
            && matches!(vectors, 1 | 2 | PACKED)
            && level.extent * vectors >= PACKED
            && (row.strides[0], level.strides[0]) == (1, row.extent as i64)
            && (1..self.pointers.len()).all(|i| is_whole(row.strides[i], self.elements[i]))
    }

    /// Runs two levels, the inner of which is a few vectors, and advances the pointers past them.
    /// Sources that are the same in every row are loaded once.
    fn packed(&self, b: &mut Builder, level: Level, row: Level) {
        let vectors = row.extent / b.target().lanes;
        let rows = Rows { level, row, vectors };
        let kept: Vec<Vec<V>> = (1..self.pointers.len())
            .map(|i| match level.strides[i] == 0 && vectors < PACKED {
                true => (0..vectors).map(|v| self.loaded(b, rows, i, v)).collect(),
                false => Vec::new(),
            })
            .collect();
        let rows_at_once = PACKED / vectors;
        b.repeat(Count::Fixed((level.extent / rows_at_once) as u32), |b| {
            let results = [(); PACKED].map(|()| b.vector());
            for (v, &result) in results.iter().enumerate() {
                self.compute(b, rows, &kept, v, result);
                self.conversions.to_integer(b, result);
            }
            b.store_packed(self.pointers[0].at(0), results);
            b.release(results);
            self.advance(b, |i| level.strides[i] * rows_at_once as i64);
        });
        b.repeat(Count::Fixed((level.extent % rows_at_once) as u32), |b| {
            for v in 0..vectors {
                let result = b.vector();
                self.compute(b, rows, &kept, v, result);
                let dst = self.pointers[0].at(rows.offset(b, 0, v));
                self.conversions.store(b, self.elements[0], dst, result);
                b.release([result]);
            }
            self.advance(b, |i| level.strides[i]);
        });
        kept.into_iter().for_each(|kept| b.release(kept));
    }

    /// Loads the `v`-th vector of a source from its pointer on, as numbers.
    fn loaded(&self, b: &mut Builder, rows: Rows, source: usize, v: usize) -> V {
        let register = b.vector();
        self.load(b, rows, source, v, register);
        register
    }

    fn load(&self, b: &mut Builder, rows: Rows, source: usize, v: usize, register: V) {
        let place = self.pointers[source].at(rows.offset(b, source, v));
        match rows.row.strides[source] {
            0 => self.elements[source].broadcast(b, register, place),
            _ => self.elements[source].load(b, register, place),
        }
        self.conversions.to_number(b, source - 1, register);
    }

    /// Computes the `v`-th vector from the pointers on in a register.
    fn compute(&self, b: &mut Builder, rows: Rows, kept: &[Vec<V>], v: usize, result: V) {
        let (mut sources, mut others) = (Vec::new(), Vec::new());
        let mut is_free = true;
        for (i, kept) in kept.iter().enumerate() {
            sources.push(match kept.get(v % rows.vectors) {
                Some(&register) => register,
                None if is_free => {
                    is_free = false;
                    self.load(b, rows, i + 1, v, result);
                    result
                }
                None => {
                    let register = self.loaded(b, rows, i + 1, v);
                    others.push(register);
                    register
                }
            });
        }
        self.prepared.apply_to(b, result, &sources);
        b.release(others);
    }
}

/// How many vectors of bytes are packed and stored together.
const PACKED: usize = 4;

/// Two levels, the inner of which is this many vectors.
#[derive(Clone, Copy)]
struct Rows {
    level: Level,
    row: Level,
    vectors: usize,
}

impl Rows {
    /// The offset of a vector of an operand from the first one.
    fn offset(&self, b: &Builder, operand: usize, v: usize) -> i64 {
        let (row, inside) = (v / self.vectors, v % self.vectors * b.target().lanes);
        row as i64 * self.level.strides[operand] + inside as i64 * self.row.strides[operand]
    }
}
