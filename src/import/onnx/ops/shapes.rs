//! Operators that give the same elements another shape or order, and those that return a shape.

use resnetc_ir::NodeId;
use resnetc_ir::infer::MAX_RANK;
use resnetc_ir::op::Binary;

use super::constants::to_shape;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axes_of, axis_of, bad};
use crate::import::onnx::literal::{Literal, elements};
use crate::import::onnx::movement::{self, Movement, broadcast_shape};

/// Applies a movement to the first operand.
fn moved(builder: &mut Builder, call: &Call<'_>, movement: Movement) -> Result<Vec<Value>> {
    Ok(vec![builder.apply(call, call.required(0)?, movement)?])
}

/// `Identity`.
pub(super) fn identity(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    moved(builder, call, Movement::Identity)
}

/// `Shape`: shapes are static, so this is a constant.
pub(super) fn shape(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let rank = shape.len() as i64;
    let bound =
        |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = bound(call.int_or("start", 0)?);
    let end = bound(call.int_or("end", rank)?).max(start);
    Ok(vec![Value::Known(Literal::list(shape[start..end].iter().map(|&d| d as i64).collect()))])
}

/// `Size`.
pub(super) fn size(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let count = elements(&builder.shape(call.required(0)?))?;
    Ok(vec![Value::Known(Literal::ints(vec![], vec![count as i64])?)])
}

/// `Reshape`.
pub(super) fn reshape(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let from = builder.shape(call.required(0)?);
    let Some(to) = call.known_ints(1, "the new shape")? else {
        return Err("the new shape is missing".into());
    };
    let shape = resolve(&from, to, call.flag("allowzero", false)?)?;
    let shape = match call.required(0)? {
        Value::Node(x) if elements(&shape)? != elements(&from)? => {
            let unburnt = builder.batch.unburnt(&builder.graph, *x, &shape);
            unburnt.ok_or_else(|| {
                format!(
                    "{from:?} cannot be reshaped to {to:?}; if the model was exported for another batch or \
                     size, export it with that dimension dynamic"
                )
            })?
        }
        _ => shape,
    };
    moved(builder, call, Movement::Reshape(shape))
}

/// Replaces the placeholders of a new shape: 0 keeps the extent at that position, and a single -1
/// takes the remaining elements.
fn resolve(from: &[usize], to: &[i64], allow_zero: bool) -> Result<Vec<usize>> {
    let dim = |(i, &d): (usize, &i64)| match d {
        0 if !allow_zero => {
            from.get(i).copied().ok_or_else(|| format!("{to:?} keeps axis {i}, but there is none"))
        }
        -1 => Ok(1),
        d => usize::try_from(d).map_err(|_| format!("{to:?} is not a shape")),
    };
    let mut shape = to.iter().enumerate().map(dim).collect::<std::result::Result<Vec<_>, _>>()?;
    let unknown: Vec<usize> = (0..to.len()).filter(|&i| to[i] == -1).collect();
    match unknown[..] {
        [] => {}
        [i] => match (elements(from)?, elements(&shape)?) {
            (all, rest) if rest > 0 && all % rest == 0 => shape[i] = all / rest,
            _ => return Err(format!("{from:?} cannot be reshaped to {to:?}").into()),
        },
        _ => return Err(format!("{to:?} has more than one -1").into()),
    }
    Ok(shape)
}

/// `Flatten`.
pub(super) fn flatten(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let from = builder.shape(call.required(0)?);
    let axis = match call.int_or("axis", 1)? {
        // Unlike elsewhere, one past the last axis is allowed here.
        a if a == from.len() as i64 => from.len(),
        a => axis_of(a, from.len())?,
    };
    let shape = vec![from[..axis].iter().product(), from[axis..].iter().product()];
    moved(builder, call, Movement::Reshape(shape))
}

/// `Squeeze`: removes the named axes, which must have extent 1, or all such axes if none is named.
pub(super) fn squeeze(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let from = builder.shape(call.required(0)?);
    let axes = match call.ints_either("axes", 1)? {
        Some(axes) => axes_of(&axes, from.len())?,
        None => (0..from.len()).filter(|&i| from[i] == 1).collect(),
    };
    if let Some(axis) = axes.iter().find(|&&a| from[a] != 1) {
        return bad("axes", format!("axis {axis} of {from:?} is not of extent 1"));
    }
    let shape = (0..from.len()).filter(|i| !axes.contains(i)).map(|i| from[i]).collect();
    moved(builder, call, Movement::Reshape(shape))
}

