//! Pools over windows and over whole pictures.

use resnetc_ir::Op;
use resnetc_ir::op::{Pads, Pool, Window};

use super::window::{is_same, window};
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};

fn pool(builder: &mut Builder, call: &Call<'_>) -> Result<Pool> {
    let input = builder.shape(call.required(0)?);
    let window = window(call, &input, None)?;
    // With a fixed number of windows there is nothing left to round.
    let ceil_mode = call.flag("ceil_mode", false)? && !is_same(call)?;
    Ok(Pool { window, ceil_mode })
}

/// `MaxPool`. The attribute `storage_order` only concerns the second result, which is refused.
pub(super) fn max_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let pool = pool(builder, call)?;
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::MaxPool(pool), &[x])
}

/// `AveragePool`.
pub(super) fn average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let pool = pool(builder, call)?;
    let count_include_pad = call.flag("count_include_pad", false)?;
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::AveragePool { pool, count_include_pad }, &[x])
}

/// `GlobalAveragePool`.
pub(super) fn global_average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::GlobalAveragePool, &[x])
}

/// `GlobalMaxPool`, as one window over the whole picture.
pub(super) fn global_max_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let &[_, _, height, width] = &shape[..] else {
        return Err(format!("its input {shape:?} is no [N, C, H, W] picture").into());
    };
    let window = Window {
        kernel: [height, width],
        strides: [1; 2],
        dilations: [1; 2],
        pads: Pads::default(),
    };
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::MaxPool(Pool { window, ceil_mode: false }), &[x])
}
