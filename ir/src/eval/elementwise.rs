//! Element-wise functions, broadcasting, batch normalization.

use super::elements::{filled, wrap};
use super::error::EvalError;
use super::value::Value;
use super::walk::{Walk, broadcast_strides};
use crate::dtype::DType;
use crate::memory::collected;
use crate::op::{Activation, Binary, Unary};

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
    1.0 / (1.0 + libm::exp(-x))
}

/// The error function. The series `2 / sqrt(pi) * exp(-x^2) * sum(2^n x^(2n+1) / (2n+1)!!)` has no
/// cancellation, as all of its terms have the sign of `x`.
fn erf(x: f64) -> f64 {
    /// From here on, `1 - erf(x)` is less than half a unit in the last place of 1.
    const SATURATED: f64 = 6.0;
    if x.abs() >= SATURATED {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > sum.abs() * f64::EPSILON / 4.0 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-x * x) * sum
}

/// The larger; NaN where either is NaN, unlike `f64::max`.
pub(super) fn greater(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// 1 above 0, -1 below it, 0 at zeros, NaN at NaN.
fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        // A zero loses its sign; NaN stays unchanged.
        x + 0.0
    }
}

/// A function of one number.
pub(super) fn of_one(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Relu => relu(x),
        Unary::Clip { lo, hi } => clip(x, lo.into(), hi.into()),
        Unary::Sigmoid => sigmoid(x),
        Unary::Tanh => libm::tanh(x),
        Unary::Erf => erf(x),
        Unary::Exp => libm::exp(x),
        Unary::Log => libm::log(x),
        Unary::Sqrt => x.sqrt(),
        Unary::Abs => x.abs(),
        Unary::Round => x.round_ties_even(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Sign => sign(x),
    }
}

/// A function of two numbers of a type, before the result is wrapped into it.
pub(super) fn of_two(op: Binary, dtype: DType, a: f64, b: f64) -> f64 {
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul if dtype.is_float() => a * b,
        // A 64-bit product does not fit into an f64.
        Binary::Mul => dtype.wrapped((a as i64).wrapping_mul(b as i64)),
        Binary::Div => a / b,
        Binary::Max => greater(a, b),
        Binary::Pow => libm::pow(a, b),
        Binary::Equal => f64::from(u8::from(a == b)),
        Binary::Less => f64::from(u8::from(a < b)),
        Binary::LessOrEqual => f64::from(u8::from(a <= b)),
    }
}

/// A function of every element.
pub(super) fn unary(op: Unary, x: &Value) -> Result<Vec<f64>, EvalError> {
    let mut result = collected(x.data.iter().map(|&v| of_one(op, v)))?;
    if op == Unary::Abs {
        // The smallest integer has no positive counterpart.
        wrap(x.dtype, &mut result);
    }
    Ok(result)
}

/// Applies the activation that ends a fused operator.
pub(super) fn activate(activation: Activation, data: &mut [f64]) {
    match activation {
        Activation::None => {}
        Activation::Relu => data.iter_mut().for_each(|x| *x = relu(*x)),
        Activation::Clip { lo, hi } => {
            data.iter_mut().for_each(|x| *x = clip(*x, lo.into(), hi.into()));
        }
    }
}

/// `a op b`, both of one type and broadcast to `shape`.
pub(super) fn binary(
    op: Binary,
    a: &Value,
    b: &Value,
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let dtype = a.dtype;
    let mut result = filled(shape, 0.0)?;
    let from_a = Walk::new(shape, broadcast_strides(&a.shape, shape));
    let from_b = Walk::new(shape, broadcast_strides(&b.shape, shape));
    for ((y, i), j) in result.iter_mut().zip(from_a).zip(from_b) {
        *y = of_two(op, dtype, a.data[i], b.data[j]);
    }
    wrap(dtype, &mut result);
    Ok(result)
}

/// `x` where the condition is not 0, else `y`, all three broadcast to `shape`.
pub(super) fn choose(
    condition: &Value,
    x: &Value,
    y: &Value,
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let mut result = filled(shape, 0.0)?;
    let [c, i, j] = [condition, x, y].map(|v| Walk::new(shape, broadcast_strides(&v.shape, shape)));
    for (((to, c), i), j) in result.iter_mut().zip(c).zip(i).zip(j) {
        *to = if condition.data[c] != 0.0 { x.data[i] } else { y.data[j] };
    }
    Ok(result)
}

/// `(x - mean) / sqrt(variance + epsilon) * scale + shift`; operands are
/// `x, scale, shift, mean, variance`.
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
