//! Reductions along axes.

use resnetc_ir::op::Binary;
use resnetc_ir::{Expression, NodeId, Op};

use super::scope::{Added, Gradients, Refusal, Scope};

/// `dy / n` to each of the `n` pixels.
pub(super) fn global_average(scope: &mut Scope<'_>) -> Gradients {
    shared_out(scope, &[2, 3])
}

/// `dy / n` to each of the `n` elements.
pub(super) fn mean(scope: &mut Scope<'_>) -> Gradients {
    let Op::ReduceMean { axes, .. } = scope.op() else { return Ok(Vec::new()) };
    shared_out(scope, &axes)
}

/// `dy` to each of the elements of a channel.
pub(super) fn channel_sums(scope: &mut Scope<'_>) -> Gradients {
    let Op::ChannelSums(sums) = scope.op() else { return Ok(Vec::new()) };
    if sums != Expression::identity() {
        let reason = "the gradient of a sum of functions is not supported; sum their results";
        return Err(Refusal::Reason(reason.to_owned()));
    }
    let shape = scope.shape(scope.operand(0));
    let dy = scope.per_channel(scope.dy, shape.len())?;
    Ok(vec![Some(scope.expanded(dy, &shape)?)])
}

fn shared_out(scope: &mut Scope<'_>, axes: &[usize]) -> Gradients {
    let shape = scope.shape(scope.operand(0));
    let count: usize = axes.iter().map(|&axis| shape[axis]).product();
    let (dy, count) = (kept(scope, scope.dy, axes)?, scope.scalar(count as f32));
    let share = scope.div(dy, count)?;
    Ok(vec![Some(scope.expanded(share, &shape)?)])
}

/// A reduced value with its axes as extents of 1.
fn kept(scope: &mut Scope<'_>, value: NodeId, axes: &[usize]) -> Added {
    let mut shape = scope.shape(scope.operand(0));
    axes.iter().for_each(|&axis| shape[axis] = 1);
    scope.reshaped(value, &shape)
}

/// To the largest elements, in equal parts.
pub(super) fn max(scope: &mut Scope<'_>) -> Gradients {
    let Op::ReduceMax { axes, .. } = scope.op() else { return Ok(Vec::new()) };
    let x = scope.operand(0);
    let (y, dy) = (kept(scope, scope.y, &axes)?, kept(scope, scope.dy, &axes)?);
    let is_largest = scope.binary(Binary::Equal, x, y)?;
    let count = scope.sum(is_largest, &axes)?;
    let share = scope.div(dy, count)?;
    Ok(vec![Some(scope.mul(is_largest, share)?)])
}

/// `dx = y * (dy - sum(dy * y))`
pub(super) fn softmax(scope: &mut Scope<'_>) -> Gradients {
    let Op::Softmax { axis } = scope.op() else { return Ok(Vec::new()) };
    let (y, dy) = (scope.y, scope.dy);
    let product = scope.mul(dy, y)?;
    let sum = scope.sum(product, &[axis])?;
    let rest = scope.sub(dy, sum)?;
    Ok::<_, Refusal>(vec![Some(scope.mul(y, rest)?)])
}
