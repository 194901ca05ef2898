//! Quantized values: `q` represents `(q - zero) * scale`.
//!
//! At run time a quantized value is held as floats with integer values, so that every operator that
//! moves elements can move it. Arithmetic on it is float arithmetic; products of 8-bit integers and
//! their sums are exact up to 2^24.

use std::sync::Arc;

use resnetc_ir::memory::collected;
use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};
use crate::import::onnx::literal::{Data, Kind, Literal};
use crate::import::onnx::movement::{Walk, broadcast_shape};
use crate::import::onnx::proto::DataType;

use super::scales::{self, Steps};

/// The element types of quantized values.
pub(super) const STORED: [DataType; 4] =
    [DataType::Uint8, DataType::Int8, DataType::Uint16, DataType::Int16];

/// The integers of a type as floats.
pub(super) fn limits(ty: DataType) -> Result<(f32, f32)> {
    match Kind::of(ty) {
        Some(Kind::Int(lo, hi)) if STORED.contains(&ty) => Ok((lo as f32, hi as f32)),
        _ => Err(format!("quantizes to {ty:?}; only 8 and 16 bits are supported").into()),
    }
}

/// The type of the elements of an integer operand.
pub(super) fn type_of(builder: &Builder, value: &Value) -> Option<DataType> {
    match value {
        Value::Known(literal) if literal.is_int() => Some(literal.ty),
        Value::Known(_) => None,
        Value::Node(node) => builder.integers.get(node).copied(),
    }
}

/// An operand as floats, whatever its elements are.
pub(super) fn floats(builder: &mut Builder, call: &Call<'_>, value: &Value) -> Result<NodeId> {
    match value {
        Value::Known(literal) => {
            let literal = as_floats(builder, literal)?;
            builder.node(call.name(), &Value::Known(literal))
        }
        Value::Node(node) => Ok(*node),
    }
}

/// A constant as floats.
fn as_floats(builder: &mut Builder, literal: &Literal) -> Result<Literal> {
    match literal.is_int() {
        true => {
            builder.claim(literal.len())?;
            Ok(literal.cast(DataType::Float)?)
        }
        false => Ok(literal.clone()),
    }
}

/// Operand `i`, one number or one number per position of `axis`, shaped to broadcast to a value of
/// this shape; `None` if it is left out.
pub(super) fn parameter(
    builder: &mut Builder,
    call: &Call<'_>,
    i: usize,
    (axis, whole): (usize, &[usize]),
) -> Result<Option<Value>> {
    let Some(value) = call.arg(i) else { return Ok(None) };
    let shape = aligned(&builder.shape(value), axis, whole)?;
    Ok(Some(match value {
        Value::Known(literal) => Value::Known(as_floats(builder, literal)?.reshaped(shape)?),
        Value::Node(node) => Value::Node(builder.reshape(call, *node, shape)?),
    }))
}

/// The shape of one number, or of a list along one axis of a value.
pub(super) fn aligned(shape: &[usize], axis: usize, whole: &[usize]) -> Result<Vec<usize>> {
    let [listed] = *shape else {
        return match shape {
            [] => Ok(vec![]),
            _ => {
                Err(format!("scales and zero points of shape {shape:?} (blocks) are not supported")
                    .into())
            }
        };
    };
    match whole.get(axis) {
        _ if listed == 1 => Ok(vec![]),
        Some(&extent) if extent == listed => {
            Ok((0..whole.len()).map(|i| if i == axis { listed } else { 1 }).collect())
        }
        Some(extent) => Err(format!(
            "it has {listed} scales or zero points along axis {axis}, which has {extent} positions"
        )
        .into()),
        None => Err(format!(
            "it has {listed} scales or zero points, and no axis that they are along: its shape is \
             {whole:?}"
        )
        .into()),
    }
}

/// Checks that there is one zero point (operand `zero`), or as many as scales (operand `scale`), of
/// the type that the elements have.
pub(super) fn check_zero(
    builder: &Builder,
    call: &Call<'_>,
    [scale, zero]: [usize; 2],
    elements: Option<DataType>,
) -> Result<()> {
    let Some(value) = call.arg(zero) else { return Ok(()) };
    let (found, count) = (type_of(builder, value), |i: &Value| builder.shape(i).iter().product());
    let (scales, zeros): (usize, usize) = (call.arg(scale).map_or(1, count), count(value));
    if zeros != 1 && zeros != scales {
        return Err(format!("it has {scales} scales and {zeros} zero points").into());
    }
    match (found, elements) {
        (Some(found), Some(elements)) if found != elements => {
            Err(format!("its zero point is {found:?}, its elements are {elements:?}").into())
        }
        _ => Ok(()),
    }
}

