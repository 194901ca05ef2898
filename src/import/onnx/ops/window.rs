//! Kernel, strides, dilations and padding of convolutions and pools.

use resnetc_ir::op::{Pads, Window};
use resnetc_ir::{NodeId, Op};

use crate::import::limits::WINDOW_EXTENT as LIMIT;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, bad};

/// An image of one or two spatial dimensions, in the form that the graph's operators require.
pub(super) struct Image {
    /// The shape as given.
    pub(super) given: Vec<usize>,
    /// `[N, C, H, W]`, where `H` is 1 for one dimension.
    pub(super) shape: [usize; 4],
}

impl Image {
    /// Interprets a value of rank 3 or 4 as an image.
    pub(super) fn of(given: Vec<usize>) -> Result<Self> {
        let shape = match given[..] {
            [n, c, w] => [n, c, 1, w],
            [n, c, h, w] => [n, c, h, w],
            _ => {
                let dims = given.len().saturating_sub(2);
                return Err(format!(
                    "its input {given:?} has {dims} spatial dimensions; 1 and 2 are supported"
                )
                .into());
            }
        };
        Ok(Image { given, shape })
    }

    fn spatial(&self) -> usize {
        self.given.len() - 2
    }

    /// Runs an operator of two spatial dimensions on the first of `operands`, reshaped to four
    /// axes, and removes the added axis from the result.
    pub(super) fn run(
        &self,
        builder: &mut Builder,
        call: &Call<'_>,
        op: Op,
        mut operands: Vec<NodeId>,
    ) -> Result<NodeId> {
        operands[0] = builder.reshape(call, operands[0], self.shape.to_vec())?;
        let result = builder.add(call, op, &operands)?;
        let mut shape = builder.shape_of(result);
        if self.spatial() == 1 {
            shape.remove(2);
        }
        builder.reshape(call, result, shape)
    }
}

/// Reads the window attributes of an operator on an image. `kernel` is the weights' extent, if
/// there are weights; it replaces a missing `kernel_shape`.
pub(super) fn window(call: &Call<'_>, image: &Image, kernel: Option<[usize; 2]>) -> Result<Window> {
    let [_, _, height, width] = image.shape;
    let dims = image.spatial();
    let kernel = match (pair(call, "kernel_shape", dims)?, kernel) {
        (Some(given), Some(weights)) if given != weights => {
            return bad("kernel_shape", format!("is {given:?}, but the weights are {weights:?}"));
        }
        (Some(given), _) => given,
        (None, Some(weights)) => weights,
        (None, None) => return bad("kernel_shape", "is missing"),
    };
    let strides = pair(call, "strides", dims)?.unwrap_or([1, 1]);
    let dilations = pair(call, "dilations", dims)?.unwrap_or([1, 1]);
    let axis = |i: usize, extent: usize| Axis {
        extent,
        span: (kernel[i] - 1) * dilations[i] + 1,
        stride: strides[i],
    };
    let axes = [axis(0, height), axis(1, width)];
    Ok(Window { kernel, strides, dilations, pads: pads(call, dims, axes)? })
}

/// Whether padding is derived from the input, which fixes the number of windows.
pub(super) fn is_same(call: &Call<'_>) -> Result<bool> {
    Ok(matches!(call.string("auto_pad")?, Some("SAME_UPPER" | "SAME_LOWER")))
}

struct Axis {
    extent: usize,
    span: usize,
    stride: usize,
}

impl Axis {
    /// The padding with which there are `ceil(extent / stride)` windows; the odd element goes to
    /// one side.
    fn same(&self, upper: bool) -> (usize, usize) {
        let last = (self.extent.div_ceil(self.stride) - 1) * self.stride;
        let total = (last + self.span).saturating_sub(self.extent);
        let (small, large) = (total / 2, total - total / 2);
        if upper { (small, large) } else { (large, small) }
    }
}

fn pads(call: &Call<'_>, dims: usize, axes: [Axis; 2]) -> Result<Pads> {
    let upper = match call.string("auto_pad")? {
        None | Some("" | "NOTSET") => {
            return Ok(match list(call, "pads", 0, 2 * dims)?.as_deref() {
                Some(&[left, right]) => Pads { left, right, ..Pads::default() },
                Some(&[top, left, bottom, right]) => Pads { top, left, bottom, right },
                _ => Pads::default(),
            });
        }
        Some("VALID") => return Ok(Pads::default()),
        Some("SAME_UPPER") => true,
        Some("SAME_LOWER") => false,
        Some(other) => return bad("auto_pad", format!("\"{other}\" is not supported")),
    };
    let [(top, bottom), (left, right)] = axes.map(|axis| axis.same(upper));
    Ok(Pads { top, left, bottom, right })
}

/// A list attribute with one entry per spatial dimension, as height and width.
fn pair(call: &Call<'_>, name: &str, dims: usize) -> Result<Option<[usize; 2]>> {
    Ok(list(call, name, 1, dims)?.map(|list| match list[..] {
        [x] => [1, x],
        _ => [list[0], list[1]],
    }))
}

/// A list attribute of exactly `entries` entries within limits.
pub(super) fn list(
    call: &Call<'_>,
    name: &str,
    least: i64,
    entries: usize,
) -> Result<Option<Vec<usize>>> {
    let Some(given) = call.ints(name)? else { return Ok(None) };
    if given.len() != entries {
        return bad(name, format!("has {} entries; it must have {entries}", given.len()));
    }
    match given.iter().all(|x| (least..=LIMIT).contains(x)) {
        true => Ok(Some(given.iter().map(|&x| x as usize).collect())),
        false => bad(name, format!("is {given:?}; entries must be from {least} to {LIMIT}")),
    }
}

/// The axes after batch and channels.
pub(super) fn spatial_axes(builder: &Builder, x: NodeId) -> Result<Vec<usize>> {
    match builder.shape_of(x).len() {
        rank @ 3.. => Ok((2..rank).collect()),
        _ => Err("its input has no spatial axes".into()),
    }
}
