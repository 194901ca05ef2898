//! Padding.

use resnetc_ir::Op;
use resnetc_ir::op::PadMode;

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};

/// `Pad`: extents and value are attributes before version 11, operands since; axes may be chosen since 18.
pub(super) fn pad(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let rank = builder.graph.node(x).ty.shape.len();
    let axes = match call.known_ints(3, "axes")? {
        Some(axes) => axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    let pads = call.ints_either("pads", 1)?;
    let Some(pads) = pads.filter(|p| p.len() == 2 * axes.len()) else {
        return bad("pads", format!("two entries are needed for each of {} axes", axes.len()));
    };
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (i, &axis) in axes.iter().enumerate() {
        before[axis] = extent(pads[i])?;
        after[axis] = extent(pads[i + axes.len()])?;
    }
    let mode = mode(call)?;
    builder.finish(call, Op::Pad { before, after, mode }, &[x])
}

fn extent(pad: i64) -> Result<usize> {
    match usize::try_from(pad) {
        Ok(pad) => Ok(pad),
        Err(_) => bad(
            "pads",
            format!("has {pad}; removing elements with negative padding is not supported"),
        ),
    }
}

fn mode(call: &Call<'_>) -> Result<PadMode> {
    match call.string("mode")?.unwrap_or("constant") {
        "constant" => {
            let value = match call.known_scalar(2, "constant_value")? {
                Some(value) => value as f32,
                None => call.float("value")?.unwrap_or(0.0),
            };
            Ok(PadMode::Constant(value))
        }
        "reflect" => Ok(PadMode::Reflect),
        other => bad("mode", format!("\"{other}\" is not supported; constant and reflect are")),
    }
}
