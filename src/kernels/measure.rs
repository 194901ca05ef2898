//! The scale and the zero point for the range of a value, in one pass over its memory.
//!
//! Chunks find the least and the greatest element of a part of the value, lane by lane, and whether
//! any is NaN. A second region combines them. All of this is exact, so the result does not depend
//! on how the value is cut.

use resnetc_ir::op::Activation;
use resnetc_ir::quantized::LEAST_STEP;

use crate::codegen::region::{Base, Extent, Piece};
use crate::codegen::vir::{
    Arith, Builder, Count, Distance, Inst, Mem, OverBudget, P, Program, Target, V,
};

use super::KernelError;
use super::epilogue::activate;
use super::geometry::{F32, Place};
use super::loops::{Loops, collapse};
use super::sink::{ARENA, Levels, Pointer, Sink};
use super::steps::number;
use super::view::{View, loops};

/// The most parts into which a value is cut. It does not depend on the machine, because it
/// determines the scratch memory.
const MOST_PARTS: usize = 64;

/// The least elements of a part.
const LEAST_ELEMENTS: usize = 16 * 1024;

/// Elements of a run, where elements are consecutive.
const RUN: usize = 4096;

/// Bytes of a vector in the scratch memory.
const VECTOR: i64 = 64;

/// Bytes of what is known of a part: greatest elements, least elements, all bits set where no
/// element is NaN.
const PART: i64 = 3 * VECTOR;

/// Scratch memory of a step that measures a value of this shape, in bytes: for the parts of whole
/// blocks of channels and of the last one, and for rests of both.
pub fn scratch_bytes(shape: &[usize]) -> usize {
    2 * (parts(shape.iter().product()) + 1) * PART as usize
}

/// Into how many parts so many elements are cut.
fn parts(elements: usize) -> usize {
    elements.div_ceil(LEAST_ELEMENTS).clamp(1, MOST_PARTS)
}

/// Lowers the measurement of a value of f32 to two regions; `scratch` is the offset of the scratch
/// memory in the arena.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn lower(
    src: &Place,
    scratch: i64,
    dst: &Place,
    sink: &mut Sink,
) -> Result<[Vec<Piece>; 2], KernelError> {
    let shape = &src.geometry.ty.shape;
    let target = sink.machine.target;
    let mut found = Vec::new();
    let mut place = scratch;
    for area in loops(shape, &[View::whole(src)]).into_iter().flat_map(areas) {
        let Area { start: (base, start), total, step, levels, .. } = &area;
        let search = Search { target, step: *step, levels: levels.clone() };
        let kernel = sink.program("measure parts", format!("{search:?}"), |n| search.program(n))?;
        let per = total.div_ceil(parts(area.elements()));
        let chunks = total.div_ceil(per);
        let mut levels = Levels::new([Pointer::new(*base, *start), Pointer::new(ARENA, place)]);
        let level = levels.chunk(chunks, [step * per as i64, PART]);
        let extent = match total % per {
            0 => Extent::Fixed(per as u32),
            _ => Extent::Rest { level, per: per as u32, total: *total as u32 },
        };
        found.push(levels.piece(kernel, &[extent]));
        place += chunks as i64 * PART;
    }
    let combine = Combine { target, parts: ((place - scratch) / PART) as usize };
    let kernel = sink.program("measure", format!("{combine:?}"), |n| combine.program(n))?;
    let levels = Levels::new([Pointer::new(ARENA, scratch), Pointer::new(dst.base, dst.origin())]);
    Ok([found, vec![levels.piece(kernel, &[])]])
}

/// A number of iterations, and bytes from one to the next.
type Loop = (usize, i64);

/// Elements in a regular order.
struct Area {
    /// Where the first one is.
    start: (Base, i64),
    /// The outermost loop, which is cut into chunks: iterations, and bytes from one to the next.
    total: usize,
    step: i64,
    /// The loops inside; the last one is over consecutive elements.
    levels: Vec<Loop>,
}

