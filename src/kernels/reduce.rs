//! Means and maxima over whole axes.
//!
//! Sums are taken level by level (first along a row, then the row sums), which keeps the rounding
//! error of a large plane near that of its longest axis.

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Arith, Builder, Count, Integer, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::conversions::{Constants, Conversions, Prepared};
use super::element::Element;
use super::geometry::Place;
use super::sink::{Levels, Pointer, Sink};

/// What errors call these kernels.
const KERNEL: &str = "reduction";

/// A loop of the reduction or of the kept elements: the number of iterations, and the stride in the
/// source in bytes.
type Loop = (usize, i64);

/// How the elements are reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Their mean.
    Mean,
    /// Their maximum; NaN always wins.
    Max,
}

/// Everything that determines the code. Arguments: source, result.
#[derive(Clone, Debug)]
struct Reduction {
    kind: Kind,
    /// Reduced levels, outermost first.
    reduced: Vec<Loop>,
    /// Consecutive elements computed by one call, in the source and in the result.
    run: usize,
    /// Of source and result.
    elements: [Element; 2],
    conversions: Conversions,
}

/// Lowers the mean over height and width of a blocked image.
///
/// # Errors
/// If the kernel does not fit the machine's registers.
pub fn global_average(
    conversions: Conversions,
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let [n, c, h, w] = src.geometry.nchw();
    let (s, d) = (src.geometry.strides(), dst.geometry.strides());
    let reduced = vec![(h, s.row), (w, s.pixel)];
    let elements = [Element::stored(KERNEL, src)?, Element::stored(KERNEL, dst)?];
    let mean = Reduction { kind: Kind::Mean, reduced, run: s.block, elements, conversions };
    let name = format!("global_average_pool n{n} c{c} h{h} w{w}");
    let target = sink.machine.target;
    let kernel = sink.program(&name, format!("{mean:?}"), |n| mean.program(n, target))?;
    let start = |place: &Place| Pointer::new(place.base, place.origin());
    let mut levels = Levels::new([start(src), start(dst)]);
    levels.chunk(n, [s.image, d.image]);
    let planes = levels.split(c.div_ceil(s.block), sink.machine.parts(), [s.plane, d.plane]);
    levels.rest(planes);
    Ok(vec![levels.piece(kernel, &[])])
}

/// Lowers a reduction over `axes` of a planar value of any rank.
///
/// # Errors
/// If the kernel does not fit the machine's registers.
pub fn over(
    (kind, conversions): (Kind, Conversions),
    axes: &[usize],
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &src.geometry.ty.shape;
    let strides = src.geometry.planar_strides();
    let reduced: Vec<Loop> = axes.iter().map(|&a| (shape[a], strides[a])).collect();
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    // The result is dense and row-major over the kept axes.
    let extents: Vec<usize> = kept.iter().map(|&a| shape[a]).collect();
    let to = super::geometry::row_major(&extents, dst.geometry.ty.dtype);
    // Consecutive elements are computed together if the last axis is kept.
    let run_axis = kept.last().filter(|&&a| a + 1 == shape.len());
    let run = run_axis.map_or(1, |&a| shape[a]);
    let outer = kept.len() - usize::from(run_axis.is_some());
    let elements = [Element::stored(KERNEL, src)?, Element::stored(KERNEL, dst)?];
    let reduction = Reduction { kind, reduced, run, elements, conversions };
    let name = format!("reduce {kind:?} {shape:?} over {axes:?}");
    let target = sink.machine.target;
    let kernel = sink.program(&name, format!("{reduction:?}"), |n| reduction.program(n, target))?;
    let mut levels =
        Levels::new([Pointer::new(src.base, src.origin()), Pointer::new(dst.base, dst.origin())]);
    let step = |i: usize| [strides[kept[i]], to[i]];
    if outer > 0 {
        levels.chunk(extents[0], step(0));
    }
    for (i, &extent) in extents.iter().enumerate().take(outer).skip(1) {
        levels.inner(Extent::Fixed(extent as u32), step(i));
    }
    Ok(vec![levels.piece(kernel, &[])])
}

