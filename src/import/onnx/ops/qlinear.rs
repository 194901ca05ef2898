//! Operators on quantized values.

use resnetc_ir::op::{Activation, Binary, Gemm};
use resnetc_ir::{NodeId, Op};

use super::conv::convolution;
use super::matrix::product;
use super::pool::global_average;
use super::quantize::{aligned, centre, floats, parameter, store, type_of};
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};
use crate::import::onnx::literal::{Data, Literal};
use crate::import::onnx::proto::DataType;

/// Operand `i` without its zero point, operand `zero`, which is given along `axis` if it is a list.
fn centred(
    builder: &mut Builder,
    call: &Call<'_>,
    i: usize,
    zero: usize,
    axis: usize,
) -> Result<NodeId> {
    let value = call.required(i)?;
    if type_of(builder, value).is_none() {
        return Err(format!("operand {i} is no quantized value").into());
    }
    let rank = builder.shape(value).len();
    let zero = parameter(builder, call, zero, axis, rank)?;
    let x = floats(builder, call, value)?;
    centre(builder, call, x, zero)
}

/// The elements of a constant scale; and its shape.
fn scale(call: &Call<'_>, i: usize) -> Result<(Vec<usize>, Vec<f64>)> {
    let literal = call.known(i, "a scale")?.ok_or("a scale is missing")?;
    let Literal { shape, .. } = literal;
    match &literal.data {
        Data::Float(tensor) => {
            Ok((shape.clone(), tensor.data().iter().map(|&x| x.into()).collect()))
        }
        Data::Int(_) => Err("a scale must be a float".into()),
    }
}

/// A constant scale for a whole value.
fn single_scale(call: &Call<'_>, i: usize) -> Result<f64> {
    match scale(call, i)? {
        (_, numbers) if numbers.len() == 1 => Ok(numbers[0]),
        (shape, _) => {
            Err(format!("operand {i}, a scale, must be one number, not {shape:?}").into())
        }
    }
}

/// How many steps of the result one step of a product is: scales `a` and `b` over scale `y`. The result has `rank`
/// axes, and the numbers of `b`, if they are several, go along `axis`.
fn multiplier(
    builder: &mut Builder,
    call: &Call<'_>,
    [a, b, y]: [usize; 3],
    axis: usize,
    rank: usize,
) -> Result<NodeId> {
    let (shape, b) = scale(call, b)?;
    let (a, y) = (single_scale(call, a)?, single_scale(call, y)?);
    let shape = aligned(&shape, axis, rank)?;
    let data = b.iter().map(|b| (a * b / y) as f32).collect();
    let literal = Literal::floats(shape, data)?;
    builder.node(call.name(), &Value::Known(literal))
}

/// Integers with the zero point and the type of operand `zero`, from steps.
fn stored(
    builder: &mut Builder,
    call: &Call<'_>,
    steps: NodeId,
    zero: usize,
) -> Result<Vec<Value>> {
    let ty = match call.arg(zero) {
        None => Some(DataType::Uint8),
        Some(value) => type_of(builder, value),
    };
    let ty = ty.ok_or("the zero point of the result is no integer")?;
    let zero = parameter(builder, call, zero, 0, 0)?;
    Ok(vec![Value::Node(store(builder, call, steps, zero, ty)?)])
}

fn node(values: &[Value]) -> Result<NodeId> {
    match values {
        [Value::Node(node)] => Ok(*node),
        _ => Err("it has no result".into()),
    }
}

/// `QLinearConv`: the convolution of the integers, whose sums are as exact as those of floats.
pub(super) fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = centred(builder, call, 0, 2, 0)?;
    let weights = centred(builder, call, 3, 5, 0)?;
    let bias = match call.arg(8) {
        Some(bias) => Some(floats(builder, call, bias)?),
        None => None,
    };
    let sums = convolution(builder, call, [x, weights], bias)?;
    let sums = node(&sums)?;
    let rank = builder.shape_of(sums).len();
    let factor = multiplier(builder, call, [1, 4, 6], 1, rank)?;
    let steps = builder.binary(call, Binary::Mul, sums, factor)?;
    stored(builder, call, steps, 7)
}

