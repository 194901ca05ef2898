//! Operators that combine several values.

use resnetc_ir::op::Binary;
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};
use crate::import::onnx::literal::{Literal, elements};
use crate::import::onnx::movement;

/// `Concat`.
pub(super) fn concat(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let rank = builder.shape(call.required(0)?).len();
    let axis = match call.int("axis")? {
        Some(axis) => axis_of(axis, rank)?,
        None => return bad("axis", "is missing"),
    };
    if let Some(known) = call.all_known() {
        return concat_known(builder, &known, axis);
    }
    let operands =
        (0..call.args.len()).map(|i| builder.operand(call, i)).collect::<Result<Vec<_>>>()?;
    builder.finish(call, Op::Concat { axis }, &operands)
}

fn concat_known(builder: &mut Builder, parts: &[&Literal], axis: usize) -> Result<Vec<Value>> {
    let mut shape = parts[0].shape.clone();
    for part in &parts[1..] {
        let same = |i: usize| i == axis || part.shape[i] == shape[i];
        if part.shape.len() != shape.len() || !(0..shape.len()).all(same) {
            return Err(
                format!("{:?} and {shape:?} differ on axes other than {axis}", part.shape).into()
            );
        }
        shape[axis] = shape[axis].saturating_add(part.shape[axis]);
    }
    builder.claim(elements(&shape)?)?;
    Ok(vec![Value::Known(movement::concat(parts, axis, shape)?)])
}

/// `Sum` of any number of values, as a chain of additions.
pub(super) fn sum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let total = total(builder, call)?;
    match call.args.len() {
        1 => builder.finish(call, Op::Identity, &[total]),
        _ => Ok(vec![Value::Node(total)]),
    }
}

/// `Mean` of any number of values.
pub(super) fn mean(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let total = total(builder, call)?;
    let mean = builder.with_number(call, Binary::Div, total, call.args.len() as f32)?;
    Ok(vec![Value::Node(mean)])
}

fn total(builder: &mut Builder, call: &Call<'_>) -> Result<NodeId> {
    let mut total = builder.operand(call, 0)?;
    for i in 1..call.args.len() {
        let term = builder.operand(call, i)?;
        total = builder.binary(call, Binary::Add, total, term)?;
    }
    Ok(total)
}
