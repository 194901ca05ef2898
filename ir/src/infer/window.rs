//! Arithmetic of sliding windows, one axis at a time; shared by type inference, the interpreter and
//! kernels.

use std::ops::Range;

use super::error::{TypeError, fail};
use super::limits::MAX_ELEMENTS;
use crate::op::Window;

/// One axis of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowAxis {
    /// Taps, at least 1.
    pub kernel: usize,
    /// Step between outputs, at least 1.
    pub stride: usize,
    /// Distance between taps, at least 1.
    pub dilation: usize,
    /// Padding before the first element.
    pub before: usize,
    /// Padding after the last element.
    pub after: usize,
}

impl WindowAxis {
    /// The vertical and the horizontal axis of a window.
    pub fn pair(window: &Window) -> [WindowAxis; 2] {
        let axis = |i: usize, before: usize, after: usize| WindowAxis {
            kernel: window.kernel[i],
            stride: window.strides[i],
            dilation: window.dilations[i],
            before,
            after,
        };
        let pads = &window.pads;
        [axis(0, pads.top, pads.bottom), axis(1, pads.left, pads.right)]
    }

    /// Elements from the first tap to the last, both included: `dilation * (kernel - 1) + 1`.
    ///
    /// Cannot overflow for an axis that [`output_extent`] accepts.
    pub fn span(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// The taps of output `output` that fall on one of `input` elements; all others fall on
    /// padding.
    ///
    /// The axis must be one that [`output_extent`] accepts. The range is empty if every tap falls
    /// on padding.
    pub fn taps_inside(&self, output: usize, input: usize) -> Range<usize> {
        let start = output * self.stride;
        let first = self.before.saturating_sub(start).div_ceil(self.dilation);
        let end = (self.before + input).saturating_sub(start).div_ceil(self.dilation);
        let end = end.min(self.kernel);
        first.min(end)..end
    }

    /// How many taps of output `output` fall on one of `input` elements or on the padding around
    /// them. The others, which only a rounded-up number of outputs has, fall beyond the padding.
    ///
    /// The axis must be one that [`output_extent`] accepts.
    pub fn taps_padded(&self, output: usize, input: usize) -> usize {
        let padded = self.before + input + self.after;
        padded.saturating_sub(output * self.stride).div_ceil(self.dilation).min(self.kernel)
    }

    /// The outputs, of `outputs` in all, whose tap `tap` falls on one of `input` elements.
    ///
    /// For each output `o` of the range, the element is `o * stride + tap * dilation - before`. The
    /// axis must be one that [`output_extent`] accepts.
    pub fn outputs_inside(&self, tap: usize, input: usize, outputs: usize) -> Range<usize> {
        let offset = tap * self.dilation;
        let first = self.before.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.before + input).saturating_sub(offset).div_ceil(self.stride);
        let end = end.min(outputs);
        first.min(end)..end
    }
}

/// The number of outputs of a window over `input` elements.
///
/// It is `(input + before + after - span) / stride + 1`, rounded down; with `ceil_mode`, rounded
/// up, less a last window that would start in the padding after the input (ONNX opset 19, PyTorch).
///
/// # Errors
/// If a kernel, stride or dilation is 0, a number is beyond the limit on elements, or the window is
/// larger than the padded input.
pub fn output_extent(input: usize, axis: &WindowAxis, ceil_mode: bool) -> Result<usize, TypeError> {
    let WindowAxis { kernel, stride, dilation, before, after } = *axis;
    if kernel == 0 || stride == 0 || dilation == 0 {
        return fail(format!(
            "kernel {kernel}, stride {stride} and dilation {dilation} must all be at least 1"
        ));
    }
    if [input, kernel, stride, dilation, before, after].iter().any(|&n| n > MAX_ELEMENTS) {
        return fail(format!(
            "{axis:?} over {input} elements is beyond the limit of {MAX_ELEMENTS}"
        ));
    }
    let padded = before + input + after;
    let span = (kernel - 1).checked_mul(dilation).and_then(|n| n.checked_add(1));
    let Some(slack) = span.and_then(|span| padded.checked_sub(span)) else {
        return fail(format!(
            "a window of {kernel} taps at dilation {dilation} is larger than the input of {input} elements with \
             padding {before} before and {after} after"
        ));
    };
    if !ceil_mode {
        return Ok(slack / stride + 1);
    }
    let last = slack.div_ceil(stride);
    let starts_past_input = last * stride >= before + input;
    Ok(if starts_past_input && last > 0 { last } else { last + 1 })
}

/// The extents of an image.
pub(super) fn image(name: &str, shape: &[usize]) -> Result<[usize; 4], TypeError> {
    shape.try_into().map_err(|_| {
        TypeError(format!("{name} {shape:?} has rank {}, only rank 4 is supported", shape.len()))
    })
}

/// The extent of a result along an axis.
pub(super) fn along(
    name: &str,
    input: usize,
    axis: &WindowAxis,
    ceil_mode: bool,
) -> Result<usize, TypeError> {
    output_extent(input, axis, ceil_mode).map_err(|e| TypeError(format!("along {name}: {e}")))
}

/// The shape of a sum of products over a window.
pub(super) fn convolved(
    window: &Window,
    groups: usize,
    src: &[usize],
    weights: &[usize],
) -> Result<Vec<usize>, TypeError> {
    let [n, c, h, w] = image("X", src)?;
    let [k, c_per_group, r, s] = image("W", weights)?;
    if groups == 0 || c % groups != 0 || k % groups != 0 {
        return fail(format!(
            "group {groups} does not divide the channels of X {src:?} and W {weights:?}"
        ));
    }
    if c / groups != c_per_group {
        return fail(format!(
            "W {weights:?} with group {groups} needs X with {c_per_group} * {groups} channels, but X is {src:?}"
        ));
    }
    if window.kernel != [r, s] {
        return fail(format!("kernel_shape {:?} differs from W {weights:?}", window.kernel));
    }
    let [vertical, horizontal] = WindowAxis::pair(window);
    Ok(vec![n, k, along("H", h, &vertical, false)?, along("W", w, &horizontal, false)?])
}
