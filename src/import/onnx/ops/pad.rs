//! Padding.

use resnetc_ir::op::{PadMode, SliceAxis};
use resnetc_ir::{NodeId, Op};

use super::indexing::whole;
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
    match mode(call)? {
        Some(mode) => builder.finish(call, Op::Pad { before, after, mode }, &[x]),
        None => Ok(vec![Value::Node(repeat_edges(builder, call, x, &before, &after)?)]),
    }
}

/// Padding that repeats the outermost elements, as those elements joined to the value, axis by axis: corners come
/// out right because a later axis also repeats what an earlier one added.
fn repeat_edges(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    before: &[usize],
    after: &[usize],
) -> Result<NodeId> {
    const MOST: usize = 64;
    let mut x = x;
    for axis in 0..before.len() {
        if before[axis].max(after[axis]) > MOST {
            return bad("pads", format!("mode edge repeats an element more than {MOST} times"));
        }
        let extent = builder.graph.node(x).ty.shape[axis];
        let mut parts = Vec::new();
        if before[axis] > 0 {
            parts.resize(before[axis], one_of(builder, call, x, axis, 0)?);
        }
        parts.push(x);
        if after[axis] > 0 {
            parts.resize(parts.len() + after[axis], one_of(builder, call, x, axis, extent - 1)?);
        }
        if parts.len() > 1 {
            x = builder.add(call, Op::Concat { axis }, &parts)?;
        }
    }
    Ok(x)
}

/// The part of a value at one position of an axis.
fn one_of(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    axis: usize,
    start: usize,
) -> Result<NodeId> {
    let mut selection = whole(&builder.graph.node(x).ty.shape);
    selection[axis] = SliceAxis { start, step: 1, len: 1 };
    builder.add(call, Op::Slice(selection), &[x])
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

/// The mode; `None` for `edge`.
fn mode(call: &Call<'_>) -> Result<Option<PadMode>> {
    match call.string("mode")?.unwrap_or("constant") {
        "constant" => {
            let value = match call.known_scalar(2, "constant_value")? {
                Some(value) => value as f32,
                None => call.float("value")?.unwrap_or(0.0),
            };
            Ok(Some(PadMode::Constant(value)))
        }
        "reflect" => Ok(Some(PadMode::Reflect)),
        "edge" => Ok(None),
        other => {
            bad("mode", format!("\"{other}\" is not supported; constant, reflect and edge are"))
        }
    }
}