impl Area {
    fn elements(&self) -> usize {
        self.total * self.levels.iter().map(|l| l.0).product::<usize>()
    }
}

/// The areas of loops over one operand: a long run is cut into runs and a rest.
fn areas(loops: Loops) -> Vec<Area> {
    let Some(&start) = loops.starts.first() else { return Vec::new() };
    let loops = collapse(loops.levels).into_iter().map(|l| (l.extent, l.strides[0]));
    let mut loops: Vec<Loop> = loops.collect();
    if let [(extent, F32)] = loops[..] {
        let (runs, rest) = (extent / RUN, extent % RUN);
        let area = |runs: usize, run: usize, before: usize| Area {
            start: (start.0, start.1 + before as i64 * F32),
            total: runs,
            step: run as i64 * F32,
            levels: vec![(run, F32)],
        };
        let all = [area(runs, RUN, 0), area(1, rest, runs * RUN)];
        return all.into_iter().filter(|area| area.elements() > 0).collect();
    }
    if loops.last().is_some_and(|l| l.1 != F32) {
        loops.push((1, F32));
    }
    let (total, step) = loops.remove(0);
    vec![Area { start, total, step, levels: loops }]
}

/// The search in a part. Everything that determines the code.
#[derive(Clone, Debug)]
struct Search {
    target: Target,
    /// Bytes from one iteration of the outermost loop to the next.
    step: i64,
    /// The loops inside.
    levels: Vec<Loop>,
}

/// How far the outermost of some loops advances.
fn moved(loops: &[Loop]) -> i64 {
    loops.first().map_or(0, |l| l.0 as i64 * l.1)
}

/// Vectors that are compared at a time.
const TOGETHER: usize = 4;

/// Registers of what is known of a part.
#[derive(Clone, Copy)]
struct Known {
    greatest: V,
    least: V,
    numbers: V,
}

impl Known {
    fn new(b: &mut Builder) -> Self {
        let [greatest, least] = [number(b, 0.0), number(b, 0.0)];
        Known { greatest, least, numbers: number(b, f32::from_bits(u32::MAX)) }
    }

    /// Combines it with another one.
    fn join(self, b: &mut Builder, other: Known) {
        b.arith(Arith::Max, self.greatest, other.greatest, self.greatest);
        b.arith(Arith::Min, self.least, other.least, self.least);
        b.arith(Arith::And, self.numbers, self.numbers, other.numbers);
    }

    fn registers(self) -> [V; 3] {
        [self.greatest, self.least, self.numbers]
    }

    /// The registers, and where they are kept in memory.
    fn kept(self, part: P) -> [(V, Mem); 3] {
        let places = [0, 1, 2].map(|i| part.at(i * VECTOR));
        let [a, b, c] = self.registers();
        [(a, places[0]), (b, places[1]), (c, places[2])]
    }
}

