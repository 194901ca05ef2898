//! Comparisons, choices and truth values. At run time a truth value is a number, 0 or 1.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::literal::elements;
use crate::import::onnx::movement::{self, broadcast_shape};
use crate::import::onnx::proto::DataType;

/// Declares a result to be a truth value.
fn truth(builder: &mut Builder, node: NodeId) -> Result<Vec<Value>> {
    builder.declare(node, DataType::Bool);
    Ok(vec![Value::Node(node)])
}

/// An operator of two operands, at least one of which is computed at run time.
pub(super) fn binary(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (op, swapped) = match call.op() {
        "Equal" => (Binary::Equal, false),
        "Less" => (Binary::Less, false),
        "LessOrEqual" => (Binary::LessOrEqual, false),
        "Greater" => (Binary::Less, true),
        "GreaterOrEqual" => (Binary::LessOrEqual, true),
        _ => return connective(builder, call),
    };
    let (a, b) = (builder.number(call, 0)?, builder.number(call, 1)?);
    let (a, b) = if swapped { (b, a) } else { (a, b) };
    let result = builder.binary(call, op, a, b)?;
    truth(builder, result)
}

/// `And`, `Or` and `Xor`.
fn connective(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (a, b) = (operand(builder, call, 0)?, operand(builder, call, 1)?);
    let result = match call.op() {
        "And" => builder.binary(call, Binary::Mul, a, b)?,
        "Or" => builder.binary(call, Binary::Max, a, b)?,
        "Xor" => {
            let difference = builder.binary(call, Binary::Sub, a, b)?;
            builder.unary(call, Unary::Abs, difference)?
        }
        _ => return Err("the operator is supported between constants only".into()),
    };
    truth(builder, result)
}

/// `Not`, at run time.
pub(super) fn not(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = operand(builder, call, 0)?;
    let result = complement(builder, call, x)?;
    truth(builder, result)
}

/// Whether a run-time value is not 0.
pub(super) fn is_set(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let zero = builder.with_number(call, Binary::Equal, x, 0.0)?;
    let set = complement(builder, call, zero)?;
    builder.declare(set, DataType::Bool);
    Ok(set)
}

fn complement(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let one = builder.scalar(call, 1.0);
    builder.binary(call, Binary::Sub, one, x)
}

/// An operand that is a truth value.
fn operand(builder: &mut Builder, call: &Call<'_>, i: usize) -> Result<NodeId> {
    match builder.element_type(call.required(i)?) {
        DataType::Bool => builder.number(call, i),
        other => Err(format!("operand {i} is {other:?}; it must be bool").into()),
    }
}

/// `Where`.
pub(super) fn select(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if call.all_known().is_some() {
        return select_known(builder, call);
    }
    let condition = operand(builder, call, 0)?;
    let x_type = builder.element_type(call.required(1)?);
    let y_type = builder.element_type(call.required(2)?);
    if x_type != y_type {
        return Err(format!("its choices have different types, {x_type:?} and {y_type:?}").into());
    }
    let (x, y) = (builder.number(call, 1)?, builder.number(call, 2)?);
    let result = builder.add(call, Op::Where, &[condition, x, y])?;
    builder.declare(result, x_type);
    Ok(vec![Value::Node(result)])
}

fn select_known(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let known = call.all_known().unwrap_or_default();
    let [condition, x, y] = known[..] else { return Err("three operands are needed".into()) };
    let Some(truth) = condition.as_ints() else { return Err("the condition must be bool".into()) };
    let shape = broadcast_shape(&broadcast_shape(&condition.shape, &x.shape)?, &y.shape)?;
    let count = elements(&shape)?;
    builder.claim(4 * count)?;
    let (x, y) = (movement::broadcast(x, &shape)?, movement::broadcast(y, &shape)?);
    // Both one after the other, so that a choice is a position: i for x, count + i for y.
    let flat = [x.reshaped(vec![count])?, y.reshaped(vec![count])?];
    let both = movement::concat(&[&flat[0], &flat[1]], 0, vec![2 * count])?;
    let chosen = movement::Walk::broadcast(&condition.shape, &shape)
        .enumerate()
        .map(|(i, c)| if truth[c] != 0 { i } else { count + i });
    Ok(vec![Value::Known(both.pick(shape, chosen)?)])
}