/// `QLinearMatMul`.
pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (last_a, last_b) = (rank(builder, call, 0)?, rank(builder, call, 3)?);
    let a = centred(builder, call, 0, 2, last_a.saturating_sub(2))?;
    let b = centred(builder, call, 3, 5, last_b.saturating_sub(1))?;
    let product = product(builder, call, a, b)?;
    let rank = builder.shape_of(product).len();
    let factor = multiplier(builder, call, [1, 4, 6], rank.saturating_sub(1), rank)?;
    let steps = builder.binary(call, Binary::Mul, product, factor)?;
    stored(builder, call, steps, 7)
}

fn rank(builder: &Builder, call: &Call<'_>, i: usize) -> Result<usize> {
    Ok(builder.shape(call.required(i)?).len())
}

/// Marks a sum of products.
fn sums(builder: &mut Builder, sums: NodeId) -> Vec<Value> {
    builder.integers.insert(sums, DataType::Int32);
    vec![Value::Node(sums)]
}

/// `ConvInteger`: sums of products, without a scale.
pub(super) fn conv_integer(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = centred(builder, call, 0, 2, 0)?;
    let weights = centred(builder, call, 1, 3, 0)?;
    let result = convolution(builder, call, [x, weights], None)?;
    let result = node(&result)?;
    Ok(sums(builder, result))
}

/// `MatMulInteger`.
pub(super) fn matmul_integer(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (last_a, last_b) = (rank(builder, call, 0)?, rank(builder, call, 1)?);
    let a = centred(builder, call, 0, 2, last_a.saturating_sub(2))?;
    let b = centred(builder, call, 1, 3, last_b.saturating_sub(1))?;
    let result = product(builder, call, a, b)?;
    Ok(sums(builder, result))
}

/// Operands `i`, `i + 1` and `i + 2` as the value that they stand for.
fn real(builder: &mut Builder, call: &Call<'_>, i: usize) -> Result<NodeId> {
    let x = centred(builder, call, i, i + 2, 0)?;
    let scale = single_scale(call, i + 1)?;
    builder.with_number(call, Binary::Mul, x, scale as f32)
}

/// A value in steps of the scale, operand `i`, and with the zero point, operand `i + 1`.
fn quantized(builder: &mut Builder, call: &Call<'_>, x: NodeId, i: usize) -> Result<Vec<Value>> {
    let scale = single_scale(call, i)?;
    let steps = builder.with_number(call, Binary::Div, x, scale as f32)?;
    stored(builder, call, steps, i + 1)
}

/// ONNX Runtime's `QLinearAdd` and `QLinearMul`.
pub(super) fn binary(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (a, b) = (real(builder, call, 0)?, real(builder, call, 3)?);
    let op = if call.op() == "QLinearAdd" { Binary::Add } else { Binary::Mul };
    let result = builder.binary(call, op, a, b)?;
    quantized(builder, call, result, 6)
}

/// ONNX Runtime's `QLinearGlobalAveragePool`.
pub(super) fn global_average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if call.flag("channels_last", false)? {
        return bad("channels_last", "is not supported");
    }
    let x = real(builder, call, 0)?;
    let mean = global_average(builder, call, x)?;
    quantized(builder, call, mean, 3)
}

/// ONNX Runtime's `QGemm`: `alpha * (a * b + c)`, where `c` is in steps of the product. Without a scale for the result,
/// that is a float.
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
    let step = if call.arg(7).is_some() { single_scale(call, 7)? } else { 1.0 };
    let factors = scales.iter().map(|b| (real * b / step) as f32).collect();
    let factors = Literal::floats(aligned(&shape, 1, 2)?, factors)?;
    let factors = builder.node(call.name(), &Value::Known(factors))?;
    let steps = builder.binary(call, Binary::Mul, sums, factors)?;
    match call.arg(7) {
        Some(_) => stored(builder, call, steps, 8),
        None => Ok(vec![Value::Node(steps)]),
    }
}
