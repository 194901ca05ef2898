//! The standard's operators on quantized values, and what they share with ONNX Runtime's.

use resnetc_ir::NodeId;
use resnetc_ir::memory::collected;

use super::conv::convolution;
use super::matrix::product;
use super::quantize::{STORED, aligned, centre, check_zero, floats, parameter, store, type_of};
use super::scales::{Factors, Steps};
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::literal::{Data, Literal};
use crate::import::onnx::proto::DataType;

/// Operand `i` minus its zero point, operand `zero`, which is along `axis` if it is a list.
pub(super) fn centred(
    builder: &mut Builder,
    call: &Call<'_>,
    i: usize,
    zero: usize,
    axis: usize,
) -> Result<NodeId> {
    let value = call.required(i)?;
    let Some(elements) = type_of(builder, value).filter(|ty| STORED.contains(ty)) else {
        return Err(format!("operand {i} is not a quantized value of 8 or 16 bits").into());
    };
    let of_zero = call.arg(zero).and_then(|zero| type_of(builder, zero));
    if of_zero.is_some_and(|ty| ty != elements) {
        let reason = format!("the zero point of operand {i} has another type, not {elements:?}");
        return Err(reason.into());
    }
    let shape = builder.shape(value);
    let zero = parameter(builder, call, zero, (axis, &shape))?;
    let x = floats(builder, call, value)?;
    centre(builder, call, x, zero)
}

/// The shape and the elements of a constant scale.
pub(super) fn scale(call: &Call<'_>, i: usize) -> Result<(Vec<usize>, Vec<f64>)> {
    let literal = call.known(i, "a scale")?.ok_or("a scale is missing")?;
    let Literal { shape, .. } = literal;
    match &literal.data {
        Data::Float(tensor) => Ok((shape.clone(), tensor.try_numbers()?)),
        Data::Int(_) | Data::Bytes(_) => Err("a scale must be a float".into()),
    }
}

/// A constant scale for a whole value.
pub(super) fn single_scale(call: &Call<'_>, i: usize) -> Result<f64> {
    match scale(call, i)? {
        (_, numbers) if numbers.len() == 1 => Ok(numbers[0]),
        (shape, _) => {
            Err(format!("operand {i}, a scale, must be one number, not {shape:?}").into())
        }
    }
}

/// The factor from steps of a product to steps of the result: `a * b / y`, where the arguments name
/// operands that are scales. If `b` is a list, it is along `axis` of the result.
fn multiplier(
    builder: &mut Builder,
    call: &Call<'_>,
    [a, b, y]: [usize; 3],
    (axis, result): (usize, &[usize]),
) -> Result<Factors> {
    let (shape, b) = scale(call, b)?;
    let (a, y) = (single_scale(call, a)?, single_scale(call, y)?);
    let shape = aligned(&shape, axis, result)?;
    let factors = collected(b.iter().map(|b| (a * b / y) as f32))?;
    Factors::new(builder, call, shape, factors)
}

/// Integers with the zero point of operand `zero`, from a value in steps of the result's scale.
/// They have the type of that zero point, or of operand `like` if it is left out.
pub(super) fn stored(
    builder: &mut Builder,
    call: &Call<'_>,
    steps: Steps,
    [zero, like]: [usize; 2],
) -> Result<NodeId> {
    let of = |i: usize| call.arg(i).map(|value| type_of(builder, value));
    let ty = of(zero).or_else(|| of(like)).flatten();
    let ty = ty.ok_or("the zero point of the result is not an integer")?;
    let zero = parameter(builder, call, zero, (0, &[]))?;
    store(builder, call, steps, zero, ty)
}

/// `QLinearConv`: the convolution of the integers held as floats, with float sums.
pub(super) fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = centred(builder, call, 0, 2, 0)?;
    let steps = conv_steps(builder, call, x)?;
    Ok(vec![Value::Node(stored(builder, call, steps, [7, 0])?)])
}

/// The result of `QLinearConv` before rounding, from its operand minus the zero point.
pub(super) fn conv_steps(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<Steps> {
    let weights = centred(builder, call, 3, 5, 0)?;
    let bias = match call.arg(8) {
        Some(bias) => Some(floats(builder, call, bias)?),
        None => None,
    };
    let sums = convolution(builder, call, [x, weights], bias)?;
    check_zero(builder, call, [4, 5], None)?;
    let shape = builder.shape_of(sums).to_vec();
    let factor = multiplier(builder, call, [1, 4, 6], (1, &shape))?;
    factor.multiply(builder, call, sums)
}

/// `QLinearMatMul`.
pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (last_a, last_b) = (rank(builder, call, 0)?, rank(builder, call, 3)?);
    let a = centred(builder, call, 0, 2, last_a.saturating_sub(2))?;
    let b = centred(builder, call, 3, 5, last_b.saturating_sub(1))?;
    let product = product(builder, call, a, b)?;
    check_zero(builder, call, [4, 5], None)?;
    let shape = builder.shape_of(product).to_vec();
    let columns = shape.len().saturating_sub(1);
    let factor = multiplier(builder, call, [1, 4, 6], (columns, &shape))?;
    let steps = factor.multiply(builder, call, product)?;
    Ok(vec![Value::Node(stored(builder, call, steps, [7, 0])?)])
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
