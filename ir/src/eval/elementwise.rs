//! Element-wise functions, broadcasting, batch normalization.

use super::walk::{Walk, broadcast_strides};
use super::{EvalError, Value, filled};
use crate::op::{Activation, Binary};

/// `max(x, 0)`; NaN stays NaN.
pub(super) fn relu(x: f64) -> f64 {
    if x > 0.0 || x.is_nan() { x } else { 0.0 }
}

/// `min(max(x, lo), hi)`; NaN stays NaN.
pub(super) fn clip(x: f64, lo: f64, hi: f64) -> f64 {
    // `f64::max` would take the limit over NaN.
    if x.is_nan() { x } else { x.max(lo).min(hi) }
}

/// `1 / (1 + exp(-x))`.
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A function of every element.
pub(super) fn map(x: &Value, f: impl Fn(f64) -> f64) -> Vec<f64> {
    x.data.iter().map(|&v| f(v)).collect()
}

/// Applies what a fused operator ends with.
pub(super) fn activate(activation: Activation, data: &mut [f64]) {
    match activation {
        Activation::None => {}
        Activation::Relu => data.iter_mut().for_each(|x| *x = relu(*x)),
        Activation::Clip { lo, hi } => {
            data.iter_mut().for_each(|x| *x = clip(*x, lo.into(), hi.into()));
        }
    }
}

/// `a op b`, both broadcast to `shape`.
pub(super) fn binary(
    op: Binary,
    a: &Value,
    b: &Value,
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let mut result = filled(shape, 0.0)?;
    let from_a = Walk::new(shape, broadcast_strides(&a.shape, shape));
    let from_b = Walk::new(shape, broadcast_strides(&b.shape, shape));
    for ((y, i), j) in result.iter_mut().zip(from_a).zip(from_b) {
        let (a, b) = (a.data[i], b.data[j]);
        *y = match op {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
        };
    }
    Ok(result)
}

/// `(x - mean) / sqrt(variance + epsilon) * scale + shift`; operands are `x, scale, shift, mean, variance`.
pub(super) fn batch_norm(epsilon: f64, operands: &[&Value]) -> Result<Vec<f64>, EvalError> {
    let x = operands[0];
    let channels = x.shape[1];
    let inner: usize = x.shape[2..].iter().product();
    let mut result = filled(&x.shape, 0.0)?;
    for (i, (y, x)) in result.chunks_exact_mut(inner).zip(x.data.chunks_exact(inner)).enumerate() {
        let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|p| operands[p].data[i % channels]);
        let deviation = (variance + epsilon).sqrt();
        y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) / deviation * scale + shift);
    }
    Ok(result)
}
