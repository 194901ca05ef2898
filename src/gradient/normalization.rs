//! Batch normalization.

use resnetc_ir::Op;
use resnetc_ir::op::{Binary, Unary};

use super::scope::{Gradients, Scope};

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
