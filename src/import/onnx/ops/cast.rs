//! Changes of element type.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{DType, NodeId, Op};

use super::logic::is_set;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};
use crate::import::onnx::proto::DataType;

/// `Cast`: constants are converted. Run-time values are held as f32 whatever their type, and casts
/// between floats change nothing: values that other engines round to half precision stay as they
/// are here.
pub(super) fn cast(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let to = match call.int("to")? {
        Some(to) => i32::try_from(to).ok().and_then(|t| DataType::try_from(t).ok()),
        None => return bad("to", "is missing"),
    };
    let Some(to) = to else { return bad("to", "is not an element type") };
    convert(builder, call, to)
}

/// `CastLike`: the target is the type of the second operand.
pub(super) fn cast_like(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let to = builder.element_type(call.required(1)?);
    convert(builder, call, to)
}

/// Whether every element of type `from`, held as f32, is also an element of type `to`.
fn holds(to: DataType, from: DataType) -> bool {
    let integers = |ty: DataType| ty.dtype().and_then(DType::integers);
    match (integers(to), integers(from)) {
        (None, _) => to.is_float(),
        (Some(to), Some(from)) => to.0 <= from.0 && from.1 <= to.1,
        (Some(_), None) => false,
    }
}

/// The type of a run-time value, or of the integers from which it was cast: casts change no value.
fn origin(builder: &Builder, mut node: NodeId) -> DataType {
    let own = builder.type_of(node);
    while builder.type_of(node).is_float() && builder.graph.node(node).op == Op::Identity {
        match builder.graph.operand(node, 0) {
            Some(operand) => node = operand,
            None => return own,
        }
    }
    let found = builder.type_of(node);
    if found.is_float() { own } else { found }
}

fn convert(builder: &mut Builder, call: &Call<'_>, to: DataType) -> Result<Vec<Value>> {
    let node = match call.required(0)? {
        Value::Known(literal) => {
            builder.claim(literal.len())?;
            return Ok(vec![Value::Known(literal.cast(to)?)]);
        }
        Value::Node(node) => *node,
    };
    let from = builder.type_of(node);
    let result = match limits(to) {
        _ if holds(to, origin(builder, node)) => builder.add(call, Op::Identity, &[node])?,
        _ if to == DataType::Bool => is_set(builder, call, node)?,
        Some(limits) if from.is_float() => truncated(builder, call, node, limits)?,
        _ => {
            let reason =
                "may change them, and run-time integers are converted only to types that hold them";
            return bad(
                "to",
                format!("converts run-time values of {from:?} to {to:?}, which {reason}"),
            );
        }
    };
    builder.declare(result, to);
    Ok(vec![Value::Node(result)])
}

/// The smallest and largest elements of an integer type that f32 holds exactly.
fn limits(ty: DataType) -> Option<[f32; 2]> {
    /// The largest integer below a power of two that f32 holds exactly.
    fn below(exponent: i32) -> f32 {
        let power = 2f32.powi(exponent);
        if exponent > 24 { power.next_down() } else { power - 1.0 }
    }
    let signed = |bits: i32| [-(2f32.powi(bits - 1)), below(bits - 1)];
    let unsigned = |bits: i32| [0.0, below(bits)];
    Some(match ty.dtype()? {
        DType::I8 => signed(8),
        DType::I16 => signed(16),
        DType::I32 => signed(32),
        DType::I64 => signed(64),
        DType::U8 => unsigned(8),
        DType::U16 => unsigned(16),
        DType::U32 => unsigned(32),
        DType::U64 => unsigned(64),
        _ => return None,
    })
}

/// Floats without their fractions.
pub(super) fn toward_zero(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let magnitude = builder.unary(call, Unary::Abs, x)?;
    let whole = builder.unary(call, Unary::Floor, magnitude)?;
    let sign = builder.unary(call, Unary::Sign, x)?;
    builder.binary(call, Binary::Mul, sign, whole)
}

/// Floats as integers: rounded towards zero, as the standard requires. For values outside the type
/// the standard says nothing; they become the nearest limit, and NaN becomes 0, as in Rust.
fn truncated(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    [lo, hi]: [f32; 2],
) -> Result<NodeId> {
    let integer = toward_zero(builder, call, x)?;
    let limited = builder.unary(call, Unary::Clip { lo, hi }, integer)?;
    let is_number = builder.binary(call, Binary::Equal, x, x)?;
    let zero = builder.scalar(call, 0.0);
    builder.add(call, Op::Where, &[is_number, limited, zero])
}
