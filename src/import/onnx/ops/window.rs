//! Kernel, strides, dilations and padding of convolutions and pools.

use resnetc_ir::op::{Pads, Window};

use crate::import::onnx::call::{Call, Result, bad};

/// The largest kernel extent, stride, dilation or padding: far above any network, far below any overflow.
const LIMIT: i64 = 1 << 20;

/// Reads the window attributes of a two-dimensional operator on an input of shape `input`. `kernel` is the
/// weights' extent, if there are weights; it stands in for a missing `kernel_shape`.
pub(super) fn window(
    call: &Call<'_>,
    input: &[usize],
    kernel: Option<[usize; 2]>,
) -> Result<Window> {
    let &[_, _, height, width] = input else {
        let dims = input.len().saturating_sub(2);
        return Err(format!(
            "its input {input:?} has {dims} spatial dimensions; only 2 are supported"
        )
        .into());
    };
    let kernel = match (list::<2>(call, "kernel_shape", 1)?, kernel) {
        (Some(given), Some(weights)) if given != weights => {
            return bad("kernel_shape", format!("is {given:?}, but the weights are {weights:?}"));
        }
        (Some(given), _) => given,
        (None, Some(weights)) => weights,
        (None, None) => return bad("kernel_shape", "is missing"),
    };
    let strides = list::<2>(call, "strides", 1)?.unwrap_or([1, 1]);
    let dilations = list::<2>(call, "dilations", 1)?.unwrap_or([1, 1]);
    let axis = |i: usize, extent: usize| Axis {
        extent,
        span: (kernel[i] - 1) * dilations[i] + 1,
        stride: strides[i],
    };
    let axes = [axis(0, height), axis(1, width)];
    Ok(Window { kernel, strides, dilations, pads: pads(call, axes)? })
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
    /// The padding with which there are `ceil(extent / stride)` windows; the odd element goes to one side.
    fn same(&self, upper: bool) -> (usize, usize) {
        let last = (self.extent.div_ceil(self.stride) - 1) * self.stride;
        let total = (last + self.span).saturating_sub(self.extent);
        let (small, large) = (total / 2, total - total / 2);
        if upper { (small, large) } else { (large, small) }
    }
}

fn pads(call: &Call<'_>, axes: [Axis; 2]) -> Result<Pads> {
    let upper = match call.string("auto_pad")? {
        None | Some("" | "NOTSET") => {
            let [top, left, bottom, right] = list::<4>(call, "pads", 0)?.unwrap_or_default();
            return Ok(Pads { top, left, bottom, right });
        }
        Some("VALID") => return Ok(Pads::default()),
        Some("SAME_UPPER") => true,
        Some("SAME_LOWER") => false,
        Some(other) => return bad("auto_pad", format!("\"{other}\" is unknown")),
    };
    let [(top, bottom), (left, right)] = axes.map(|axis| axis.same(upper));
    Ok(Pads { top, left, bottom, right })
}

/// A list attribute of exactly `N` entries within limits.
fn list<const N: usize>(call: &Call<'_>, name: &str, least: i64) -> Result<Option<[usize; N]>> {
    let Some(given) = call.ints(name)? else { return Ok(None) };
    let Ok(list) = <[i64; N]>::try_from(given) else {
        return bad(name, format!("has {} entries, {N} are needed", given.len()));
    };
    match list.iter().all(|x| (least..=LIMIT).contains(x)) {
        true => Ok(Some(list.map(|x| x as usize))),
        false => bad(name, format!("is {list:?}; entries from {least} to {LIMIT} are supported")),
    }
}
