//! Convolution over three spatial axes whose kernel has one element along the last, as in lambda
//! layers.

use resnetc_ir::op::{Pads, Window};
use resnetc_ir::{NodeId, Op};

use super::window::list;
use crate::import::limits::WINDOW_EXTENT as LIMIT;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, bad};

/// The same convolution over two axes: the last two axes are merged, and a step along the first of
/// them becomes a dilation.
pub(super) struct Volume {
    pub(super) window: Window,
    /// The operand's shape with two spatial axes.
    image: [usize; 4],
    /// The extent of the last axis, in the operand and in the result.
    depth: usize,
}

impl Volume {
    /// Reads the attributes of a convolution of a value `[N, C, H, W, D]` with a kernel of these
    /// extents.
    pub(super) fn of(call: &Call<'_>, shape: [usize; 5], kernel: [usize; 3]) -> Result<Self> {
        let [n, c, height, width, depth] = shape;
        if list(call, "kernel_shape", 1, 3)?.is_some_and(|given| given != kernel) {
            return bad("kernel_shape", format!("is not that of the weights, {kernel:?}"));
        }
        let strides = list(call, "strides", 1, 3)?.unwrap_or_else(|| vec![1; 3]);
        let dilations = list(call, "dilations", 1, 3)?.unwrap_or_else(|| vec![1; 3]);
        let pads = list(call, "pads", 0, 6)?.unwrap_or_else(|| vec![0; 6]);
        let is_flat = kernel[2] == 1 && strides[1..] == [1, 1] && [pads[2], pads[5]] == [0, 0];
        if !is_flat || !matches!(call.string("auto_pad")?, None | Some("" | "NOTSET" | "VALID")) {
            return Err(format!(
                "its input {shape:?} has 3 spatial dimensions and its kernel is {kernel:?}; 1 and 2 dimensions are \
                 supported, and 3 if the kernel's last extent is 1, the last axis is not padded and the last two \
                 strides are 1"
            )
            .into());
        }
        let along = |steps: usize| match steps.checked_mul(depth) {
            Some(elements) if elements as u64 <= LIMIT as u64 => Ok(elements),
            _ => Err(format!("{steps} steps over {depth} elements exceed {LIMIT}")),
        };
        let pads =
            Pads { top: pads[0], left: along(pads[1])?, bottom: pads[3], right: along(pads[4])? };
        let window = Window {
            kernel: [kernel[0], kernel[1]],
            strides: [strides[0], 1],
            dilations: [dilations[0], along(dilations[1])?],
            pads,
        };
        Ok(Volume { window, image: [n, c, height, width * depth], depth })
    }

    /// Runs an operator of two spatial dimensions on the first of `operands`.
    pub(super) fn run(
        &self,
        builder: &mut Builder,
        call: &Call<'_>,
        op: Op,
        mut operands: Vec<NodeId>,
    ) -> Result<NodeId> {
        operands[0] = builder.reshape(call, operands[0], self.image.to_vec())?;
        let result = builder.add(call, op, &operands)?;
        let [n, k, height, merged] = builder.shape_of(result)[..] else {
            return Err("its result is not an image".into());
        };
        let shape = vec![n, k, height, merged / self.depth, self.depth];
        builder.reshape(call, result, shape)
    }
}
