//! Two-dimensional convolution.

use std::ops::Range;

use super::elements::{filled, wrap};
use super::elementwise;
use super::error::EvalError;
use super::value::Value;
use crate::infer::WindowAxis;
use crate::op::{Conv, Residual, Window};
use crate::ty::TensorType;

/// Sizes of one convolution of one image.
struct Sizes {
    input: [usize; 2],
    output: [usize; 2],
    axes: [WindowAxis; 2],
}

/// `activation(conv(src, weights) + bias + shortcut)`; `ty` is the result's, `[N, K, P, Q]`.
///
/// Padding consists of zeros that are multiplied like elements, so a weight that is infinite or NaN
/// makes NaN of every output for which its tap is outside the image.
pub(super) fn conv(op: &Conv, operands: &[&Value], ty: &TensorType) -> Result<Vec<f64>, EvalError> {
    let shape = &ty.shape[..];
    let mut result = filled(shape, 0.0)?;
    if op.bias {
        let pixels = shape[2] * shape[3];
        for (i, out) in result.chunks_exact_mut(pixels).enumerate() {
            out.fill(operands[2].data[i % shape[1]]);
        }
    }
    add_products(&op.window, op.groups, [operands[0], operands[1]], shape, &mut result);
    if let (Some(residual), Some(i)) = (&op.residual, op.residual_operand()) {
        add_residual(residual, operands[i], shape, &mut result);
    }
    if let (Some(window), Some(i)) = (&op.projection, op.projected_operand()) {
        add_products(window, 1, [operands[i], operands[i + 1]], shape, &mut result);
    }
    wrap(ty.dtype, &mut result);
    elementwise::activate(op.activation, &mut result);
    Ok(result)
}

/// Adds a residual to the pixels and channels that it covers in a result of this shape.
fn add_residual(residual: &Residual, source: &Value, shape: &[usize], result: &mut [f64]) {
    let Residual { strides, channel } = *residual;
    let [channels, h, w] = [source.shape[1], source.shape[2], source.shape[3]];
    let [filters, rows, columns] = [shape[1], shape[2], shape[3]];
    for (i, plane) in source.data.chunks_exact(h * w).enumerate() {
        let to = i / channels * filters + channel + i % channels;
        let pixels = plane.chunks_exact(w).step_by(strides[0]);
        let out = &mut result[to * rows * columns..][..rows * columns];
        for (out, row) in out.chunks_exact_mut(columns).zip(pixels) {
            out.iter_mut().zip(row.iter().step_by(strides[1])).for_each(|(y, r)| *y += r);
        }
    }
}

/// Adds the products of a source and weights over a window to a result of this shape.
pub(super) fn add_products(
    window: &Window,
    groups: usize,
    [src, weights]: [&Value; 2],
    shape: &[usize],
    result: &mut [f64],
) {
    let sizes = Sizes {
        input: [src.shape[2], src.shape[3]],
        output: [shape[2], shape[3]],
        axes: WindowAxis::pair(window),
    };
    let (channels, filters) = (src.shape[1], shape[1]);
    let per_group = weights.shape[1];
    let plane: usize = sizes.input.iter().product();
    let taps: usize = window.kernel.iter().product();
    for (i, out) in result.chunks_exact_mut(sizes.output.iter().product()).enumerate() {
        let (image, filter) = (i / filters, i % filters);
        let group = filter / (filters / groups);
        for c in 0..per_group {
            let from = (image * channels + group * per_group + c) * plane;
            let kernel = &weights.data[(filter * per_group + c) * taps..][..taps];
            add_plane(&sizes, &src.data[from..][..plane], kernel, out);
        }
    }
}

/// Adds one channel's contribution to one output plane, tap by tap so that the innermost loop runs
/// along a row.
fn add_plane(sizes: &Sizes, src: &[f64], kernel: &[f64], out: &mut [f64]) {
    let [vertical, horizontal] = &sizes.axes;
    let ([height, width], [rows, columns]) = (sizes.input, sizes.output);
    for (tap, &weight) in kernel.iter().enumerate() {
        let (r, s) = (tap / horizontal.kernel, tap % horizontal.kernel);
        let across = horizontal.outputs_inside(s, width, columns);
        let down = vertical.outputs_inside(r, height, rows);
        if !weight.is_finite() {
            add_padding(weight, [&down, &across], out, columns);
        }
        if across.is_empty() {
            continue;
        }
        let left = across.start * horizontal.stride + s * horizontal.dilation - horizontal.before;
        for p in down {
            let h = p * vertical.stride + r * vertical.dilation - vertical.before;
            let row = &src[h * width..][left..width];
            let out = &mut out[p * columns..][across.clone()];
            add_row(weight, row, horizontal.stride, out);
        }
    }
}

/// Adds the products of one weight and the zeros around the image: NaN where the tap is outside it.
/// Products of finite weights are 0 there and left out.
fn add_padding(weight: f64, [down, across]: [&Range<usize>; 2], out: &mut [f64], columns: usize) {
    for (p, row) in out.chunks_exact_mut(columns).enumerate() {
        for (q, y) in row.iter_mut().enumerate() {
            if !down.contains(&p) || !across.contains(&q) {
                *y += weight * 0.0;
            }
        }
    }
}

fn add_row(weight: f64, row: &[f64], stride: usize, out: &mut [f64]) {
    if stride == 1 {
        // Separate from the strided loop, so that it is vectorized.
        out.iter_mut().zip(row).for_each(|(y, x)| *y += weight * x);
    } else {
        out.iter_mut().zip(row.iter().step_by(stride)).for_each(|(y, x)| *y += weight * x);
    }
}
