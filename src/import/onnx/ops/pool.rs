//! Pools over windows and over whole images.

use resnetc_ir::infer::{WindowAxis, output_extent};
use resnetc_ir::op::{Binary, Pool};
use resnetc_ir::{NodeId, Op};

use super::powers::Norm;
use super::window::{Image, is_same, spatial_axes, window};
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Refusal, Result, Value};

fn pool(builder: &Builder, call: &Call<'_>, x: NodeId) -> Result<(Image, Pool)> {
    let image = Image::of(builder.shape_of(x))?;
    let window = window(call, &image, None)?;
    // Padding `SAME` fixes the number of windows, so nothing is left to round.
    let ceil_mode = call.flag("ceil_mode", false)? && !is_same(call)?;
    Ok((image, Pool { window, ceil_mode }))
}

/// `MaxPool`. The attribute `storage_order` only concerns the second result, which is refused.
pub(super) fn max_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    Ok(vec![Value::Node(max(builder, call, x)?)])
}

/// The maximum of every window that the attributes of a call describe.
pub(super) fn max(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let (image, pool) = pool(builder, call, x)?;
    image.run(builder, call, Op::MaxPool(pool), vec![x])
}

/// `AveragePool`.
pub(super) fn average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    Ok(vec![Value::Node(average(builder, call, x)?)])
}

/// The mean of every window that the attributes of a call describe.
pub(super) fn average(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let (image, pool) = pool(builder, call, x)?;
    let count_include_pad = call.flag("count_include_pad", false)?;
    image.run(builder, call, Op::AveragePool { pool, count_include_pad }, vec![x])
}

/// `GlobalAveragePool`.
pub(super) fn global_average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    Ok(vec![Value::Node(global_average(builder, call, x)?)])
}

/// The mean of every channel.
pub(super) fn global_average(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let axes = spatial_axes(builder, x)?;
    match axes.len() {
        2 => builder.add(call, Op::GlobalAveragePool, &[x]),
        _ => builder.add(call, Op::ReduceMean { axes, keep_dims: true }, &[x]),
    }
}

/// `GlobalMaxPool`.
pub(super) fn global_max_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let axes = spatial_axes(builder, x)?;
    builder.finish(call, Op::ReduceMax { axes, keep_dims: true }, &[x])
}

/// `LpPool`: the root of the mean of powers of magnitudes times the number of taps, where padding
/// counts as 0.
pub(super) fn lp_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (norm, x) = (Norm::of(call)?, builder.operand(call, 0)?);
    let (image, pool) = pool(builder, call, x)?;
    let pool = with_padding(pool, &image)?;
    let terms = norm.terms(builder, call, x)?;
    let taps: usize = pool.window.kernel.iter().product();
    let mean = Op::AveragePool { pool, count_include_pad: true };
    let mean = image.run(builder, call, mean, vec![terms])?;
    let sum = builder.with_number(call, Binary::Mul, mean, taps as f32)?;
    Ok(vec![Value::Node(norm.root(builder, call, sum)?)])
}

/// The same windows without `ceil_mode`: the padding after the input ends where the last window
/// does, so every window has all its taps.
fn with_padding(mut pool: Pool, image: &Image) -> Result<Pool> {
    if !pool.ceil_mode {
        return Ok(pool);
    }
    let [vertical, horizontal] = WindowAxis::pair(&pool.window);
    let [.., height, width] = image.shape;
    let after = |input: usize, axis: WindowAxis| {
        let windows = output_extent(input, &axis, true).map_err(|e| e.to_string())?;
        let end = (windows - 1) * axis.stride + axis.span();
        Ok::<_, Refusal>(end.saturating_sub(axis.before + input))
    };
    pool.window.pads.bottom = after(height, vertical)?;
    pool.window.pads.right = after(width, horizontal)?;
    pool.ceil_mode = false;
    Ok(pool)
}
