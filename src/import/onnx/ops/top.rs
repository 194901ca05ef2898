//! The largest and smallest elements along an axis, and their positions.

use resnetc_ir::op::{Binary, SliceAxis, TopK, TopPart};
use resnetc_ir::{NodeId, Op};

use super::quantize;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axis_of, bad};
use crate::import::onnx::proto::DataType;

/// The operand as a run-time value of floats, whatever its element type.
fn operand(builder: &mut Builder, call: &Call<'_>) -> Result<NodeId> {
    let x = call.required(0)?.clone();
    quantize::floats(builder, call, &x)
}

/// `ArgMax` and `ArgMin`: NaN wins in both, as in NumPy.
pub(super) fn arg(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let mut x = operand(builder, call)?;
    let mut shape = builder.shape_of(x);
    let axis = axis_of(call.int_or("axis", 0)?, shape.len())?;
    let extent = shape[axis];
    let keeps = call.flag("keepdims", true)?;
    let is_last = call.flag("select_last_index", false)?;
    if call.op() == "ArgMin" {
        x = builder.with_number(call, Binary::Mul, x, -1.0)?;
    }
    if is_last {
        x = builder.add(call, Op::Slice(reversed(&shape, axis)), &[x])?;
    }
    let top = TopK { axis, k: 1, largest: true, part: TopPart::Indices };
    let mut index = builder.add(call, Op::TopK(top), &[x])?;
    if is_last {
        let last = builder.scalar(call, (extent - 1) as f32);
        index = builder.binary(call, Binary::Sub, last, index)?;
    }
    if !keeps {
        shape.remove(axis);
        index = builder.reshape(call, index, shape)?;
    }
    builder.declare(index, DataType::Int64);
    Ok(vec![Value::Node(index)])
}

/// The whole value, with one axis reversed.
fn reversed(shape: &[usize], axis: usize) -> Vec<SliceAxis> {
    let one = |(i, &len): (usize, &usize)| match i == axis {
        true => SliceAxis { start: len - 1, step: -1, len },
        false => SliceAxis { start: 0, step: 1, len },
    };
    shape.iter().enumerate().map(one).collect()
}

/// `TopK`: `k` is an attribute up to version 9, then an operand. The results are always sorted,
/// even if the node does not require it.
pub(super) fn top_k(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = operand(builder, call)?;
    let shape = builder.shape_of(x);
    let axis = axis_of(call.int_or("axis", -1)?, shape.len())?;
    let largest = call.flag("largest", true)?;
    call.flag("sorted", true)?;
    let k = match call.known_ints(1, "k")? {
        Some(&[k]) => k,
        Some(other) => return bad("k", format!("has {} elements; it must have one", other.len())),
        None => match call.int("k")? {
            Some(k) => k,
            None => return bad("k", "is missing"),
        },
    };
    let extent = shape[axis];
    let Some(k) = usize::try_from(k).ok().filter(|k| (1..=extent).contains(k)) else {
        return bad("k", format!("is {k}; it must be 1 to {extent}"));
    };
    let mut part = |part| builder.add(call, Op::TopK(TopK { axis, k, largest, part }), &[x]);
    let (values, indices) = (part(TopPart::Values)?, part(TopPart::Indices)?);
    if let Some(ty) = quantize::type_of(builder, call.required(0)?) {
        builder.declare(values, ty);
    }
    builder.declare(indices, DataType::Int64);
    Ok(vec![Value::Node(values), Value::Node(indices)])
}
