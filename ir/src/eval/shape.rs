//! Operators that move elements and compute nothing.

use super::elements::filled;
use super::error::EvalError;
use super::value::Value;
use super::walk::{Walk, around, strides};
use crate::memory::reserved;
use crate::op::{PadMode, SliceAxis};

/// Axes permuted; `shape` is the result's.
pub(super) fn transpose(perm: &[usize], x: &Value, shape: &[usize]) -> Result<Vec<f64>, EvalError> {
    let own = strides(&x.shape);
    let permuted = perm.iter().map(|&axis| own[axis]).collect();
    let mut result = reserved(x.data.len())?;
    result.extend(Walk::new(shape, permuted).map(|i| x.data[i]));
    Ok(result)
}

/// A regular selection along each axis.
pub(super) fn slice(axes: &[SliceAxis], x: &Value) -> Result<Vec<f64>, EvalError> {
    let mut result = x.copy()?;
    for (i, axis) in axes.iter().enumerate() {
        let source = |n: usize| Some((axis.start as isize + axis.step * n as isize) as usize);
        result = select(&result, i, axis.len, 0.0, source)?;
    }
    Ok(result.data)
}

/// Any selection along an axis.
pub(super) fn gather(axis: usize, indices: &[usize], x: &Value) -> Result<Vec<f64>, EvalError> {
    Ok(select(x, axis, indices.len(), 0.0, |n| indices.get(n).copied())?.data)
}

/// A border along each axis.
pub(super) fn pad(
    before: &[usize],
    after: &[usize],
    mode: PadMode,
    x: &Value,
) -> Result<Vec<f64>, EvalError> {
    let mut result = x.copy()?;
    for (i, &extent) in x.shape.iter().enumerate() {
        let (before, length) = (before[i], before[i] + extent + after[i]);
        result = match mode {
            PadMode::Constant(value) => {
                let source = |n: usize| n.checked_sub(before).filter(|&n| n < extent);
                select(&result, i, length, value.into(), source)?
            }
            PadMode::Reflect => {
                // Positions before the first element mirror at the first, those after the last
                // element at the last.
                let mirror = |n: usize| match n.checked_sub(before) {
                    None => before - n,
                    Some(n) if n < extent => n,
                    Some(n) => 2 * (extent - 1) - n,
                };
                select(&result, i, length, 0.0, |n| Some(mirror(n)))?
            }
        };
    }
    Ok(result.data)
}

/// `length` steps along `axis`, each a copy of the step that `source` gives, or filled with `fill`.
fn select(
    x: &Value,
    axis: usize,
    length: usize,
    fill: f64,
    source: impl Fn(usize) -> Option<usize>,
) -> Result<Value, EvalError> {
    let (outer, extent, inner) = around(&x.shape, axis);
    let mut shape = x.shape.clone();
    shape[axis] = length;
    let mut data = filled(&shape, fill)?;
    for o in 0..outer {
        for (n, step) in (0..length).filter_map(|n| Some((n, source(n)?))) {
            let to = &mut data[(o * length + n) * inner..][..inner];
            to.copy_from_slice(&x.data[(o * extent + step) * inner..][..inner]);
        }
    }
    Ok(Value { dtype: x.dtype, shape, data })
}

/// Operands joined along `axis`; `shape` is the result's.
pub(super) fn concat(
    axis: usize,
    operands: &[&Value],
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let (outer, length, inner) = around(shape, axis);
    let mut result = filled(shape, 0.0)?;
    let mut done = 0;
    for operand in operands {
        let chunk = operand.shape[axis] * inner;
        for o in 0..outer {
            let to = &mut result[o * length * inner + done..][..chunk];
            to.copy_from_slice(&operand.data[o * chunk..][..chunk]);
        }
        done += chunk;
    }
    Ok(result)
}