impl Reduction {
    fn count(&self) -> f32 {
        self.reduced.iter().map(|l| l.0).product::<usize>() as f32
    }

    /// The zero point of bytes that stand for numbers of steps, if all their sums are 32-bit
    /// integers.
    fn integers(&self) -> Option<i32> {
        const MOST: f32 = (i32::MAX / 512) as f32;
        let from = self.conversions.from[0].filter(|from| from.scale == 1.0)?;
        (self.kind == Kind::Mean && self.count() <= MOST).then_some(from.zero)
    }

    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let divisor = (self.kind == Kind::Mean).then(|| b.vector());
        divisor.into_iter().for_each(|d| b.constant(d, self.count()));
        let conversions = self.conversions.prepare(&mut b, Constants::Kept);
        let emit = Emit { reduction: self, divisor, conversions, integers: self.integers() };
        let (src, dst) = (b.arg(0), b.arg(1));
        let (vectors, tail) = (self.run / target.lanes, self.run % target.lanes);
        for (count, lanes) in [(vectors, target.lanes), (tail, 1)] {
            b.repeat(Count::Fixed(count as u32), |b| {
                emit.element(b, lanes > 1);
                for (pointer, element) in [src, dst].into_iter().zip(self.elements) {
                    b.advance(pointer, lanes as i64 * element.bytes());
                }
            });
        }
        b.finish()
    }
}

/// The code of a reduction, with constants in registers.
struct Emit<'a> {
    reduction: &'a Reduction,
    divisor: Option<V>,
    conversions: Prepared,
    /// The zero point of bytes whose sums are taken in integers.
    integers: Option<i32>,
}

impl Emit<'_> {
    /// Computes a whole vector, or its first lane.
    fn element(&self, b: &mut Builder, whole: bool) {
        let at = b.pointer(b.arg(0));
        let result = self.reduce(b, &self.reduction.reduced, at, whole);
        b.release_pointer(at);
        if let Some(zero) = self.integers {
            let zeros = b.vector();
            b.bits(zeros, (zero * self.reduction.count() as i32) as u32);
            b.integer(Integer::Sub, result, result, zeros);
            b.from_integer(result, result);
            b.release([zeros]);
        }
        self.divisor.into_iter().for_each(|d| b.arith(Arith::Div, result, result, d));
        let ([_, to], dst) = (self.reduction.elements, b.arg(1).at(0));
        match whole {
            true => self.conversions.store(b, to, dst, result),
            false => self.conversions.store_first(b, to, dst, result),
        }
        b.release([result]);
    }

    /// The reduction of the elements of all loops, in a new register. Advances `at` past what it
    /// read.
    fn reduce(&self, b: &mut Builder, loops: &[Loop], at: P, whole: bool) -> V {
        let value = b.vector();
        let Some((&(extent, stride), inner)) = loops.split_first() else {
            let [from, _] = self.reduction.elements;
            if self.integers.is_some() {
                match whole {
                    true => b.load_bytes(value, at.at(0), from == Element::I8),
                    false => b.load_byte(value, at.at(0), from == Element::I8),
                }
                return value;
            }
            match whole {
                true => from.load(b, value, at.at(0)),
                false => from.load_first(b, value, at.at(0)),
            }
            self.conversions.to_number(b, 0, value);
            return value;
        };
        let (start, op) = match self.reduction.kind {
            Kind::Mean => (0.0, Arith::Add),
            Kind::Max => (f32::NEG_INFINITY, Arith::MaxNan),
        };
        b.constant(value, start);
        let moved = inner.first().map_or(0, |l| l.0 as i64 * l.1);
        b.repeat(Count::Fixed(extent as u32), |b| {
            let part = self.reduce(b, inner, at, whole);
            match self.integers {
                Some(_) => b.integer(Integer::Add, value, value, part),
                None => b.arith(op, value, value, part),
            }
            b.release([part]);
            b.advance(at, stride - moved);
        });
        value
    }
}
