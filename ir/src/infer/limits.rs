//! The limits that hold for the shape of every value.

use super::error::{TypeError, fail};

/// The maximum number of elements of a value. Far above any network, far below the overflow of an
/// address.
pub const MAX_ELEMENTS: usize = 1 << 40;

/// The maximum number of dimensions of a value.
pub const MAX_RANK: usize = 8;

/// Checks the limits that hold for every shape: at most [`MAX_RANK`] dimensions, none of them 0,
/// and at most [`MAX_ELEMENTS`] elements.
///
/// # Errors
/// If one of these conditions does not hold.
pub fn check_shape(shape: &[usize]) -> Result<(), TypeError> {
    if shape.len() > MAX_RANK {
        return fail(format!("{shape:?} has rank {}, the limit is {MAX_RANK}", shape.len()));
    }
    if shape.contains(&0) {
        return fail(format!("{shape:?} has a dimension of extent 0"));
    }
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match elements {
        Some(n) if n <= MAX_ELEMENTS => Ok(()),
        _ => fail(format!("{shape:?} has more than {MAX_ELEMENTS} elements")),
    }
}
