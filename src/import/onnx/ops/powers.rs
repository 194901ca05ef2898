//! Powers, and norms composed of them.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::window::spatial_axes;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};

/// `Pow` with a run-time base or exponent. Exponents that amount to products, quotients or roots
/// become those; the rest stay powers.
pub(super) fn power(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.number(call, 0)?;
    let exponent = match call.required(1)? {
        Value::Known(exponent) if exponent.shape.len() <= builder.shape_of(x).len() => {
            exponent.scalar()
        }
        _ => None,
    };
    if let Some(exponent) = exponent {
        return Ok(vec![Value::Node(to_number(builder, call, x, exponent)?)]);
    }
    let exponent = builder.number(call, 1)?;
    builder.finish(call, Op::Binary(Binary::Pow), &[x, exponent])
}

/// A value to the power of a number.
fn to_number(builder: &mut Builder, call: &Call<'_>, x: NodeId, exponent: f64) -> Result<NodeId> {
    let magnitude = match exponent.abs() {
        0.5 => half(builder, call, x)?,
        1.0 => builder.add(call, Op::Identity, &[x])?,
        2.0 => builder.binary(call, Binary::Mul, x, x)?,
        3.0 => {
            let square = builder.binary(call, Binary::Mul, x, x)?;
            builder.binary(call, Binary::Mul, square, x)?
        }
        _ => return builder.with_number(call, Binary::Pow, x, exponent as f32),
    };
    if exponent > 0.0 {
        return Ok(magnitude);
    }
    let one = builder.scalar(call, 1.0);
    builder.binary(call, Binary::Div, one, magnitude)
}

/// A value to the power of 1/2: its square root, except for -0 and negative infinity.
fn half(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let root = builder.unary(call, Unary::Sqrt, x)?;
    let root = builder.unary(call, Unary::Abs, root)?;
    let is_least = builder.with_number(call, Binary::Equal, x, f32::NEG_INFINITY)?;
    let infinity = builder.scalar(call, f32::INFINITY);
    builder.add(call, Op::Where, &[is_least, infinity, root])
}

/// The exponent of a norm, at least 1: the norm is the root of the sum of magnitudes to this power.
#[derive(Clone, Copy)]
pub(super) struct Norm(f64);

impl Norm {
    /// Reads the attribute `p`, a number in early versions.
    pub(super) fn of(call: &Call<'_>) -> Result<Self> {
        match call.int_or("p", 2)? {
            p @ 1.. => Ok(Norm(p as f64)),
            p => bad("p", format!("is {p}; it must be at least 1")),
        }
    }

    /// The terms of the sum.
    pub(super) fn terms(self, builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
        if self.0 == 2.0 {
            return builder.binary(call, Binary::Mul, x, x);
        }
        let magnitudes = builder.unary(call, Unary::Abs, x)?;
        match self.0 {
            1.0 => Ok(magnitudes),
            p => to_number(builder, call, magnitudes, p),
        }
    }

    /// The norm of a sum.
    pub(super) fn root(
        self,
        builder: &mut Builder,
        call: &Call<'_>,
        sum: NodeId,
    ) -> Result<NodeId> {
        match self.0 {
            1.0 => Ok(sum),
            2.0 => builder.unary(call, Unary::Sqrt, sum),
            p => to_number(builder, call, sum, 1.0 / p),
        }
    }

    /// The norm over axes, which keep an extent of 1.
    fn over(
        self,
        builder: &mut Builder,
        call: &Call<'_>,
        x: NodeId,
        axes: Vec<usize>,
    ) -> Result<NodeId> {
        let shape = builder.shape_of(x);
        let count: usize = axes.iter().map(|&axis| shape[axis]).product();
        let terms = self.terms(builder, call, x)?;
        let mean = builder.add(call, Op::ReduceMean { axes, keep_dims: true }, &[terms])?;
        let sum = builder.with_number(call, Binary::Mul, mean, count as f32)?;
        self.root(builder, call, sum)
    }
}

/// `GlobalLpPool`: the norm of every channel.
pub(super) fn global_lp_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (norm, x) = (Norm::of(call)?, builder.operand(call, 0)?);
    let axes = spatial_axes(builder, x)?;
    Ok(vec![Value::Node(norm.over(builder, call, x, axes)?)])
}

/// `LpNormalization`: a value divided by its norm along an axis. Where the norm is 0, so is the
/// result.
pub(super) fn lp_normalization(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (norm, x) = (Norm::of(call)?, builder.operand(call, 0)?);
    let axis = axis_of(call.int_or("axis", -1)?, builder.shape_of(x).len())?;
    let length = norm.over(builder, call, x, vec![axis])?;
    let divisor = builder.with_number(call, Binary::Max, length, f32::MIN_POSITIVE)?;
    builder.finish(call, Op::Binary(Binary::Div), &[x, divisor])
}
