//! Padding.

use resnetc_ir::op::{PadMode, SliceAxis};
use resnetc_ir::{NodeId, Op};

use super::indexing::whole;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};
use crate::import::onnx::movement::Movement;

/// `Pad`: extents and value are attributes before version 11, operands since; axes may be chosen
/// since 18.
pub(super) fn pad(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let rank = builder.graph.node(x).ty.shape.len();
    let axes = match call.known_ints(3, "axes")? {
        Some(axes) => axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    let pads = call.ints_either("pads", 1)?;
    let Some(pads) = pads.filter(|p| p.len() == 2 * axes.len()) else {
        return bad("pads", format!("must have two entries for each of {} axes", axes.len()));
    };
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (i, &axis) in axes.iter().enumerate() {
        before[axis] = pads[i];
        after[axis] = pads[i + axes.len()];
    }
    let mode = mode(call)?;
    let whole = x;
    let x = crop(builder, call, x, &before, &after)?;
    let [before, after] =
        [before, after].map(|pads| pads.into_iter().map(added).collect::<Vec<_>>());
    if x != whole && before.iter().chain(&after).all(|&pad| pad == 0) {
        return Ok(vec![Value::Node(x)]);
    }
    let op = match mode {
        Mode::Constant(value) => Op::Pad { before, after, mode: PadMode::Constant(value) },
        // The graph's own operator mirrors once.
        Mode::Repeat(Repeat::Reflect) if is_once(&builder.shape_of(x), [&before, &after]) => {
            Op::Pad { before, after, mode: PadMode::Reflect }
        }
        Mode::Repeat(mode) => {
            return Ok(vec![repeat(builder, call, x, mode, [&before, &after])?]);
        }
    };
    builder.finish(call, op, &[x])
}

/// Whether mirrored padding does not go past the other end of the value.
fn is_once(shape: &[usize], pads: [&[usize]; 2]) -> bool {
    pads.iter().all(|pads| pads.iter().zip(shape).all(|(pad, extent)| pad < extent))
}

/// Padding by elements of the value itself, axis by axis: corners are right because a later axis
/// also repeats what an earlier one added.
fn repeat(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    mode: Repeat,
    [before, after]: [&[usize]; 2],
) -> Result<Value> {
    let mut value = Value::Node(x);
    for (axis, (&before, &after)) in before.iter().zip(after).enumerate() {
        let shape = builder.shape(&value);
        let extent = shape[axis];
        let total = before.checked_add(after).and_then(|added| added.checked_add(extent));
        let Some(total) = total else { return bad("pads", "are too large") };
        builder.claim(total)?;
        let positions = (0..total).map(|i| mode.source(i, before, extent)).collect();
        if total > extent {
            value = builder.apply(call, &value, Movement::picks(&shape, axis, positions))?;
        }
    }
    Ok(value)
}

/// How padding repeats elements.
#[derive(Clone, Copy)]
enum Repeat {
    /// Repeats the outermost element.
    Edge,
    /// Repeats the whole value periodically.
    Wrap,
    /// Repeats the whole value back and forth.
    Reflect,
}

impl Repeat {
    /// Which of `extent` elements is at position `i` of the result.
    fn source(self, i: usize, before: usize, extent: usize) -> usize {
        let around = |period: usize| (i + (period - before % period)) % period;
        match self {
            Repeat::Edge => i.saturating_sub(before).min(extent - 1),
            Repeat::Wrap => around(extent),
            Repeat::Reflect if extent == 1 => 0,
            Repeat::Reflect => match around(2 * (extent - 1)) {
                there if there < extent => there,
                back => 2 * (extent - 1) - back,
            },
        }
    }
}

/// Elements that padding adds.
fn added(pad: i64) -> usize {
    usize::try_from(pad).unwrap_or(0)
}

/// Removes what negative padding removes, before anything is added: only the rest is repeated or
/// mirrored.
fn crop(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    before: &[i64],
    after: &[i64],
) -> Result<NodeId> {
    let removed = |pad: i64| usize::try_from(pad.min(0).unsigned_abs()).unwrap_or(usize::MAX);
    let shape = builder.shape_of(x);
    let mut selection = whole(&shape);
    for (axis, selected) in selection.iter_mut().enumerate() {
        let (start, end) = (removed(before[axis]), removed(after[axis]));
        match shape[axis].checked_sub(start).and_then(|left| left.checked_sub(end)) {
            Some(len @ 1..) => *selected = SliceAxis { start, step: 1, len },
            _ => {
                let (b, a) = (before[axis], after[axis]);
                return bad(
                    "pads",
                    format!("{b} and {a} leave no elements of axis {axis} of {shape:?}"),
                );
            }
        }
    }
    match selection == whole(&shape) {
        true => Ok(x),
        false => builder.add(call, Op::Slice(selection), &[x]),
    }
}

/// The values that padding writes.
enum Mode {
    Constant(f32),
    Repeat(Repeat),
}

fn mode(call: &Call<'_>) -> Result<Mode> {
    Ok(match call.string("mode")?.unwrap_or("constant") {
        "constant" => Mode::Constant(match call.known_scalar(2, "constant_value")? {
            Some(value) => value as f32,
            None => call.float("value")?.unwrap_or(0.0),
        }),
        "reflect" => Mode::Repeat(Repeat::Reflect),
        "edge" => Mode::Repeat(Repeat::Edge),
        "wrap" => Mode::Repeat(Repeat::Wrap),
        other => {
            return bad("mode", format!("\"{other}\" is not constant, reflect, edge or wrap"));
        }
    })
}
