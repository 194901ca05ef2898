//! Dividing by scales, and scales by which nothing can be divided.
//!
//! A scale of 0 makes 0/0 of every 0. ONNX Runtime gives such a quotient the lowest integer of the
//! type, and so does [`store`](super::quantize::store). Dynamic quantization chooses its scale, and
//! chooses 1 for a value that is 0 everywhere.
//!
//! Denormals count as zero in compiled code, so a scale that is one would be a scale of 0. Instead,
//! it counts as [`LEAST_STEP`].

use resnetc_ir::memory::collected;
use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::quantized::LEAST_STEP;
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::literal::{Data, Literal};

/// A value in steps of a scale, before rounding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) value: NodeId,
    /// Whether an element may be 0/0.
    pub(super) undefined: bool,
}

impl Steps {
    /// Steps of a scale that is not 0.
    pub(super) fn defined(value: NodeId) -> Self {
        Steps { value, undefined: false }
    }
}

/// A value in steps of a scale, which broadcasts to it.
pub(super) fn divide(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    scale: &Value,
) -> Result<Steps> {
    let (scale, undefined) = match scale {
        Value::Known(literal) => {
            let Data::Float(scales) = &literal.data else {
                return Err("a scale must be a float".into());
            };
            let undefined = scales.data().contains(&0.0);
            let scales = collected(scales.data().iter().copied().map(divisor))?;
            let literal = Literal::floats(literal.shape.clone(), scales)?;
            (builder.node(call.name(), &Value::Known(literal))?, undefined)
        }
        // At run time a denormal cannot be distinguished from 0, so both count as 0.
        Value::Node(scale) => {
            let magnitude = builder.unary(call, Unary::Abs, *scale)?;
            let small = builder.with_number(call, Binary::Less, magnitude, f32::MIN_POSITIVE)?;
            let zero = builder.scalar(call, 0.0);
            (builder.add(call, Op::Where, &[small, zero, *scale])?, true)
        }
    };
    Ok(Steps { value: builder.binary(call, Binary::Div, x, scale)?, undefined })
}

/// A scale by which compiled code divides as if there were denormals.
fn divisor(scale: f32) -> f32 {
    match scale == 0.0 || scale.abs() >= LEAST_STEP || scale.is_nan() {
        true => scale,
        false => LEAST_STEP.copysign(scale),
    }
}

/// The scale of a dynamically quantized value with this range: 1 if the range is 0, otherwise at
/// least [`LEAST_STEP`].
pub(super) fn at_least(
    builder: &mut Builder,
    call: &Call<'_>,
    scale: NodeId,
    range: NodeId,
) -> Result<NodeId> {
    let scale = builder.with_number(call, Binary::Max, scale, LEAST_STEP)?;
    // 1 for a range of 0 or of two denormals, otherwise 0.
    let none = builder.with_number(call, Binary::Less, range, LEAST_STEP)?;
    builder.binary(call, Binary::Max, scale, none)
}

/// Constant factors from a sum of products to steps of a scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factors {
    node: NodeId,
    /// Whether one of them is not finite, because the scale is 0 or nearly so.
    infinite: bool,
}

impl Factors {
    pub(super) fn new(
        builder: &mut Builder,
        call: &Call<'_>,
        shape: Vec<usize>,
        factors: Vec<f32>,
    ) -> Result<Self> {
        let infinite = factors.iter().any(|x| !x.is_finite());
        let literal = Literal::floats(shape, factors)?;
        Ok(Factors { node: builder.node(call.name(), &Value::Known(literal))?, infinite })
    }

    pub(super) fn multiply(
        self,
        builder: &mut Builder,
        call: &Call<'_>,
        sums: NodeId,
    ) -> Result<Steps> {
        let value = builder.binary(call, Binary::Mul, sums, self.node)?;
        Ok(Steps { value, undefined: self.infinite })
    }
}
