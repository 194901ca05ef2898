//! Operators that select elements.

use resnetc_ir::op::SliceAxis;

use super::constants::to_shape;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};
use crate::import::onnx::literal::Literal;
use crate::import::onnx::movement::Movement;

/// Every element along each axis.
pub(super) fn whole(shape: &[usize]) -> Vec<SliceAxis> {
    shape.iter().map(|&len| SliceAxis { start: 0, step: 1, len }).collect()
}

/// `Slice`: bounds are attributes before version 10, operands since.
pub(super) fn slice(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let starts = call.ints_either("starts", 1)?.unwrap_or_default();
    let ends = call.ints_either("ends", 2)?.unwrap_or_default();
    let axes = call.ints_either("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.known_ints(4, "steps")?.map_or_else(|| vec![1; starts.len()], <[i64]>::to_vec);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in length".into());
    }
    let mut selection = whole(&shape);
    let mut seen = vec![false; shape.len()];
    for (i, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, shape.len())?;
        if std::mem::replace(&mut seen[axis], true) {
            return bad("axes", format!("{axes:?} names an axis twice"));
        }
        selection[axis] = select(shape[axis], starts[i], ends[i], steps[i])?;
    }
    Ok(vec![builder.apply(call, call.required(0)?, Movement::Slice(selection))?])
}

/// One axis of a slice. Bounds count from the back if negative, and are clamped to the value.
fn select(extent: usize, start: i64, end: i64, step: i64) -> Result<SliceAxis> {
    // 128 bits hold every sum and difference of these numbers.
    let (n, step) = (extent as i128, i128::from(step));
    let from_front = |at: i64| if at < 0 { i128::from(at) + n } else { i128::from(at) };
    if step == 0 {
        return bad("steps", "has a 0");
    }
    let (lowest, highest) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let start = from_front(start).clamp(lowest.max(0).min(highest), highest);
    let end = from_front(end).clamp(lowest, highest);
    let distance = if step > 0 { end - start } else { start - end };
    let len = if distance > 0 { (distance + step.abs() - 1) / step.abs() } else { 0 };
    // With a single element the step is never taken, so any value will do.
    let step = if len > 1 { step as isize } else { 1 };
    Ok(SliceAxis { start: start.max(0) as usize, step, len: len as usize })
}

/// `Split`: into equal parts, or into parts of given extents.
pub(super) fn split(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let axis = axis_of(call.int_or("axis", 0)?, shape.len())?;
    let parts = match call.ints_either("split", 1)? {
        Some(parts) => to_shape(&parts)?,
        None => equal_parts(shape[axis], call.node.output.len())?,
    };
    let sum = parts.iter().try_fold(0usize, |n, &p| n.checked_add(p));
    if sum != Some(shape[axis]) || parts.len() != call.node.output.len() {
        return bad("split", format!("{parts:?} does not split axis {axis} of {shape:?}"));
    }
    let mut start = 0;
    let mut results = Vec::new();
    for len in parts {
        let mut selection = whole(&shape);
        selection[axis] =
            SliceAxis { start: start.min(shape[axis].saturating_sub(1)), step: 1, len };
        results.push(builder.apply(call, call.required(0)?, Movement::Slice(selection))?);
        start += len;
    }
    Ok(results)
}

/// All parts have the same extent, except that the last may be smaller.
fn equal_parts(extent: usize, count: usize) -> Result<Vec<usize>> {
    if count == 0 || count > extent {
        return bad("num_outputs", format!("{extent} elements cannot be split into {count} parts"));
    }
    let each = extent.div_ceil(count);
    Ok((0..count).map(|i| each.min(extent.saturating_sub(i * each))).collect())
}

/// `Gather` with constant indices.
pub(super) fn gather(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let axis = axis_of(call.int_or("axis", 0)?, shape.len())?;
    let indices = indices(call)?;
    let positions = indices.as_ints().into_iter().flatten().map(|&i| axis_of(i, shape[axis]));
    let Ok(positions) = positions.collect::<Result<Vec<usize>>>() else {
        return Err(format!("an index is outside axis {axis} of {shape:?}").into());
    };
    let mut to = shape[..axis].to_vec();
    to.extend(&indices.shape);
    to.extend(&shape[axis + 1..]);
    if let (Value::Node(_), true) = (call.required(0)?, positions.is_empty()) {
        return Err("it gathers 0 elements of a run-time value".into());
    }
    let picks = Movement::picks(&shape, axis, positions);
    let picked = builder.apply(call, call.required(0)?, picks)?;
    Ok(vec![builder.apply(call, &picked, Movement::Reshape(to))?])
}

/// The indices of a gather.
fn indices<'a>(call: &'a Call<'_>) -> Result<&'a Literal> {
    match call.known(1, "the index")? {
        None => Err("the index is missing".into()),
        Some(indices) if indices.as_ints().is_some() => Ok(indices),
        Some(_) => Err("the index must be an integer of 32 or 64 bits".into()),
    }
}

/// `GatherND` with constant indices: each row along the last axis of the indices selects a part of
/// the value by its position on several axes, which are merged into one.
pub(super) fn gather_nd(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let indices = indices(call)?;
    let Some((&named, places)) = indices.shape.split_last() else {
        return Err("the indices have no axes".into());
    };
    let batch = match usize::try_from(call.int_or("batch_dims", 0)?) {
        Ok(batch) if batch <= places.len() && batch + named <= shape.len() => batch,
        _ => return bad("batch_dims", format!("do not fit {shape:?} and {:?}", indices.shape)),
    };
    if named == 0 || shape[..batch] != places[..batch] {
        return Err(format!(
            "indices of shape {:?} do not fit a value of shape {shape:?}",
            indices.shape
        )
        .into());
    }
    let axes = &shape[batch..batch + named];
    let within: usize = axes.iter().product();
    let a_batch: usize = places[batch..].iter().product();
    let mut positions = Vec::new();
    let ints = indices.as_ints().unwrap_or(&[]);
    for (n, index) in ints.chunks_exact(named).enumerate() {
        let mut position = n / a_batch;
        for (&i, &extent) in index.iter().zip(axes) {
            let Ok(i) = axis_of(i, extent) else {
                return Err(format!("index {index:?} is outside {axes:?}").into());
            };
            position = position * extent + i;
        }
        positions.push(position);
    }
    if positions.is_empty() {
        return Err("it gathers nothing".into());
    }
    let rest = &shape[batch + named..];
    let outer = shape[..batch].iter().product::<usize>() * within;
    let merged: Vec<usize> = std::iter::once(outer).chain(rest.iter().copied()).collect();
    let to = places.iter().chain(rest).copied().collect();
    let rows = builder.apply(call, call.required(0)?, Movement::Reshape(merged.clone()))?;
    let picked = builder.apply(call, &rows, Movement::picks(&merged, 0, positions))?;
    Ok(vec![builder.apply(call, &picked, Movement::Reshape(to))?])
}
