//! Shapes of gradients.

use super::error::{TypeError, fail};
use super::window::{convolved, image};
use crate::op::ConvGradient;

/// Checks that the gradient of a result has the result's shape.
pub(super) fn check(dy: &[usize], result: &[usize]) -> Result<(), TypeError> {
    match dy == result {
        true => Ok(()),
        false => fail(format!("dY {dy:?} has not the shape of the result, {result:?}")),
    }
}

/// The shape of a convolution's source.
pub(super) fn conv_source(
    op: &ConvGradient,
    dy: &[usize],
    weights: &[usize],
) -> Result<Vec<usize>, TypeError> {
    let ([n, ..], [_, per_group, ..]) = (image("dY", dy)?, image("W", weights)?);
    let Some(channels) = per_group.checked_mul(op.groups) else {
        return fail(format!("group {} times {per_group} channels is too large", op.groups));
    };
    let source = vec![n, channels, op.image[0], op.image[1]];
    check(dy, &convolved(&op.window, op.groups, &source, weights)?)?;
    Ok(source)
}

/// The shape of a convolution's weights.
pub(super) fn conv_weights(
    op: &ConvGradient,
    dy: &[usize],
    source: &[usize],
) -> Result<Vec<usize>, TypeError> {
    let ([_, filters, ..], [_, channels, h, w]) = (image("dY", dy)?, image("X", source)?);
    if op.image != [h, w] {
        return fail(format!("image {:?} differs from X {source:?}", op.image));
    }
    if op.groups == 0 {
        return fail("group must be at least 1".into());
    }
    let [r, s] = op.window.kernel;
    let weights = vec![filters, channels / op.groups, r, s];
    check(dy, &convolved(&op.window, op.groups, source, &weights)?)?;
    Ok(weights)
}

/// One number for each image.
pub(super) fn cross_entropy(x: &[usize], target: &[usize]) -> Result<Vec<usize>, TypeError> {
    match *x {
        [n, classes] if classes > 0 && target == x => Ok(vec![n]),
        _ => fail(format!("X {x:?} and target {target:?} are not two matrices of the same shape")),
    }
}
