//! Convolution.

use resnetc_ir::op::Conv;
use resnetc_ir::{NodeId, Op};

use super::volume::Volume;
use super::window::{Image, window};
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};

/// `Conv`, of one or two dimensions, or of three if the last is only carried along.
pub(super) fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let operands = [builder.operand(call, 0)?, builder.operand(call, 1)?];
    let bias = builder.optional(call, 2)?;
    Ok(vec![Value::Node(convolution(builder, call, operands, bias)?)])
}

/// The convolution that the attributes of a call describe.
pub(super) fn convolution(
    builder: &mut Builder,
    call: &Call<'_>,
    [x, weights]: [NodeId; 2],
    bias: Option<NodeId>,
) -> Result<NodeId> {
    let groups = match call.int_or("group", 1)? {
        g if g >= 1 => g as usize,
        g => return bad("group", format!("is {g}; it must be at least 1")),
    };
    let (shape, kernel) = (builder.shape_of(x), builder.shape_of(weights));
    if shape.len() != kernel.len() {
        let message = format!("X {shape:?} and W {kernel:?} must have the same rank");
        return Err(message.into());
    }
    if let (&[n, c, h, w, d], &[k, c_group, kh, kw, kd]) = (&shape[..], &kernel[..]) {
        let volume = Volume::of(call, [n, c, h, w, d], [kh, kw, kd])?;
        let weights = builder.reshape(call, weights, vec![k, c_group, kh, kw])?;
        let conv = Conv { bias: bias.is_some(), ..Conv::new(volume.window, groups) };
        let operands = [x, weights].into_iter().chain(bias).collect();
        return volume.run(builder, call, Op::Conv(conv), operands);
    }
    let image = Image::of(shape)?;
    let (kernel, weights) = match kernel[..] {
        [k, c, w] => ([1, w], builder.reshape(call, weights, vec![k, c, 1, w])?),
        [_, _, h, w] => ([h, w], weights),
        _ => return Err(format!("its weights {kernel:?} are not convolution kernels").into()),
    };
    let window = window(call, &image, Some(kernel))?;
    let conv = Conv { bias: bias.is_some(), ..Conv::new(window, groups) };
    let operands = [x, weights].into_iter().chain(bias).collect();
    image.run(builder, call, Op::Conv(conv), operands)
}
