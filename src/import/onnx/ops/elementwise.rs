//! Clamps, minima and maxima.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::arithmetic::fold_two;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};

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

/// `Min` and `Max`: of constants, of one value and a constant number (a one-sided clip), or of any
/// values.
pub(super) fn extremum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if let Some(known) = call.all_known() {
        let Some((first, rest)) = known.split_first() else { return Err("no operands".into()) };
        let mut result = (*first).clone();
        for operand in rest {
            result = fold_two(builder, call, &result, operand)?;
        }
        return Ok(vec![Value::Known(result)]);
    }
    if let Some((x, limit)) = against_number(builder, call) {
        let op = match call.op() {
            "Max" if limit == 0.0 => Unary::Relu,
            "Max" => Unary::Clip { lo: limit, hi: f32::INFINITY },
            _ => Unary::Clip { lo: f32::NEG_INFINITY, hi: limit },
        };
        return builder.finish(call, Op::Unary(op), &[x]);
    }
    // The minimum is the negated maximum of the negated values.
    let negative = call.op() == "Min";
    let signed = |builder: &mut Builder, x: NodeId| match negative {
        true => builder.with_number(call, Binary::Mul, x, -1.0),
        false => Ok(x),
    };
    let first = builder.operand(call, 0)?;
    let mut greatest = signed(builder, first)?;
    for i in 1..call.args.len() {
        let operand = builder.operand(call, i)?;
        let operand = signed(builder, operand)?;
        greatest = builder.binary(call, Binary::Max, greatest, operand)?;
    }
    let result = signed(builder, greatest)?;
    builder.finish(call, Op::Identity, &[result])
}

/// The operands of a call, if they are one run-time value and one constant number.
fn against_number(builder: &Builder, call: &Call<'_>) -> Option<(NodeId, f32)> {
    let (x, limit) = match call.args[..] {
        [Some(Value::Node(x)), Some(Value::Known(ref limit))] => (x, limit),
        [Some(Value::Known(ref limit)), Some(Value::Node(x))] => (x, limit),
        _ => return None,
    };
    let number = limit.scalar().filter(|v| !v.is_nan())?;
    (limit.shape.len() <= builder.shape_of(x).len()).then_some((x, number as f32))
}