/// `value - zero`, unless that changes nothing.
pub(super) fn centre(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    zero: Option<Value>,
) -> Result<NodeId> {
    match zero {
        None => Ok(x),
        Some(Value::Known(zero)) if is_zero(&zero) => Ok(x),
        Some(zero) => {
            let zero = builder.node(call.name(), &zero)?;
            builder.binary(call, Binary::Sub, x, zero)
        }
    }
}

fn is_zero(literal: &Literal) -> bool {
    match &literal.data {
        Data::Int(v) => v.iter().all(|&x| x == 0),
        Data::Bytes(t) | Data::Float(t) => t.all(|x| x == 0.0),
    }
}

/// Integers of type `ty`, from their values before rounding and before the zero point is added.
/// Quotients 0/0 become the type's lowest integer, as in ONNX Runtime.
pub(super) fn store(
    builder: &mut Builder,
    call: &Call<'_>,
    steps: Steps,
    zero: Option<Value>,
    ty: DataType,
) -> Result<NodeId> {
    let (lo, hi) = limits(ty)?;
    let mut q = builder.unary(call, Unary::Round, steps.value)?;
    match zero {
        None => {}
        Some(Value::Known(zero)) if is_zero(&zero) => {}
        Some(zero) => {
            let zero = builder.node(call.name(), &zero)?;
            q = builder.binary(call, Binary::Add, q, zero)?;
        }
    }
    let mut q = builder.unary(call, Unary::Clip { lo, hi }, q)?;
    if steps.undefined {
        let is_number = builder.binary(call, Binary::Equal, q, q)?;
        let lowest = builder.scalar(call, lo);
        q = builder.add(call, Op::Where, &[is_number, q, lowest])?;
    }
    builder.integers.insert(q, ty);
    Ok(q)
}

/// The axis of scales and zero points, for a value of this rank.
fn axis(call: &Call<'_>, rank: usize) -> Result<usize> {
    if call.int_or("block_size", 0)? != 0 {
        return bad("block_size", "is given; scales by block are not supported");
    }
    // With one scale for the whole value the axis is ignored, and for a scalar it may be out of
    // range.
    Ok(axis_of(call.int_or("axis", 1)?, rank).unwrap_or(rank))
}

/// `QuantizeLinear`.
pub(super) fn quantize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let shape = builder.shape_of(x).to_vec();
    let axis = axis(call, shape.len())?;
    let wanted = match call.int_or("output_dtype", 0)? {
        0 => None,
        ty => Some(i32::try_from(ty).ok().and_then(|t| DataType::try_from(t).ok())),
    };
    let ty = match (call.arg(2), wanted) {
        (Some(zero), _) => type_of(builder, zero),
        (None, Some(wanted)) => wanted,
        (None, None) => Some(DataType::Uint8),
    };
    let Some(ty) = ty else { return Err("its result is not an integer of 8 or 16 bits".into()) };
    check_zero(builder, call, [1, 2], wanted.flatten())?;
    let scale = parameter(builder, call, 1, (axis, &shape))?.ok_or("the scale is missing")?;
    let zero = parameter(builder, call, 2, (axis, &shape))?;
    let steps = scales::divide(builder, call, x, &scale)?;
    Ok(vec![Value::Node(store(builder, call, steps, zero, ty)?)])
}

