//! One function of up to three operands inside loops: element-wise operators and data movement.

use crate::codegen::region::Piece;
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::conversions::{self, Conversions};
use super::element::Element;
use super::function::{Function, Prepared};
use super::loops::{self, Kernel, Level, Loops, OPERANDS};
use super::sink::Sink;

/// A loop nest, outermost level first.
#[derive(Clone, Debug)]
pub struct Nest {
    /// What is computed.
    pub function: Function,
    /// The loops; they have as many operands as the function reads, and the result.
    pub loops: Loops,
    /// The elements of each operand.
    pub elements: [Element; OPERANDS],
    /// How they become numbers, and numbers elements of the result.
    pub conversions: Conversions,
}

impl Nest {
    /// A nest of f32.
    pub fn new(function: Function, loops: Loops) -> Self {
        Nest { function, loops, elements: Default::default(), conversions: Conversions::default() }
    }

    /// Lowers the nest; nothing if it has no elements.
    ///
    /// # Errors
    /// If the kernel does not fit the machine's registers.
    pub fn lower(self, name: &str, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
        self.loops.clone().lower(name, &self, sink)
    }
}

impl Kernel for Nest {
    fn form(&self, operands: usize, levels: &[Level]) -> String {
        let Nest { function, elements, conversions, .. } = self;
        let (elements, levels) = (&elements[..operands], levels.iter().map(|l| l.form(operands)));
        let levels: Vec<_> = levels.collect();
        format!("nest {operands} {function:?} {levels:?} {elements:?} {conversions:?}")
    }

    fn program(
        &self,
        name: String,
        target: Target,
        operands: usize,
        levels: &[Level],
    ) -> Result<Program, OverBudget> {
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
            [level, inner @ ..] => {
                loops::repeat(b, &self.pointers, *level, inner, |b| self.level(b, inner));
            }
            [] => {}
        }
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
                    loops::advance(b, &self.pointers, |i| level.strides[i] * step as i64);
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
            loops::advance(b, &self.pointers, |i| step(i, UNROLL * lanes));
        });
        (0..vectors % UNROLL).for_each(|v| self.vector(b, v, level));
        loops::advance(b, &self.pointers, |i| step(i, vectors % UNROLL * lanes));
        b.repeat(Count::Fixed(tail as u32), |b| {
            self.element(b, 0, level);
            loops::advance(b, &self.pointers, |i| level.strides[i]);
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
            loops::advance(b, &self.pointers, |i| level.strides[i] * rows_at_once as i64);
        });
        b.repeat(Count::Fixed((level.extent % rows_at_once) as u32), |b| {
            for v in 0..vectors {
                let result = b.vector();
                self.compute(b, rows, &kept, v, result);
                let dst = self.pointers[0].at(rows.offset(b, 0, v));
                self.conversions.store(b, self.elements[0], dst, result);
                b.release([result]);
            }
            loops::advance(b, &self.pointers, |i| level.strides[i]);
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
