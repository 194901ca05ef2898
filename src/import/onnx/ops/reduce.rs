//! Reductions over axes.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axes_of, bad};
use crate::import::onnx::literal::{Data, Literal};
use crate::import::onnx::movement::{Movement, Walk};

/// Which axes are reduced, and whether they are kept with extent 1.
struct Reduction {
    axes: Vec<usize>,
    keep_dims: bool,
}

/// `None` if nothing is reduced.
fn reduction(call: &Call<'_>, rank: usize) -> Result<Option<Reduction>> {
    let keep_dims = call.flag("keepdims", true)?;
    let axes = match call.ints_either("axes", 1)? {
        Some(axes) if !axes.is_empty() => axes_of(&axes, rank)?,
        _ if call.flag("noop_with_empty_axes", false)? => return Ok(None),
        _ => (0..rank).collect(),
    };
    Ok(Some(Reduction { axes, keep_dims }).filter(|r| !r.axes.is_empty()))
}

/// A reduction that is supported for constants only.
pub(super) fn reduce_constant(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    match call.required(0)? {
        Value::Known(x) => fold(builder, call, x),
        Value::Node(_) => Err("the operator is supported on constants only".into()),
    }
}

/// `ReduceMean`.
pub(super) fn reduce_mean(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    Ok(vec![Value::Node(mean(builder, call, x)?.0)])
}

/// `ReduceSum`: at run time, the mean times the number of elements.
pub(super) fn reduce_sum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    match call.required(0)? {
        Value::Known(x) => fold(builder, call, x),
        Value::Node(x) => Ok(vec![Value::Node(sum(builder, call, *x)?)]),
    }
}

/// `ReduceMax` and `ReduceMin`, the latter as the negated maximum of the negated values.
pub(super) fn reduce_extremum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = match call.required(0)? {
        Value::Known(x) => return fold(builder, call, x),
        Value::Node(x) => *x,
    };
    if call.op() == "ReduceMax" {
        let max = max(builder, call, x, None)?;
        return builder.finish(call, Op::Identity, &[max]);
    }
    let negative = builder.with_number(call, Binary::Mul, x, -1.0)?;
    let max = max(builder, call, negative, None)?;
    let min = builder.with_number(call, Binary::Mul, max, -1.0)?;
    Ok(vec![Value::Node(min)])
}

/// Reductions that sum a function of the elements and apply a function to the sum.
pub(super) fn reduce_function(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let result = match call.op() {
        "ReduceL1" => {
            let magnitudes = builder.unary(call, Unary::Abs, x)?;
            sum(builder, call, magnitudes)?
        }
        "ReduceL2" => {
            let squares = sum_of_squares(builder, call, x)?;
            builder.unary(call, Unary::Sqrt, squares)?
        }
        "ReduceSumSquare" => sum_of_squares(builder, call, x)?,
        "ReduceLogSum" => {
            let sum = sum(builder, call, x)?;
            builder.unary(call, Unary::Log, sum)?
        }
        _ => log_sum_exp(builder, call, x)?,
    };
    Ok(vec![Value::Node(result)])
}

fn sum_of_squares(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let squares = builder.binary(call, Binary::Mul, x, x)?;
    sum(builder, call, squares)
}

/// Subtracts the maximum first, so that no exponential overflows. An infinite maximum is clamped to
/// the largest or smallest finite number: the difference is then still infinite, where infinity
/// minus itself would be NaN.
fn log_sum_exp(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    const FINITE: Unary = Unary::Clip { lo: f32::MIN, hi: f32::MAX };
    let largest = max(builder, call, x, Some(true))?;
    let largest = builder.unary(call, FINITE, largest)?;
    let rest = builder.binary(call, Binary::Sub, x, largest)?;
    let powers = builder.unary(call, Unary::Exp, rest)?;
    let sum = sum(builder, call, powers)?;
    let log = builder.unary(call, Unary::Log, sum)?;
    let largest = max(builder, call, x, None)?;
    let largest = builder.unary(call, FINITE, largest)?;
    builder.binary(call, Binary::Add, log, largest)
}