/// `Unsqueeze`: the axes refer to the result.
pub(super) fn unsqueeze(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let mut shape = builder.shape(call.required(0)?);
    let Some(axes) = call.ints_either("axes", 1)? else { return bad("axes", "is missing") };
    let rank = shape.len() + axes.len();
    if rank > MAX_RANK {
        return bad("axes", format!("gives the result rank {rank}; the limit is {MAX_RANK}"));
    }
    for axis in axes_of(&axes, rank)? {
        shape.insert(axis, 1);
    }
    moved(builder, call, Movement::Reshape(shape))
}

/// `Transpose`: without `perm`, the axes are reversed.
pub(super) fn transpose(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let rank = builder.shape(call.required(0)?).len();
    let perm: Vec<usize> = match call.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => to_shape(perm)?,
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return bad("perm", format!("{perm:?} is not a permutation of {rank} axes"));
    }
    moved(builder, call, Movement::Transpose(perm))
}

/// `Expand`.
pub(super) fn expand(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let from = builder.shape(call.required(0)?);
    let Some(to) = call.known_ints(1, "the new shape")? else {
        return Err("the new shape is missing".into());
    };
    let shape = broadcast_shape(&from, &to_shape(to)?)?;
    match call.required(0)? {
        Value::Known(x) => {
            builder.claim(elements(&shape)?)?;
            Ok(vec![Value::Known(movement::broadcast(x, &shape)?)])
        }
        Value::Node(_) if shape == from => identity(builder, call),
        Value::Node(x) => Ok(vec![Value::Node(repeat(builder, call, *x, &shape)?)]),
    }
}

/// `Tile`: repeats the value along each axis.
pub(super) fn tile(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let from = builder.shape(call.required(0)?);
    let Some(repeats) = call.known_ints(1, "repeats")? else {
        return Err("repeats are missing".into());
    };
    let repeats = to_shape(repeats)?;
    if repeats.len() != from.len() {
        return Err(format!("{} repeats for the axes of {from:?}", repeats.len()).into());
    }
    let times = |(&extent, &times): (&usize, &usize)| extent.saturating_mul(times);
    elements(&from.iter().zip(&repeats).map(times).collect::<Vec<_>>())?;
    let mut value = call.required(0)?.clone();
    if let Value::Node(x) = value {
        if repeats.contains(&0) {
            return Err("it repeats a run-time value 0 times".into());
        }
        // Copies of a single element need not be made for an operator that broadcasts.
        let single = |(&extent, &times): (&usize, &usize)| if extent == 1 { times } else { extent };
        let shape: Vec<usize> = from.iter().zip(&repeats).map(single).collect();
        if shape != from {
            value = Value::Node(repeat(builder, call, x, &shape)?);
        }
    }
    for (axis, &times) in repeats.iter().enumerate() {
        let shape = builder.shape(&value);
        if shape[axis] == from[axis] && times != 1 {
            builder.claim(from[axis] * times)?;
            let positions = (0..from[axis] * times).map(|i| i % from[axis]).collect();
            value = builder.apply(call, &value, Movement::picks(&shape, axis, positions))?;
        }
    }
    Ok(vec![value])
}

/// A run-time value expanded along axes of extent 1, as a product with ones.
fn repeat(builder: &mut Builder, call: &Call<'_>, x: NodeId, shape: &[usize]) -> Result<NodeId> {
    let from = builder.shape_of(x);
    let mut aligned = vec![1; shape.len() - from.len()];
    aligned.extend(from);
    let times = |(&have, &want)| if have == want { 1 } else { want };
    let ones = aligned.iter().zip(shape).map(times).collect();
    let ones = builder.filled(call, ones, 1.0)?;
    let x = builder.reshape(call, x, aligned)?;
    builder.binary(call, Binary::Mul, x, ones)
}
