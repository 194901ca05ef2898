//! Softmax along one axis.
//!
//! The kernel computes one row along the axis: the maximum, then the exponentials and their sum,
//! then the quotients. Maximum and sum use broadcast elements, so that no reduction across lanes is
//! needed; only the exponentials, which are most of the work, run on whole vectors if the elements
//! are consecutive.

use resnetc_ir::ty::Layout;

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::elementary::Exp;
use super::geometry::{F32, Place};
use super::sink::{Levels, Pointer, Sink};

/// Everything that determines the code. Arguments: source, result; both with the same stride
/// between elements.
#[derive(Clone, Debug)]
struct Row {
    extent: usize,
    src: i64,
    dst: i64,
}

/// Lowers a softmax: along axis 1 of a blocked matrix, or along any axis of a planar value.
///
/// # Errors
/// If the kernel does not fit the machine's registers.
pub fn lower(
    axis: usize,
    src: &Place,
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let shape = &src.geometry.ty.shape;
    let strides = |place: &Place| match place.geometry.ty.layout {
        // A row of a blocked matrix is consecutive.
        Layout::Blocked => vec![place.geometry.strides().image, F32],
        Layout::Planar => place.geometry.planar_strides(),
    };
    let (s, d) = (strides(src), strides(dst));
    let row = Row { extent: shape[axis], src: s[axis], dst: d[axis] };
    let name = format!("softmax {shape:?} axis {axis}");
    let target = sink.machine.target;
    let kernel = sink.program(&name, format!("softmax {row:?}"), |n| row.program(n, target))?;
    let mut levels =
        Levels::new([Pointer::new(src.base, src.origin()), Pointer::new(dst.base, dst.origin())]);
    let mut others = (0..shape.len()).filter(|&a| a != axis);
    if let Some(first) = others.next() {
        levels.chunk(shape[first], [s[first], d[first]]);
    }
    for a in others {
        levels.inner(Extent::Fixed(shape[a] as u32), [s[a], d[a]]);
    }
    Ok(vec![levels.piece(kernel, &[])])
}

impl Row {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let max = b.vector();
        b.constant(max, f32::NEG_INFINITY);
        self.each(&mut b, src, self.src, |b, value| b.arith(Arith::MaxNan, max, max, value));
        self.exponentials(&mut b, src, dst, max);
        let sum = max;
        b.constant(sum, 0.0);
        self.each(&mut b, dst, self.dst, |b, value| b.arith(Arith::Add, sum, sum, value));
        self.map(&mut b, dst, dst, self.dst, |b, value| b.arith(Arith::Div, value, value, sum));
        b.finish()
    }

    fn exponentials(&self, b: &mut Builder, src: P, dst: P, max: V) {
        let exp = Exp::new(b);
        self.map(b, src, dst, self.src, |b, value| {
            b.arith(Arith::Sub, value, value, max);
            exp.apply(b, value);
        });
        exp.release(b);
    }

    /// Calls `f` with every element in turn, in all lanes.
    fn each(&self, b: &mut Builder, from: P, stride: i64, f: impl Fn(&mut Builder, V)) {
        let at = b.pointer(from);
        let value = b.vector();
        b.repeat(Count::Fixed(self.extent as u32), |b| {
            b.broadcast(value, at.at(0));
            f(b, value);
            b.advance(at, stride);
        });
        b.release([value]);
        b.release_pointer(at);
    }

    /// Writes `f` of every element, on whole vectors if the elements are consecutive.
    fn map(&self, b: &mut Builder, from: P, to: P, stride: i64, f: impl Fn(&mut Builder, V)) {
        let (src, dst) = (b.pointer(from), b.pointer(to));
        let value = b.vector();
        let lanes = match (stride, self.dst) {
            (F32, F32) => b.target().lanes,
            _ => 1,
        };
        let (vectors, tail) =
            if lanes == 1 { (0, self.extent) } else { (self.extent / lanes, self.extent % lanes) };
        b.repeat(Count::Fixed(vectors as u32), |b| {
            b.load(value, src.at(0));
            f(b, value);
            b.store(dst.at(0), value);
            b.advance(src, lanes as i64 * F32);
            b.advance(dst, lanes as i64 * F32);
        });
        b.repeat(Count::Fixed(tail as u32), |b| {
            b.broadcast(value, src.at(0));
            f(b, value);
            b.store_first(dst.at(0), value);
            b.advance(src, stride);
            b.advance(dst, self.dst);
        });
        b.release([value]);
        b.release_pointer(src);
        b.release_pointer(dst);
    }
}
