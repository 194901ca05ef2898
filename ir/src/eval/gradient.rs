//! Gradients of operators whose formulas are no composition of other operators, and the loss.

use super::elements::filled;
use super::error::EvalError;
use super::value::Value;
use crate::infer::WindowAxis;
use crate::memory::{collected, copied};
use crate::op::{ConvGradient, Pool};

/// One product of a convolution: positions in its result, its source and its weights.
struct Product {
    result: usize,
    source: usize,
    weight: usize,
}

/// Calls `step` for every product of a convolution that does not fall on padding.
fn products(op: &ConvGradient, [result, source]: [&[usize]; 2], mut step: impl FnMut(Product)) {
    let [vertical, horizontal] = WindowAxis::pair(&op.window);
    let ([filters, rows, columns], [channels, height, width]) =
        ([result[1], result[2], result[3]], [source[1], source[2], source[3]]);
    let per_group = channels / op.groups;
    for plane in 0..result[0] * filters {
        let (n, k) = (plane / filters, plane % filters);
        let group = k / (filters / op.groups);
        for c in 0..per_group {
            let from = (n * channels + group * per_group + c) * height * width;
            for r in 0..vertical.kernel {
                for s in 0..horizontal.kernel {
                    let tap = (r * horizontal.kernel) + s;
                    let weight = (k * per_group + c) * vertical.kernel * horizontal.kernel + tap;
                    for p in vertical.outputs_inside(r, height, rows) {
                        let h = p * vertical.stride + r * vertical.dilation - vertical.before;
                        for q in horizontal.outputs_inside(s, width, columns) {
                            let w =
                                q * horizontal.stride + s * horizontal.dilation - horizontal.before;
                            step(Product {
                                result: (plane * rows + p) * columns + q,
                                source: from + h * width + w,
                                weight,
                            });
                        }
                    }
                }
            }
        }
    }
}

/// With respect to the source, whose shape is the result's; `[dy, weights]`. What is added to it has
/// the same shape.
pub(super) fn conv_source(
    op: &ConvGradient,
    [dy, weights]: [&Value; 2],
    added: Option<&Value>,
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let mut dx = match added {
        Some(added) => copied(&added.data)?,
        None => filled(shape, 0.0)?,
    };
    products(op, [&dy.shape, shape], |at| {
        dx[at.source] += dy.data[at.result] * weights.data[at.weight];
    });
    Ok(dx)
}

/// With respect to the weights, whose shape is the result's; `[dy, src]`.
pub(super) fn conv_weights(
    op: &ConvGradient,
    [dy, src]: [&Value; 2],
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let mut dw = filled(shape, 0.0)?;
    products(op, [&dy.shape, &src.shape], |at| {
        dw[at.weight] += dy.data[at.result] * src.data[at.source];
    });
    Ok(dw)
}

/// With respect to the operand of a maximum pool; `[dy, x]`.
pub(super) fn max_pool(op: &Pool, [dy, x]: [&Value; 2]) -> Result<Vec<f64>, EvalError> {
    let [vertical, horizontal] = WindowAxis::pair(&op.window);
    let ([rows, columns], [height, width]) = ([dy.shape[2], dy.shape[3]], [x.shape[2], x.shape[3]]);
    let mut dx = filled(&x.shape, 0.0)?;
    for (i, gradient) in dy.data.iter().enumerate() {
        let (plane, p, q) = (i / (rows * columns), i / columns % rows, i % columns);
        let mut largest = None;
        for r in vertical.taps_inside(p, height) {
            let h = p * vertical.stride + r * vertical.dilation - vertical.before;
            for s in horizontal.taps_inside(q, width) {
                let w = q * horizontal.stride + s * horizontal.dilation - horizontal.before;
                let at = (plane * height + h) * width + w;
                // Nothing is larger than a NaN, whose window gives nothing.
                let is_larger =
                    |best: usize| !(x.data[at] <= x.data[best] || x.data[best].is_nan());
                if largest.is_none_or(is_larger) {
                    largest = Some(at);
                }
            }
        }
        // Inference ensures that no window is empty.
        if let Some(at) = largest.filter(|&at: &usize| !x.data[at].is_nan()) {
            dx[at] += gradient;
        }
    }
    Ok(dx)
}

/// The cross-entropy of each image; `[x, target]`. The largest score is subtracted first, so that no
/// exponential overflows.
pub(super) fn cross_entropy([x, target]: [&Value; 2]) -> Result<Vec<f64>, EvalError> {
    let classes = x.shape[1];
    let of_image = |(x, target): (&[f64], &[f64])| {
        // `f64::max` skips NaN, but the exponential of a NaN makes the sum one.
        let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log = libm::log(x.iter().map(|x| libm::exp(x - max)).sum());
        x.iter().zip(target).map(|(x, t)| t * (log - (x - max))).sum()
    };
    Ok(collected(
        x.data.chunks_exact(classes).zip(target.data.chunks_exact(classes)).map(of_image),
    )?)
}
