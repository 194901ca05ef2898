//! Batch normalization, and the statistics of a batch.

use resnetc_ir::op::{Binary, SliceAxis, Unary};
use resnetc_ir::{NodeId, Op};

use super::scope::{Added, Gradients, Scope};

/// `y = n * scale + shift` with `n = (x - mean) * r` and `r = 1 / sqrt(variance + epsilon)`:
///
/// - `dx = dy * scale * r`, for a mean and a variance that do not depend on `x`; what passes through
///   these is the business of the operators that compute them
/// - `dscale = sum(dy * n)`, `dshift = sum(dy)`
/// - `dmean = -sum(dy) * scale * r`
/// - `dvariance = -sum(dy * n) * scale * r^2 / 2`
///
/// (Ioffe and Szegedy, "Batch Normalization", 2015, section 3, before its terms are collected.)
pub(super) fn batch_norm(scope: &mut Scope<'_>) -> Gradients {
    let Op::BatchNorm { epsilon } = scope.op() else { return Ok(Vec::new()) };
    let [x, scale, _, mean, variance] = [0, 1, 2, 3, 4].map(|i| scope.operand(i));
    let (dy, rank) = (scope.dy, scope.shape(x).len());
    let epsilon = scope.scalar(epsilon as f32);
    let stable = scope.binary(Binary::Add, variance, epsilon)?;
    let deviation = scope.add(Op::Unary(Unary::Sqrt), &[stable])?;
    let slope = scope.div(scale, deviation)?;
    let spread = scope.per_channel(slope, rank)?;
    let mean = scope.per_channel(mean, rank)?;
    let centred = scope.sub(x, mean)?;
    let wide = scope.per_channel(deviation, rank)?;
    let normal = scope.div(centred, wide)?;
    let product = scope.mul(dy, normal)?;
    let dscale = scope.sum_of_channels(product)?;
    let dshift = scope.sum_of_channels(dy)?;
    Ok(vec![
        scope.wanted(0, |scope| scope.mul(dy, spread))?,
        scope.wanted(1, |_| Ok(dscale))?,
        scope.wanted(2, |_| Ok(dshift))?,
        scope.wanted(3, |scope| {
            let dmean = scope.mul(dshift, slope)?;
            scope.scaled(dmean, -1.0)
        })?,
        scope.wanted(4, |scope| {
            let product = scope.mul(dscale, slope)?;
            let quotient = scope.div(product, deviation)?;
            scope.scaled(quotient, -0.5)
        })?,
    ])
}

/// `dx = (dmean + 2 * (x - mean) * dvariance) / n` for channels of `n` elements; what passes through
/// the mean to the variance is 0, since the deviations from a mean add up to 0.
pub(super) fn moments(scope: &mut Scope<'_>) -> Gradients {
    let x = scope.operand(0);
    let shape = scope.shape(x);
    let count = shape.iter().product::<usize>() / shape[1];
    let (y, dy, rank) = (scope.y, scope.dy, shape.len());
    let [mean, dmean, dvariance] = [(y, 0), (dy, 0), (dy, 1)].map(|(v, r)| row(scope, v, r, rank));
    let (mean, dmean, dvariance) = (mean?, dmean?, dvariance?);
    // Divided, since the numbers are exact and their reciprocals are not: what the mean takes away
    // must be what all elements give.
    let (count, half) = (scope.scalar(count as f32), scope.scalar(count as f32 / 2.0));
    let (of_mean, of_variance) = (scope.div(dmean, count)?, scope.div(dvariance, half)?);
    let centred = scope.sub(x, mean)?;
    let product = scope.mul(centred, of_variance)?;
    Ok(vec![Some(scope.binary(Binary::Add, product, of_mean)?)])
}

/// A row of a value `[2, C]`, as a value that broadcasts to images.
fn row(scope: &mut Scope<'_>, value: NodeId, row: usize, rank: usize) -> Added {
    let channels = scope.shape(value)[1];
    let rows = SliceAxis { start: row, step: 1, len: 1 };
    let row = scope
        .add(Op::Slice(vec![rows, SliceAxis { start: 0, step: 1, len: channels }]), &[value])?;
    scope.per_channel(row, rank)
}
