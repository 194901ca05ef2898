//! Products of quantized matrices.

use resnetc_ir::op::{Activation, Binary, Gemm};
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::ops::matrix::product;
use crate::import::onnx::ops::qlinear::{centred, scale, single_scale, stored};
use crate::import::onnx::ops::quantize::{aligned, dynamic_steps, floats, parameter};
use crate::import::onnx::ops::scales::Factors;

/// `QGemm`: `alpha * (a * b + c)`, where `c` is in units of the product's scale. Without a scale
/// for the result, the result is a float.
pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (transpose_a, transpose_b) = (call.flag("transA", false)?, call.flag("transB", false)?);
    let a = centred(builder, call, 0, 2, usize::from(transpose_a))?;
    let b = centred(builder, call, 3, 5, usize::from(!transpose_b))?;
    let c = match call.arg(6) {
        Some(c) => Some(floats(builder, call, c)?),
        None => None,
    };
    let gemm = Gemm {
        alpha: 1.0,
        beta: 1.0,
        transpose_a,
        transpose_b,
        bias: c.is_some(),
        activation: Activation::None,
    };
    let operands: Vec<NodeId> = [a, b].into_iter().chain(c).collect();
    let sums = builder.add(call, Op::Gemm(gemm), &operands)?;
    let alpha = f64::from(call.finite_or("alpha", 1.0)?);
    let real = alpha * single_scale(call, 1)?;
    let (shape, scales) = scale(call, 4)?;
    let result = builder.shape_of(sums).to_vec();
    let step = if call.arg(7).is_some() { single_scale(call, 7)? } else { 1.0 };
    let factors = scales.iter().map(|b| (real * b / step) as f32).collect();
    let factors = Factors::new(builder, call, aligned(&shape, 1, &result)?, factors)?;
    let steps = factors.multiply(builder, call, sums)?;
    match call.arg(7) {
        Some(_) => Ok(vec![Value::Node(stored(builder, call, steps, [8, 0])?)]),
        None => Ok(vec![Value::Node(steps.value)]),
    }
}

/// `DynamicQuantizeMatMul`: the left matrix is quantized by its own minimum and maximum.
pub(super) fn dynamic_matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let [q, scale, zero] = dynamic_steps(builder, call, x)?;
    let a = builder.binary(call, Binary::Sub, q, zero)?;
    let b = columns(builder, call, 1, 3)?;
    let sums = product(builder, call, a, b)?;
    let shape = builder.shape_of(sums).to_vec();
    let factors = parameter(builder, call, 2, (shape.len().saturating_sub(1), &shape))?;
    let factors = factors.ok_or("the scale of operand 1 is missing")?;
    let factors = builder.node(call.name(), &factors)?;
    let factors = builder.binary(call, Binary::Mul, factors, scale)?;
    scaled(builder, call, sums, factors, 4)
}

/// `MatMulIntegerToFloat`: the product of the real values of two integer matrices.
pub(super) fn matmul_to_float(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let rows = builder.shape(call.required(0)?).len();
    let a = centred(builder, call, 0, 4, rows.saturating_sub(2))?;
    let b = columns(builder, call, 1, 5)?;
    let sums = product(builder, call, a, b)?;
    let shape = builder.shape_of(sums).to_vec();
    let left = parameter(builder, call, 2, (shape.len().saturating_sub(2), &shape))?;
    let right = parameter(builder, call, 3, (shape.len().saturating_sub(1), &shape))?;
    let (Some(left), Some(right)) = (left, right) else { return Err("a scale is missing".into()) };
    let (left, right) = (builder.node(call.name(), &left)?, builder.node(call.name(), &right)?);
    let factors = builder.binary(call, Binary::Mul, left, right)?;
    scaled(builder, call, sums, factors, 6)
}

/// The right matrix, operand `i`, without its zero point, operand `zero`, which may differ by
/// column.
fn columns(builder: &mut Builder, call: &Call<'_>, i: usize, zero: usize) -> Result<NodeId> {
    let rank = builder.shape(call.required(i)?).len();
    centred(builder, call, i, zero, rank.saturating_sub(1))
}

/// `sums * factors`, plus the bias, operand `bias`, if there is one.
fn scaled(
    builder: &mut Builder,
    call: &Call<'_>,
    sums: NodeId,
    factors: NodeId,
    bias: usize,
) -> Result<Vec<Value>> {
    let y = builder.binary(call, Binary::Mul, sums, factors)?;
    match builder.optional(call, bias)? {
        Some(bias) => builder.finish(call, Op::Binary(Binary::Add), &[y, bias]),
        None => Ok(vec![Value::Node(y)]),
    }
}
