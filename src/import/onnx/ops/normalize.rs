//! Batch normalization, dropout and softmax.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::standardize::standardize;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Refusal, Result, Value, axis_of, bad};
use crate::import::onnx::movement::Movement;

/// `BatchNormalization` with stored statistics, or of a constant with its own. The results for
/// training are not computed.
pub(super) fn batch_normalization(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if !call.flag("spatial", true)? {
        return bad("spatial", "is 0: statistics for each pixel are not supported");
    }
    if let Some(training) = training(call)? {
        if let Some(results) = standardize(builder, call, epsilon(call)?)? {
            return Ok(results);
        }
        return Err(training);
    }
    let epsilon = epsilon(call)?;
    let operands = (0..5).map(|i| builder.operand(call, i)).collect::<Result<Vec<_>>>()?;
    builder.finish(call, Op::BatchNorm { epsilon }, &operands)
}

/// Why a batch normalization is a training one, which takes the statistics from the batch itself;
/// `None` if it is not. Before version 14 only the number of results says so.
fn training(call: &Call<'_>) -> Result<Option<Refusal>> {
    const ADVICE: &str = "the model was exported for training; export it in evaluation mode";
    if call.opset >= 14 {
        let reason = || format!("is 1: {ADVICE}");
        let attribute = Some("training_mode".to_owned());
        let is_set = call.flag("training_mode", false)?;
        return Ok(is_set.then(|| Refusal { attribute, ..reason().into() }));
    }
    let results = call.node.output.iter().filter(|name| !name.is_empty()).count();
    let reason = || {
        format!("it has {results} results, so it takes mean and variance from the batch: {ADVICE}")
    };
    Ok((results > 1).then(|| reason().into()))
}

/// The epsilon that is added to a variance.
pub(super) fn epsilon(call: &Call<'_>) -> Result<f64> {
    match call.float("epsilon")?.unwrap_or(1e-5) {
        e if e.is_finite() && e >= 0.0 => Ok(shortest(e)),
        e => bad("epsilon", format!("is {e}; it must be finite and at least 0")),
    }
}

/// The file holds the nearest f32 to the intended number, such as 1e-5; the shortest decimal that
/// parses to this f32 is that number.
fn shortest(x: f32) -> f64 {
    format!("{x:e}").parse().unwrap_or(f64::from(x))
}

/// `Dropout`, which does nothing at inference. Its mask is not computed.
pub(super) fn dropout(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if call.known_scalar(2, "training_mode")?.is_some_and(|t| t != 0.0) {
        return Err("training_mode is true: the model was exported for training".into());
    }
    Ok(vec![builder.apply(call, call.required(0)?, Movement::Identity)?])
}

/// `Softmax` and `LogSoftmax`.
pub(super) fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    Ok(vec![Value::Node(softmax_of(builder, call, x, call.opset)?)])
}

/// The softmax that the attributes of a call describe in this version of the standard operators.
/// Before version 13 the operand is treated as a matrix whose columns are the axes from `axis` on.
pub(super) fn softmax_of(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    version: i64,
) -> Result<NodeId> {
    let along = match call.op() {
        "LogSoftmax" => log_softmax,
        _ => |b: &mut Builder, c: &Call<'_>, x, axis| b.add(c, Op::Softmax { axis }, &[x]),
    };
    let shape = builder.shape_of(x);
    if version >= 13 {
        let axis = axis_of(call.int_or("axis", -1)?, shape.len())?;
        return along(builder, call, x, axis);
    }
    let axis = axis_of(call.int_or("axis", 1)?, shape.len())?;
    if shape[axis + 1..].iter().all(|&d| d == 1) {
        return along(builder, call, x, axis);
    }
    let matrix = vec![shape[..axis].iter().product(), shape[axis..].iter().product()];
    let rows = builder.reshape(call, x, matrix)?;
    let result = along(builder, call, rows, 1)?;
    builder.reshape(call, result, shape)
}

/// `x - max - log(sum(exp(x - max)))`: unlike the logarithm of a softmax, it does not underflow.
fn log_softmax(builder: &mut Builder, call: &Call<'_>, x: NodeId, axis: usize) -> Result<NodeId> {
    let extent = builder.shape_of(x)[axis];
    let (axes, keep_dims) = (vec![axis], true);
    let max = builder.add(call, Op::ReduceMax { axes: axes.clone(), keep_dims }, &[x])?;
    let rest = builder.binary(call, Binary::Sub, x, max)?;
    let powers = builder.unary(call, Unary::Exp, rest)?;
    let mean = builder.add(call, Op::ReduceMean { axes, keep_dims }, &[powers])?;
    let sum = builder.with_number(call, Binary::Mul, mean, extent as f32)?;
    let log = builder.unary(call, Unary::Log, sum)?;
    builder.binary(call, Binary::Sub, rest, log)
}
