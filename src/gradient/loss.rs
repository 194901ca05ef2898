//! Losses.

use resnetc_ir::Op;

use super::scope::{Gradients, Refusal, Scope};

/// `dx = (softmax(x) * sum(target) - target) * dy` (Goodfellow et al., "Deep Learning", 2016,
/// section 6.2.2.3).
pub(super) fn cross_entropy(scope: &mut Scope<'_>) -> Gradients {
    let (x, target) = (scope.operand(0), scope.operand(1));
    let images = scope.shape(x)[0];
    let dx = scope.wanted(0, |scope| {
        let dy = scope.reshaped(scope.dy, &[images, 1])?;
        let shares = scope.add(Op::Softmax { axis: 1 }, &[x])?;
        let sum = scope.sum(target, &[1])?;
        let expected = scope.mul(shares, sum)?;
        let error = scope.sub(expected, target)?;
        scope.mul(error, dy)
    })?;
    let of_target = scope.wanted(1, |_| {
        Err(Refusal::Reason("the gradient of its target is not supported".to_owned()))
    })?;
    Ok(vec![dx, of_target])
}
