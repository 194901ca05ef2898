//! Activations and clamps.

use resnetc_ir::Op;
use resnetc_ir::op::Unary;

use super::arithmetic::fold_two;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};

/// `Relu`.
pub(super) fn relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::Unary(Unary::Relu), &[x])
}

/// `Sigmoid`.
pub(super) fn sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::Unary(Unary::Sigmoid), &[x])
}

/// `Clip`: the limits are attributes up to version 6, operands from version 11.
pub(super) fn clip(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let limit = |name: &'static str, i: usize, default: f32| -> Result<f32> {
        let value = match call.known_scalar(i, name)? {
            Some(x) => x as f32,
            None => call.float(name)?.unwrap_or(default),
        };
        if value.is_nan() { bad(name, "is NaN") } else { Ok(value) }
    };
    let lo = limit("min", 1, f32::NEG_INFINITY)?;
    let hi = limit("max", 2, f32::INFINITY)?;
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::Unary(Unary::Clip { lo, hi }), &[x])
}

/// `Min` and `Max`: of constants, or of one value and a constant number, which is half a clip.
pub(super) fn extremum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if let Some(known) = call.all_known() {
        let Some((first, rest)) = known.split_first() else { return Err("no operands".into()) };
        let mut result = (*first).clone();
        for operand in rest {
            result = fold_two(builder, call, &result, operand)?;
        }
        return Ok(vec![Value::Known(result)]);
    }
    let only = "at run time, only a value against a constant number is supported";
    let (x, limit) = match (call.arg(0), call.arg(1), call.args.len()) {
        (Some(Value::Node(x)), Some(Value::Known(limit)), 2) => (*x, limit),
        (Some(Value::Known(limit)), Some(Value::Node(x)), 2) => (*x, limit),
        (Some(Value::Node(x)), None, 1) => return builder.finish(call, Op::Identity, &[*x]),
        _ => return Err(only.into()),
    };
    let limit = match limit.scalar() {
        Some(v) if !v.is_nan() && limit.shape.len() <= builder.graph.node(x).ty.shape.len() => {
            v as f32
        }
        _ => return Err(only.into()),
    };
    let op = match call.op() {
        "Max" if limit == 0.0 => Unary::Relu,
        "Max" => Unary::Clip { lo: limit, hi: f32::INFINITY },
        _ => Unary::Clip { lo: f32::NEG_INFINITY, hi: limit },
    };
    builder.finish(call, Op::Unary(op), &[x])
}
