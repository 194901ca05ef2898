//! ONNX Runtime's operators on quantized values: they are computed on dequantized values, and the
//! result is quantized.
//!
//! ONNX Runtime does the same with integers and lookup tables. Where a result falls midway between
//! two steps, rounding decides, and results may differ by one step.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::layout::Channels;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axes_of, axis_of, bad};
use crate::import::onnx::literal::Literal;
use crate::import::onnx::ops::activations::leaky;
use crate::import::onnx::ops::normalize::softmax_of;
use crate::import::onnx::ops::pool;
use crate::import::onnx::ops::qlinear::{centred, conv_steps, single_scale, stored};
use crate::import::onnx::ops::quantize::{floats, type_of};
use crate::import::onnx::ops::scales::{self, Steps};
use crate::import::onnx::proto::DataType;

/// Operands `i`, `i + 1` and `i + 2` (value, scale and zero point), dequantized.
fn real(builder: &mut Builder, call: &Call<'_>, i: usize) -> Result<NodeId> {
    let x = centred(builder, call, i, i + 2, 0)?;
    let scale = single_scale(call, i + 1)?;
    builder.with_number(call, Binary::Mul, x, scale as f32)
}

/// A value quantized with the scale in operand `i` and the zero point in operand `i + 1`. Without a
/// zero point it gets the type of operand `like`.
fn quantized(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    [i, like]: [usize; 2],
) -> Result<NodeId> {
    let scale = Value::Known(Literal::floats(vec![], vec![single_scale(call, i)? as f32])?);
    let steps = scales::divide(builder, call, x, &scale)?;
    stored(builder, call, steps, [i + 1, like])
}

/// A function of the first three operands, dequantized; the result is quantized with the next two.
fn function_of(
    builder: &mut Builder,
    call: &Call<'_>,
    function: impl FnOnce(&mut Builder, NodeId) -> Result<NodeId>,
) -> Result<Vec<Value>> {
    let x = real(builder, call, 0)?;
    let y = function(builder, x)?;
    Ok(vec![Value::Node(quantized(builder, call, y, [3, 0])?)])
}

/// `QLinearAdd` and `QLinearMul`.
pub(super) fn binary(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (a, b) = (real(builder, call, 0)?, real(builder, call, 3)?);
    let op = if call.op() == "QLinearAdd" { Binary::Add } else { Binary::Mul };
    let result = builder.binary(call, op, a, b)?;
    Ok(vec![Value::Node(quantized(builder, call, result, [6, 0])?)])
}

/// `QLinearSigmoid`.
pub(super) fn sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    function_of(builder, call, |builder, x| builder.unary(call, Unary::Sigmoid, x))
}

/// `QLinearLeakyRelu`.
pub(super) fn leaky_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let alpha = call.finite_or("alpha", 0.01)?;
    function_of(builder, call, |builder, x| leaky(builder, call, x, alpha))
}

/// `QLinearSoftmax`. The attribute `opset` is the version of the standard's softmax from which it
/// was made.
pub(super) fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let Some(version) = call.int("opset")? else { return bad("opset", "is missing") };
    function_of(builder, call, |builder, x| softmax_of(builder, call, x, version))
}

/// `QLinearReduceMean`.
pub(super) fn reduce_mean(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let keep_dims = call.flag("keepdims", true)?;
    function_of(builder, call, |builder, x| {
        let rank = builder.shape_of(x).len();
        let axes = match call.ints("axes")? {
            Some(axes) if !axes.is_empty() => axes_of(axes, rank)?,
            _ => (0..rank).collect(),
        };
        builder.add(call, Op::ReduceMean { axes, keep_dims }, &[x])
    })
}

/// `QLinearAveragePool` and `QLinearGlobalAveragePool`.
pub(super) fn average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let channels = Channels::of(call)?;
    // Unlike the standard's operator, ONNX Runtime divides by the whole window even where it
    // extends past the padding.
    if call.flag("ceil_mode", false)? && call.flag("count_include_pad", false)? {
        return bad("ceil_mode", "is not supported together with count_include_pad");
    }
    let average = match call.op() {
        "QLinearAveragePool" => pool::average,
        _ => pool::global_average,
    };
    function_of(builder, call, |builder, x| {
        let x = channels.put_first(builder, call, x)?;
        let y = average(builder, call, x)?;
        channels.put_back(builder, call, y)
    })
}

/// ONNX Runtime's `QLinearConv`, whose images may have channels last. The weights are those of a
/// `Conv`.
pub(super) fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let channels = Channels::of(call)?;
    let x = centred(builder, call, 0, 2, 0)?;
    let x = channels.put_first(builder, call, x)?;
    let steps = conv_steps(builder, call, x)?;
    let value = channels.put_back(builder, call, steps.value)?;
    let steps = Steps { value, ..steps };
    Ok(vec![Value::Node(stored(builder, call, steps, [7, 0])?)])
}

/// `QLinearWhere`: one of two values, each in steps of the result. Since the condition is 0 or 1
/// and both are finite, the products and their sum are exact.
pub(super) fn select(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let condition = call.required(0)?;
    if type_of(builder, condition) != Some(DataType::Bool) {
        return Err("the condition must be bool".into());
    }
    let condition = floats(builder, call, condition)?;
    let mut parts = Vec::new();
    for i in [1, 4] {
        let x = real(builder, call, i)?;
        parts.push(quantized(builder, call, x, [7, 1])?);
    }
    let negative = builder.with_number(call, Binary::Mul, condition, -1.0)?;
    let other = builder.with_number(call, Binary::Add, negative, 1.0)?;
    let chosen = builder.binary(call, Binary::Mul, parts[0], condition)?;
    let rest = builder.binary(call, Binary::Mul, parts[1], other)?;
    let y = builder.binary(call, Binary::Add, chosen, rest)?;
    if let Some(&ty) = builder.integers.get(&parts[0]) {
        builder.integers.insert(y, ty);
    }
    Ok(vec![Value::Node(y)])
}

/// `QLinearConcat`: the scale and the zero point of the result, then every value with its own.
pub(super) fn concat(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    const FIRST: usize = 2;
    let operands = call.args.len().saturating_sub(FIRST);
    if operands == 0 || !operands.is_multiple_of(3) {
        return Err("every value needs a scale and a zero point".into());
    }
    let rank = builder.shape(call.required(FIRST)?).len();
    let axis = match call.int("axis")? {
        Some(axis) => axis_of(axis, rank)?,
        None => return bad("axis", "is missing"),
    };
    let mut parts = Vec::new();
    for i in (FIRST..call.args.len()).step_by(3) {
        let x = real(builder, call, i)?;
        parts.push(quantized(builder, call, x, [0, FIRST])?);
    }
    let y = builder.add(call, Op::Concat { axis }, &parts)?;
    if let Some(&ty) = parts.first().and_then(|part| builder.integers.get(part)) {
        builder.integers.insert(y, ty);
    }
    Ok(vec![Value::Node(y)])
}
