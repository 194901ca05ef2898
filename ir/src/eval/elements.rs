//! The elements of a result: memory for them, and integers wrapped back into their type.

use crate::dtype::DType;
use crate::memory::{self, NoMemory};

/// Wraps integers, such as sums and products, back into their type; leaves floats as they are.
pub(super) fn wrap(dtype: DType, data: &mut [f64]) {
    if !dtype.is_float() {
        data.iter_mut().for_each(|x| *x = dtype.wrapped(*x as i64));
    }
}

/// As many copies of `value` as `shape` has elements. A graph can require far more memory than
/// there is.
pub(super) fn filled(shape: &[usize], value: f64) -> Result<Vec<f64>, NoMemory> {
    memory::filled(shape.iter().product(), value)
}
