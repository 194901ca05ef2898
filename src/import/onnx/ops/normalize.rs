//! Batch normalization, dropout and softmax.

use resnetc_ir::Op;

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};
use crate::import::onnx::movement::Movement;

/// `BatchNormalization` with the stored statistics. The results for training (up to four more in versions before
/// 14) are not computed.
pub(super) fn batch_normalization(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if call.flag("training_mode", false)? {
        return bad(
            "training_mode",
            "is 1: the model was exported for training; export it in evaluation mode",
        );
    }
    if !call.flag("spatial", true)? {
        return bad("spatial", "is 0: statistics for each pixel are not supported");
    }
    let epsilon = match call.float("epsilon")?.unwrap_or(1e-5) {
        e if e.is_finite() && e >= 0.0 => shortest(e),
        e => return bad("epsilon", format!("is {e}, a finite number of at least 0 is needed")),
    };
    let operands = (0..5).map(|i| builder.operand(call, i)).collect::<Result<Vec<_>>>()?;
    builder.finish(call, Op::BatchNorm { epsilon }, &operands)
}

/// The file holds the nearest f32 to the number that was meant, such as 1e-5; the shortest decimal that reads as
/// this f32 is that number.
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

/// `Softmax`. Before version 13 the operand is taken as a matrix that is split before `axis`.
pub(super) fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let shape = builder.graph.node(x).ty.shape.clone();
    if call.opset >= 13 {
        let axis = axis_of(call.int_or("axis", -1)?, shape.len())?;
        return builder.finish(call, Op::Softmax { axis }, &[x]);
    }
    let axis = axis_of(call.int_or("axis", 1)?, shape.len())?;
    if shape[axis + 1..].iter().all(|&d| d == 1) {
        return builder.finish(call, Op::Softmax { axis }, &[x]);
    }
    let matrix = vec![shape[..axis].iter().product(), shape[axis..].iter().product()];
    let rows = builder.add(call, Op::Reshape { shape: matrix }, &[x])?;
    let result = builder.add(call, Op::Softmax { axis: 1 }, &[rows])?;
    builder.finish(call, Op::Reshape { shape }, &[result])
}
