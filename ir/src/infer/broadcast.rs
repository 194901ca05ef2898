//! NumPy's broadcasting of shapes.

use super::error::{TypeError, fail};

/// The shape that two shapes broadcast to (NumPy): aligned at the last axis, an extent of 1 is
/// repeated.
///
/// # Errors
/// If two aligned extents differ and neither is 1.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, TypeError> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(i) => shape[i],
        None => 1,
    };
    let join = |axis| match (extent(a, axis), extent(b, axis)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        (x, y) => fail(format!("{a:?} and {b:?} do not broadcast: {x} against {y}")),
    };
    (0..rank).map(join).collect()
}
