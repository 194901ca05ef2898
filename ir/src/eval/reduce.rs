//! Reductions along axes.

use std::cmp::Ordering;

use super::elements::filled;
use super::elementwise::greater;
use super::error::EvalError;
use super::value::Value;
use super::walk::{Walk, around, strides};
use crate::memory::{collected, copied};
use crate::op::{TopK, TopPart};

/// The mean over `axes`. Whether the axes stay as extents of 1 does not change the elements.
pub(super) fn mean(axes: &[usize], x: &Value) -> Result<Vec<f64>, EvalError> {
    let mut sums = fold(axes, x, 0.0, |sum, x| sum + x)?;
    let count = (x.data.len() / sums.len()) as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    Ok(sums)
}

/// The maximum over `axes`.
pub(super) fn max(axes: &[usize], x: &Value) -> Result<Vec<f64>, EvalError> {
    fold(axes, x, f64::NEG_INFINITY, greater)
}

/// Folds the elements along `axes` one after the other.
fn fold(
    axes: &[usize],
    x: &Value,
    start: f64,
    step: fn(f64, f64) -> f64,
) -> Result<Vec<f64>, EvalError> {
    let mut kept = x.shape.clone();
    axes.iter().for_each(|&axis| kept[axis] = 1);
    let mut into = strides(&kept);
    axes.iter().for_each(|&axis| into[axis] = 0);
    let mut result = filled(&kept, start)?;
    for (x, i) in x.data.iter().zip(Walk::new(&x.shape, into)) {
        result[i] = step(result[i], *x);
    }
    Ok(result)
}

/// `exp(x) / sum(exp(x))` along `axis`, with the maximum subtracted first so that no exponential
/// overflows.
pub(super) fn softmax(axis: usize, x: &Value) -> Result<Vec<f64>, EvalError> {
    let (outer, extent, inner) = around(&x.shape, axis);
    let mut result = copied(&x.data)?;
    for start in (0..outer).flat_map(|o| (0..inner).map(move |i| o * extent * inner + i)) {
        let line = || (0..extent).map(|step| start + step * inner);
        // `f64::max` skips NaN, but the exponential of a NaN makes the sum one.
        let max = line().map(|i| result[i]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = line().map(|i| libm::exp(result[i] - max)).sum();
        line().for_each(|i| result[i] = libm::exp(result[i] - max) / sum);
    }
    Ok(result)
}

/// The first elements of each line along an axis in their order, or the positions of these
/// elements.
pub(super) fn top(op: &TopK, x: &Value) -> Result<Vec<f64>, EvalError> {
    let (outer, extent, inner) = around(&x.shape, op.axis);
    let mut result = filled(&[outer, op.k, inner], 0.0)?;
    for line in (0..outer).flat_map(|o| (0..inner).map(move |i| [o, i])) {
        let [o, i] = line;
        let element = |step: usize| x.data[(o * extent + step) * inner + i];
        let mut order: Vec<usize> = collected(0..extent)?;
        // The sort is stable, so the first of equal elements stays first.
        order.sort_by(|&a, &b| match op.largest {
            true => compare(element(b), element(a)),
            false => compare(element(a), element(b)),
        });
        for (rank, &step) in order.iter().take(op.k).enumerate() {
            result[(o * op.k + rank) * inner + i] = match op.part {
                TopPart::Values => element(step),
                TopPart::Indices => step as f64,
            };
        }
    }
    Ok(result)
}

/// A total order of numbers in which NaN comes last and zeros of either sign are equal.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