impl Search {
    /// Arguments: the first element, the place of what is found, how many times the loops run.
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst, count) = (b.arg(0), b.arg(1), b.arg(2));
        let known = [(); TOGETHER].map(|()| Known::new(&mut b));
        let value = b.vector();
        b.repeat(Count::Register(count), |b| {
            self.level(b, &self.levels, (src, value), &known);
            b.advance(src, self.step - moved(&self.levels));
        });
        let [first, others @ ..] = known;
        others.into_iter().for_each(|other| first.join(&mut b, other));
        first.kept(dst).into_iter().for_each(|(register, place)| b.store(place, register));
        b.finish()
    }

    /// Runs loops, and advances the pointer past the outermost one.
    fn level(&self, b: &mut Builder, levels: &[Loop], at: (P, V), known: &[Known]) {
        match levels {
            [] => {}
            [(extent, _)] => self.run(b, *extent, at, known),
            [(extent, stride), inner @ ..] => b.repeat(Count::Fixed(*extent as u32), |b| {
                self.level(b, inner, at, known);
                b.advance(at.0, stride - moved(inner));
            }),
        }
    }

    /// Consecutive elements. A rest is read by a vector that overlaps the one before it.
    fn run(&self, b: &mut Builder, extent: usize, (src, value): (P, V), known: &[Known]) {
        let (lanes, bytes) = (self.target.lanes, self.target.vector_bytes());
        let (vectors, rest) = (extent / lanes, extent % lanes);
        let (turns, more) = (vectors / TOGETHER, vectors % TOGETHER);
        let several = |b: &mut Builder, count: usize| {
            for (i, known) in known[..count].iter().enumerate() {
                b.load(value, src.at(i as i64 * bytes));
                known.see(b, value);
            }
            b.advance(src, count as i64 * bytes);
        };
        b.repeat(Count::Fixed(turns as u32), |b| several(b, TOGETHER));
        several(b, more);
        match vectors {
            0 => (0..rest as i64).for_each(|i| {
                b.broadcast(value, src.at(i * F32));
                known[0].see(b, value);
            }),
            _ if rest > 0 => {
                b.load(value, src.at(rest as i64 * F32 - bytes));
                known[0].see(b, value);
            }
            _ => {}
        }
        b.advance(src, rest as i64 * F32);
    }
}

impl Known {
    /// Sees elements, whose register is overwritten.
    fn see(self, b: &mut Builder, value: V) {
        // NaN leaves the other ones as they are.
        b.arith(Arith::Max, self.greatest, value, self.greatest);
        b.arith(Arith::Min, self.least, value, self.least);
        b.arith(Arith::Equal, value, value, value);
        b.arith(Arith::And, self.numbers, self.numbers, value);
    }
}

/// What follows from all parts: [`measured`](resnetc_ir::quantized::measured), step by step.
/// Everything that determines the code.
#[derive(Clone, Copy, Debug)]
struct Combine {
    target: Target,
    parts: usize,
}

impl Combine {
    /// Arguments: the first part, the result.
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (part, dst) = (b.arg(0), b.arg(1));
        let [all, other] = [(); 2].map(|()| Known::new(&mut b));
        b.repeat(Count::Fixed(self.parts as u32), |b| {
            other.kept(part).into_iter().for_each(|(register, place)| b.load(register, place));
            all.join(b, other);
            b.advance(part, PART);
        });
        for distance in Distance::ALL.into_iter().filter(|d| d.lanes() < self.target.lanes) {
            for (src, dst) in all.registers().into_iter().zip(other.registers()) {
                b.push(Inst::Exchange { dst, src, distance });
            }
            all.join(&mut b, other);
        }
        self.encoding(&mut b, all, dst);
        b.finish()
    }

    fn encoding(&self, b: &mut Builder, all: Known, dst: P) {
        let Known { greatest: above, least: below, numbers } = all;
        let [zero, one] = [number(b, 0.0), number(b, 1.0)];
        let [least, most] = [number(b, LEAST_STEP), number(b, 255.0)];
        b.arith(Arith::Sub, below, zero, below);
        let range = above;
        b.arith(Arith::Add, range, above, below);
        // All bits set are NaN.
        let nan = number(b, f32::from_bits(u32::MAX));
        b.arith(Arith::AndNot, nan, numbers, nan);
        b.arith(Arith::Or, range, range, nan);
        let is_empty = b.vector();
        b.arith(Arith::Less, is_empty, range, least);
        b.arith(Arith::And, is_empty, is_empty, one);
        let scale = range;
        b.arith(Arith::Div, scale, range, most);
        b.arith(Arith::MaxNan, scale, scale, least);
        b.arith(Arith::MaxNan, scale, scale, is_empty);
        b.store_first(dst.at(0), scale);
        b.arith(Arith::Div, below, below, scale);
        b.push(Inst::Round { dst: below, src: below });
        activate(b, Activation::Clip { lo: 0.0, hi: 255.0 }, &[below]);
        b.store_first(dst.at(F32), below);
    }
}
