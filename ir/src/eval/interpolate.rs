//! Weighted sums along an axis.

use super::elements::filled;
use super::error::EvalError;
use super::value::Value;
use super::walk::around;
use crate::op::Interpolate;

/// The sums; `shape` is the result's.
pub(super) fn interpolate(
    op: &Interpolate,
    x: &Value,
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let (outer, extent, inner) = around(&x.shape, op.axis);
    let length = shape[op.axis];
    let mut result = filled(shape, 0.0)?;
    let taps = op.indices.chunks_exact(op.taps).zip(op.weights.chunks_exact(op.taps));
    for (i, (indices, weights)) in taps.enumerate() {
        for o in 0..outer {
            let to = &mut result[(o * length + i) * inner..][..inner];
            for (t, (&index, &weight)) in indices.iter().zip(weights).enumerate() {
                let from = &x.data[(o * extent + index) * inner..][..inner];
                let products = from.iter().map(|x| f64::from(weight) * x);
                match t {
                    0 => to.iter_mut().zip(products).for_each(|(to, x)| *to = x),
                    _ => to.iter_mut().zip(products).for_each(|(to, x)| *to += x),
                }
            }
        }
    }
    Ok(result)
}
