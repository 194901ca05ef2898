//! The first elements along an axis in sorted order, and their indices.
//!
//! Element `r` of the result is the one that follows element `r - 1` in the order of all elements
//! along the axis, where equal elements are ordered by their index. So one pass over the axis finds
//! it, with only the previous element and the best one so far in registers. There is one pass for
//! each element of the result, and no element is moved.

use resnetc_ir::op::{TopK, TopPart};

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::geometry::{F32, Place};
use super::sink::{Levels, Pointer, Sink};

/// Everything that determines the code. Arguments: source, result.
#[derive(Clone, Debug)]
struct Line {
    top: TopK,
    /// Elements along the axis, and bytes from one to the next in the source and in the result.
    extent: usize,
    src: i64,
    dst: i64,
    /// Consecutive lines, which are computed together.
    run: usize,
}

/// Lowers the selection from a planar value of any rank.
///
/// # Errors
/// If the kernel does not fit the machine's registers.
pub fn lower(
    top: &TopK,
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &src.geometry.ty.shape;
    let (from, to) = (src.geometry.planar_strides(), dst.geometry.planar_strides());
    let mut others: Vec<usize> = (0..shape.len()).filter(|&axis| axis != top.axis).collect();
    // Lines of consecutive elements are computed together.
    let run = match others.last() {
        Some(&last) if last + 1 == shape.len() => {
            others.pop();
            shape[last]
        }
        _ => 1,
    };
    let (extent, axis) = (shape[top.axis], top.axis);
    let line = Line { top: *top, extent, src: from[axis], dst: to[axis], run };
    let name = format!("top {} of {shape:?} along {axis}", top.k);
    let target = sink.machine.target;
    let kernel = sink.program(&name, format!("{line:?}"), |n| line.program(n, target))?;
    let start = |place: &Place| Pointer::new(place.base, place.origin());
    let mut levels = Levels::new([start(src), start(dst)]);
    let mut others = others.into_iter();
    if let Some(first) = others.next() {
        levels.chunk(shape[first], [from[first], to[first]]);
    }
    for other in others {
        levels.inner(Extent::Fixed(shape[other] as u32), [from[other], to[other]]);
    }
    Ok(vec![levels.piece(kernel, &[])])
}

/// An element and its index.
#[derive(Clone, Copy)]
struct Item {
    value: V,
    index: V,
}

impl Item {
    fn new(b: &mut Builder) -> Self {
        Item { value: b.vector(), index: b.vector() }
    }

    fn set(self, b: &mut Builder, value: f32, index: f32) {
        b.constant(self.value, value);
        b.constant(self.index, index);
    }

    fn copy(self, b: &mut Builder, from: Item) {
        // A value or itself is the value.
        b.arith(Arith::Or, self.value, from.value, from.value);
        b.arith(Arith::Or, self.index, from.index, from.index);
    }

    /// Replaces the element by another where a mask is set.
    fn take(self, b: &mut Builder, mask: V, other: Item) {
        let taken = b.vector();
        for (own, other) in [(self.value, other.value), (self.index, other.index)] {
            b.arith(Arith::And, taken, mask, other);
            b.arith(Arith::AndNot, own, mask, own);
            b.arith(Arith::Or, own, own, taken);
        }
        b.release([taken]);
    }
}

impl Line {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let (vectors, tail) = (self.run / target.lanes, self.run % target.lanes);
        b.repeat(Count::Fixed(vectors as u32), |b| {
            self.lines(b, src, dst, true);
            b.advance(src, target.vector_bytes());
            b.advance(dst, target.vector_bytes());
        });
        b.repeat(Count::Fixed(tail as u32), |b| {
            self.lines(b, src, dst, false);
            b.advance(src, F32);
            b.advance(dst, F32);
        });
        b.finish()
    }

    /// One line per lane if `whole`, otherwise a single line in all lanes.
    fn lines(&self, b: &mut Builder, src: P, dst: P, whole: bool) {
        let [last, best, next] = [(); 3].map(|()| Item::new(b));
        let [one, every] = [(); 2].map(|()| b.vector());
        b.constant(one, 1.0);
        b.arith(Arith::Equal, every, one, one);
        // An element that precedes all others: NaN is the largest value, and no index is below 0.
        let (first, beyond) = match self.top.largest {
            true => (f32::NAN, f32::NEG_INFINITY),
            false => (f32::NEG_INFINITY, f32::NAN),
        };
        last.set(b, first, -1.0);
        let to = b.pointer(dst);
        b.repeat(Count::Fixed(self.top.k as u32), |b| {
            best.set(b, beyond, self.extent as f32);
            b.constant(next.index, 0.0);
            let at = b.pointer(src);
            b.repeat(Count::Fixed(self.extent as u32), |b| {
                match whole {
                    true => b.load(next.value, at.at(0)),
                    false => b.broadcast(next.value, at.at(0)),
                }
                let behind = self.precedes(b, last, next, every);
                let before = self.precedes(b, next, best, every);
                b.arith(Arith::And, behind, behind, before);
                best.take(b, behind, next);
                b.release([behind, before]);
                b.arith(Arith::Add, next.index, next.index, one);
                b.advance(at, self.src);
            });
            b.release_pointer(at);
            let result = match self.top.part {
                TopPart::Values => best.value,
                TopPart::Indices => best.index,
            };
            match whole {
                true => b.store(to.at(0), result),
                false => b.store_first(to.at(0), result),
            }
            last.copy(b, best);
            b.advance(to, self.dst);
        });
        b.release_pointer(to);
        for Item { value, index } in [last, best, next] {
            b.release([value, index]);
        }
        b.release([one, every]);
    }

    /// Where one element precedes another: a mask in a new register.
    fn precedes(&self, b: &mut Builder, x: Item, y: Item, every: V) -> V {
        let (low, high) = match self.top.largest {
            true => (y.value, x.value),
            false => (x.value, y.value),
        };
        let [result, low_known, known, same] = [(); 4].map(|()| b.vector());
        // Less: a smaller number, or a number if the other is NaN.
        b.arith(Arith::Less, result, low, high);
        b.arith(Arith::Equal, low_known, low, low);
        b.arith(Arith::Equal, known, high, high);
        b.arith(Arith::AndNot, same, known, low_known);
        b.arith(Arith::Or, result, result, same);
        // Or equal, or both NaN, and with the smaller index.
        b.arith(Arith::Or, known, known, low_known);
        b.arith(Arith::AndNot, known, known, every);
        b.arith(Arith::Equal, same, low, high);
        b.arith(Arith::Or, same, same, known);
        b.arith(Arith::Less, known, x.index, y.index);
        b.arith(Arith::And, same, same, known);
        b.arith(Arith::Or, result, result, same);
        b.release([low_known, known, same]);
        result
    }
}
