//! Windowed pools.

use super::elements::filled;
use super::error::EvalError;
use super::value::Value;
use crate::infer::WindowAxis;
use crate::op::Pool;

/// The largest element of each window; a NaN is larger than all. Inference ensures that no window
/// is empty.
pub(super) fn max(op: &Pool, x: &Value, shape: &[usize]) -> Result<Vec<f64>, EvalError> {
    pool(
        op,
        x,
        shape,
        f64::NEG_INFINITY,
        |a, b| if b > a || b.is_nan() { b } else { a },
        |max, _| max,
    )
}

/// The mean of each window, over its elements or, with `count_include_pad`, over its elements and
/// its padding. What `ceil_mode` adds beyond the padding never counts.
pub(super) fn average(
    op: &Pool,
    count_include_pad: bool,
    x: &Value,
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let mean = |sum: f64, count: Counts| {
        sum / if count_include_pad { count.with_padding } else { count.inside } as f64
    };
    pool(op, x, shape, 0.0, |a, b| a + b, mean)
}

/// How many taps a window has.
struct Counts {
    /// On elements.
    inside: usize,
    /// On elements and on padding.
    with_padding: usize,
}

/// Folds the elements of each window with `combine`, starting from `start`, then applies `finish`.
fn pool(
    op: &Pool,
    x: &Value,
    shape: &[usize],
    start: f64,
    combine: impl Fn(f64, f64) -> f64,
    finish: impl Fn(f64, Counts) -> f64,
) -> Result<Vec<f64>, EvalError> {
    let [vertical, horizontal] = WindowAxis::pair(&op.window);
    let (height, width) = (x.shape[2], x.shape[3]);
    let (rows, columns) = (shape[2], shape[3]);
    let mut result = filled(shape, 0.0)?;
    for (i, y) in result.iter_mut().enumerate() {
        let (plane, p, q) = (i / (rows * columns), i / columns % rows, i % columns);
        let plane = &x.data[plane * height * width..][..height * width];
        let (down, across) = (vertical.taps_inside(p, height), horizontal.taps_inside(q, width));
        let counts = Counts {
            inside: down.len() * across.len(),
            with_padding: vertical.taps_padded(p, height) * horizontal.taps_padded(q, width),
        };
        let mut folded = start;
        for r in down {
            let h = p * vertical.stride + r * vertical.dilation - vertical.before;
            for s in across.clone() {
                let w = q * horizontal.stride + s * horizontal.dilation - horizontal.before;
                folded = combine(folded, plane[h * width + w]);
            }
        }
        *y = finish(folded, counts);
    }
    Ok(result)
}