fn sum(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let (mean, count) = mean(builder, call, x)?;
    builder.with_number(call, Binary::Mul, mean, count as f32)
}

/// The maximum; `keep` overrides the call's choice whether axes are kept.
fn max(builder: &mut Builder, call: &Call<'_>, x: NodeId, keep: Option<bool>) -> Result<NodeId> {
    match reduction(call, builder.shape_of(x).len())? {
        None => Ok(x),
        Some(Reduction { axes, keep_dims }) => {
            let keep_dims = keep.unwrap_or(keep_dims);
            builder.add(call, Op::ReduceMax { axes, keep_dims }, &[x])
        }
    }
}

/// The mean, and the number of elements that it averages.
fn mean(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<(NodeId, usize)> {
    let shape = builder.graph.node(x).ty.shape.clone();
    match reduction(call, shape.len())? {
        None => Ok((builder.add(call, Op::Identity, &[x])?, 1)),
        Some(Reduction { axes, keep_dims }) => {
            let count = axes.iter().map(|&a| shape[a]).product();
            Ok((builder.add(call, Op::ReduceMean { axes, keep_dims }, &[x])?, count))
        }
    }
}

fn fold(builder: &mut Builder, call: &Call<'_>, x: &Literal) -> Result<Vec<Value>> {
    let Some(Reduction { axes, keep_dims }) = reduction(call, x.shape.len())? else {
        return Ok(vec![builder.apply(call, &Value::Known(x.clone()), Movement::Identity)?]);
    };
    builder.claim(x.len())?;
    let kept: Vec<usize> =
        x.shape.iter().enumerate().map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect();
    let mut shape = kept.clone();
    if !keep_dims {
        for &axis in axes.iter().rev() {
            shape.remove(axis);
        }
    }
    let targets = Walk::broadcast(&kept, &x.shape);
    let count: usize = kept.iter().product();
    let literal = match &x.widened()?.data {
        Data::Int(v) => Literal::ints(shape, ints(call, v, targets, count)?)?,
        Data::Bytes(t) | Data::Float(t) => {
            Literal::floats(shape, floats(call, t.data(), targets, count)?)?
        }
    };
    Ok(vec![Value::Known(literal)])
}

fn ints(call: &Call<'_>, x: &[i64], targets: Walk, count: usize) -> Result<Vec<i64>> {
    type Step = fn(i64, i64) -> Option<i64>;
    let (start, step): (i64, Step) = match call.op() {
        "ReduceProd" => (1, i64::checked_mul),
        "ReduceSum" => (0, i64::checked_add),
        "ReduceMin" => (i64::MAX, |a, b| Some(a.min(b))),
        "ReduceMax" => (i64::MIN, |a, b| Some(a.max(b))),
        _ => return bad("axes", "this reduction is not supported on integers"),
    };
    let mut result = vec![start; count];
    for (target, &x) in targets.zip(x) {
        result[target] = step(result[target], x).ok_or("integer overflow")?;
    }
    Ok(result)
}

fn floats(call: &Call<'_>, x: &[f32], targets: Walk, count: usize) -> Result<Vec<f32>> {
    let (start, step): (f64, fn(f64, f64) -> f64) = match call.op() {
        "ReduceProd" => (1.0, |a, b| a * b),
        "ReduceSum" => (0.0, |a, b| a + b),
        // NaN wins, as at run time.
        "ReduceMin" => (f64::INFINITY, |a, b| if b < a || b.is_nan() { b } else { a }),
        _ => (f64::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a }),
    };
    let mut result = vec![start; count];
    for (target, &x) in targets.zip(x) {
        result[target] = step(result[target], x.into());
    }
    Ok(result.into_iter().map(|x| x as f32).collect())
}
