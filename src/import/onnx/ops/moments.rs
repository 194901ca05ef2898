//! Normalizations by the mean and the variance of the value itself.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::normalize::epsilon;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, axes_of, axis_of, bad};

/// A normalized value, and the mean and scale that normalized it.
struct Normalized {
    value: NodeId,
    mean: NodeId,
    /// One over the square root of the variance.
    scale: NodeId,
}

/// `(x - mean) / sqrt(variance + epsilon)`, both over `axes`; in two passes, so that a large mean
/// does not swamp the variance.
fn normalize(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    axes: &[usize],
    epsilon: f64,
) -> Result<Normalized> {
    let mean = mean(builder, call, x, axes)?;
    let centred = builder.binary(call, Binary::Sub, x, mean)?;
    let scale = inverse_root_mean_square(builder, call, centred, axes, epsilon)?;
    Ok(Normalized { value: builder.binary(call, Binary::Mul, centred, scale)?, mean, scale })
}

fn mean(builder: &mut Builder, call: &Call<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId> {
    builder.add(call, Op::ReduceMean { axes: axes.to_vec(), keep_dims: true }, &[x])
}

fn inverse_root_mean_square(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    axes: &[usize],
    epsilon: f64,
) -> Result<NodeId> {
    let squares = builder.binary(call, Binary::Mul, x, x)?;
    let mean = mean(builder, call, squares, axes)?;
    let sum = builder.with_number(call, Binary::Add, mean, epsilon as f32)?;
    let root = builder.unary(call, Unary::Sqrt, sum)?;
    let one = builder.scalar(call, 1.0);
    builder.binary(call, Binary::Div, one, root)
}

/// Scales and shifts a value by two operands with one number per channel (axis 1).
fn per_channel(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    scale: NodeId,
    shift: NodeId,
) -> Result<NodeId> {
    let shape = builder.shape_of(x);
    let mut aligned = vec![1; shape.len()];
    aligned[1] = shape[1];
    for parameter in [scale, shift] {
        if builder.shape_of(parameter) != [shape[1]] {
            let found = builder.shape_of(parameter);
            return Err(format!(
                "scale and bias must have shape [{}], but one has {found:?}",
                shape[1]
            )
            .into());
        }
    }
    let scale = builder.reshape(call, scale, aligned.clone())?;
    let shift = builder.reshape(call, shift, aligned)?;
    let scaled = builder.binary(call, Binary::Mul, x, scale)?;
    builder.binary(call, Binary::Add, scaled, shift)
}

/// `InstanceNormalization`: normalizes each channel of each image by itself.
pub(super) fn instance(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (x, scale, shift) =
        (builder.operand(call, 0)?, builder.operand(call, 1)?, builder.operand(call, 2)?);
    let rank = builder.shape_of(x).len();
    if rank < 3 {
        return Err("its input has no spatial axes".into());
    }
    let axes: Vec<usize> = (2..rank).collect();
    let normalized = normalize(builder, call, x, &axes, epsilon(call)?)?.value;
    Ok(vec![Value::Node(per_channel(builder, call, normalized, scale, shift)?)])
}

/// `GroupNormalization`: normalizes groups of channels of each image. Scale and bias are per group
/// before version 21, per channel since.
pub(super) fn group(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (x, scale, shift) =
        (builder.operand(call, 0)?, builder.operand(call, 1)?, builder.operand(call, 2)?);
    let shape = builder.shape_of(x);
    let [n, channels, spatial @ ..] = &shape[..] else {
        return Err(format!("its input {shape:?} has no channels").into());
    };
    let groups = match call.int("num_groups")? {
        None => return bad("num_groups", "is missing"),
        Some(g) => usize::try_from(g).ok().filter(|&g| g > 0 && channels % g == 0),
    };
    let Some(groups) = groups else {
        return bad("num_groups", format!("does not divide {channels} channels"));
    };
    let inside = channels / groups * spatial.iter().product::<usize>();
    let grouped = builder.reshape(call, x, vec![*n, groups, inside])?;
    let normalized = normalize(builder, call, grouped, &[2], epsilon(call)?)?.value;
    let result = match call.opset < 21 {
        true => {
            let scaled = per_channel(builder, call, normalized, scale, shift)?;
            builder.reshape(call, scaled, shape)?
        }
        false => {
            let normalized = builder.reshape(call, normalized, shape)?;
            per_channel(builder, call, normalized, scale, shift)?
        }
    };
    Ok(vec![Value::Node(result)])
}

/// The axes from the attribute `axis` to the last.
fn trailing_axes(call: &Call<'_>, rank: usize) -> Result<Vec<usize>> {
    Ok((axis_of(call.int_or("axis", -1)?, rank)?..rank).collect())
}

/// `LayerNormalization` over the trailing axes from `axis` on. The other results are the mean and
/// the inverse square root of the variance.
pub(super) fn layer(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (x, scale) = (builder.operand(call, 0)?, builder.operand(call, 1)?);
    let axes = trailing_axes(call, builder.shape_of(x).len())?;
    let normalized = normalize(builder, call, x, &axes, epsilon(call)?)?;
    let mut value = builder.binary(call, Binary::Mul, normalized.value, scale)?;
    if let Some(shift) = builder.optional(call, 2)? {
        value = builder.binary(call, Binary::Add, value, shift)?;
    }
    Ok([value, normalized.mean, normalized.scale].map(Value::Node).to_vec())
}

/// `RMSNormalization`: a layer normalization without the mean.
pub(super) fn root_mean_square(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (x, scale) = (builder.operand(call, 0)?, builder.operand(call, 1)?);
    let axes = trailing_axes(call, builder.shape_of(x).len())?;
    let inverse = inverse_root_mean_square(builder, call, x, &axes, epsilon(call)?)?;
    let normalized = builder.binary(call, Binary::Mul, x, inverse)?;
    builder.finish(call, Op::Binary(Binary::Mul), &[normalized, scale])
}

/// `MeanVarianceNormalization`.
pub(super) fn mean_variance(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    /// The standard adds this to the standard deviation.
    const EPSILON: f32 = 1e-9;
    let x = builder.operand(call, 0)?;
    let axes = axes_of(call.ints("axes")?.unwrap_or(&[0, 2, 3]), builder.shape_of(x).len())?;
    let mean_of = mean(builder, call, x, &axes)?;
    let centred = builder.binary(call, Binary::Sub, x, mean_of)?;
    let squares = builder.binary(call, Binary::Mul, centred, centred)?;
    let variance = mean(builder, call, squares, &axes)?;
    let deviation = builder.unary(call, Unary::Sqrt, variance)?;
    let divisor = builder.with_number(call, Binary::Add, deviation, EPSILON)?;
    builder.finish(call, Op::Binary(Binary::Div), &[centred, divisor])
}
