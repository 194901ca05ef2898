//! Convolution.

use resnetc_ir::Op;
use resnetc_ir::op::Conv;

use super::window::window;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};

/// `Conv`, two-dimensional.
pub(super) fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let input = builder.shape(call.required(0)?);
    let weights = builder.shape(call.required(1)?);
    let kernel = match weights[..] {
        [_, _, h, w] => Some([h, w]),
        _ => None,
    };
    let window = window(call, &input, kernel)?;
    let groups = match call.int_or("group", 1)? {
        g if g >= 1 => g as usize,
        g => return bad("group", format!("is {g}, at least 1 is needed")),
    };
    let mut operands = vec![builder.operand(call, 0)?, builder.operand(call, 1)?];
    let bias = builder.optional(call, 2)?;
    operands.extend(bias);
    builder.finish(
        call,
        Op::Conv(Conv { bias: bias.is_some(), ..Conv::new(window, groups) }),
        &operands,
    )
}