/// `DequantizeLinear`. Constants, such as weights, become constants.
pub(super) fn dequantize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.required(0)?;
    let shape = builder.shape(x);
    let axis = axis(call, shape.len())?;
    let elements = type_of(builder, x).ok_or("its operand is not a quantized value")?;
    check_zero(builder, call, [1, 2], Some(elements))?;
    let scale = parameter(builder, call, 1, (axis, &shape))?.ok_or("the scale is missing")?;
    let zero = parameter(builder, call, 2, (axis, &shape))?;
    if let (Value::Known(x), Value::Known(scale)) = (x, &scale)
        && !are_weights(x)
    {
        match zero {
            None => return dequantize_known(builder, x, scale, None),
            Some(Value::Known(zero)) => return dequantize_known(builder, x, scale, Some(&zero)),
            Some(Value::Node(_)) => {}
        }
    }
    let x = floats(builder, call, x)?;
    let centred = centre(builder, call, x, zero)?;
    let scale = builder.node(call.name(), &scale)?;
    let result = builder.binary(call, Binary::Mul, centred, scale)?;
    if let Value::Known(_) = call.required(0)? {
        builder.dequantized.insert(result);
    }
    Ok(vec![Value::Node(result)])
}

/// Whether a constant may be weights, which integer arithmetic takes as they are.
fn are_weights(constant: &Literal) -> bool {
    matches!(constant.ty, DataType::Int8 | DataType::Uint8) && constant.shape.len() >= 2
}

fn dequantize_known(
    builder: &mut Builder,
    x: &Literal,
    scale: &Literal,
    zero: Option<&Literal>,
) -> Result<Vec<Value>> {
    let x = x.widened()?;
    let (Data::Int(q), Data::Float(scales)) = (&x.data, &scale.data) else {
        return Err("the value must be integers, and the scale floats".into());
    };
    let zeros: Option<(&Literal, &Arc<_>)> = match zero.map(|zero| (zero, &zero.data)) {
        Some((zero, Data::Float(tensor))) => Some((zero, tensor)),
        _ => None,
    };
    builder.claim(2 * x.len())?;
    broadcast_shape(&scale.shape, &x.shape)
        .ok()
        .filter(|shape| *shape == x.shape)
        .ok_or("the scale does not fit the value")?;
    let scales = Walk::broadcast(&scale.shape, &x.shape).map(|i| f64::from(scales.data()[i]));
    let data = match zeros {
        None => collected(q.iter().zip(scales).map(|(&q, s)| (q as f64 * s) as f32))?,
        Some((zero, tensor)) if tensor.elements() == 1 || zero.shape == scale.shape => {
            let zeros = Walk::broadcast(&zero.shape, &x.shape).map(|i| f64::from(tensor.data()[i]));
            let steps = q.iter().zip(zeros).map(|(&q, z)| q as f64 - z);
            collected(steps.zip(scales).map(|(steps, s)| (steps * s) as f32))?
        }
        Some(_) => return Err("scale and zero point differ in shape".into()),
    };
    Ok(vec![Value::Known(Literal::floats(x.shape.clone(), data)?)])
}

/// `DynamicQuantizeLinear`: to unsigned 8 bits, by the range of the value and 0.
pub(super) fn dynamic(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    Ok(dynamic_steps(builder, call, x)?.map(Value::Node).to_vec())
}

/// A value quantized to unsigned bytes over the range that includes it and 0; its scale; and its
/// zero point. The scale of a range that is zero is 1, as in ONNX Runtime.
pub(super) fn dynamic_steps(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
) -> Result<[NodeId; 3]> {
    let (lo, hi) = limits(DataType::Uint8)?;
    let axes: Vec<usize> = (0..builder.shape_of(x).len()).collect();
    let most = |builder: &mut Builder, x: NodeId| match axes.is_empty() {
        true => builder.unary(call, Unary::Relu, x),
        false => {
            let max = Op::ReduceMax { axes: axes.clone(), keep_dims: false };
            let max = builder.add(call, max, &[x])?;
            builder.unary(call, Unary::Relu, max)
        }
    };
    let above = most(builder, x)?;
    let negative = builder.with_number(call, Binary::Mul, x, -1.0)?;
    let below = most(builder, negative)?;
    let range = builder.binary(call, Binary::Add, above, below)?;
    let scale = builder.with_number(call, Binary::Div, range, hi - lo)?;
    let scale = scales::at_least(builder, call, scale, range)?;
    let zero = builder.binary(call, Binary::Div, below, scale)?;
    let zero = store(builder, call, Steps::defined(zero), None, DataType::Uint8)?;
    let steps = builder.binary(call, Binary::Div, x, scale)?;
    let steps = Steps::defined(steps);
    let q = store(builder, call, steps, Some(Value::Node(zero)), DataType::Uint8)?;
    Ok([q, scale, zero])
}
