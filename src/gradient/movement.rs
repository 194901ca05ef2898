//! Elements that are moved, selected and repeated: gradients take the way back.

use resnetc_ir::op::{Interpolate, PadMode, SliceAxis};
use resnetc_ir::{NodeId, Op};

use super::scope::{Added, Gradients, Scope};

/// The gradient itself.
pub(super) fn identity(scope: &mut Scope<'_>) -> Gradients {
    Ok(vec![Some(scope.dy)])
}

/// The gradient under the operand's shape.
pub(super) fn reshape(scope: &mut Scope<'_>) -> Gradients {
    let (shape, dy) = (scope.shape(scope.operand(0)), scope.dy);
    Ok(vec![Some(scope.reshaped(dy, &shape)?)])
}

/// Axes permuted back.
pub(super) fn transpose(scope: &mut Scope<'_>) -> Gradients {
    let Op::Transpose { perm } = scope.op() else { return Ok(Vec::new()) };
    let mut back = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    let dy = scope.dy;
    Ok(vec![Some(scope.add(Op::Transpose { perm: back }, &[dy])?)])
}

/// To each operand the part of the gradient that it became.
pub(super) fn concat(scope: &mut Scope<'_>) -> Gradients {
    let Op::Concat { axis } = scope.op() else { return Ok(Vec::new()) };
    let (dy, mut start) = (scope.dy, 0);
    let mut gradients = Vec::new();
    for position in 0..scope.operand_count() {
        let shape = scope.shape(scope.operand(position));
        let mut taken: Vec<SliceAxis> = shape.iter().map(|&extent| whole(extent)).collect();
        taken[axis].start = start;
        start += shape[axis];
        gradients.push(scope.wanted(position, |scope| scope.add(Op::Slice(taken), &[dy]))?);
    }
    Ok(gradients)
}

fn whole(len: usize) -> SliceAxis {
    SliceAxis { start: 0, step: 1, len }
}

/// Without the border; what was mirrored into the border comes back from there, too.
pub(super) fn pad(scope: &mut Scope<'_>) -> Gradients {
    let Op::Pad { before, mode, .. } = scope.op() else { return Ok(Vec::new()) };
    let (shape, mut gradient) = (scope.shape(scope.operand(0)), scope.dy);
    if mode == PadMode::Reflect {
        let padded = scope.shape(gradient);
        for axis in 0..shape.len() {
            let (extent, before) = (shape[axis], before[axis]);
            let mirrored = |i: usize| match i.checked_sub(before) {
                None => before - i,
                Some(i) if i < extent => i,
                Some(i) => 2 * (extent - 1) - i,
            };
            let indices: Vec<usize> = (0..padded[axis]).map(mirrored).collect();
            gradient = gathered(scope, gradient, (axis, extent), &indices)?;
        }
        return Ok(vec![Some(gradient)]);
    }
    let inner = shape.iter().zip(before).map(|(&len, start)| SliceAxis { start, step: 1, len });
    let inner = inner.collect();
    Ok(vec![Some(scope.add(Op::Slice(inner), &[gradient])?)])
}

/// Zeros around what was selected, and between it.
pub(super) fn slice(scope: &mut Scope<'_>) -> Gradients {
    let Op::Slice(axes) = scope.op() else { return Ok(Vec::new()) };
    let (shape, mut gradient) = (scope.shape(scope.operand(0)), scope.dy);
    let (mut before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
    for (axis, (&extent, taken)) in shape.iter().zip(&axes).enumerate() {
        if taken.step == 1 {
            before[axis] = taken.start;
            after[axis] = extent - taken.start - taken.len;
        } else {
            let index = |i: usize| taken.start.wrapping_add_signed(taken.step * i as isize);
            let indices: Vec<usize> = (0..taken.len).map(index).collect();
            gradient = gathered(scope, gradient, (axis, extent), &indices)?;
        }
    }
    if before.iter().chain(&after).any(|&n| n > 0) {
        let pad = Op::Pad { before, after, mode: PadMode::Constant(0.0) };
        gradient = scope.add(pad, &[gradient])?;
    }
    Ok(vec![Some(gradient)])
}

/// To each element the sum of the gradients of its copies.
pub(super) fn gather(scope: &mut Scope<'_>) -> Gradients {
    let Op::Gather { axis, indices } = scope.op() else { return Ok(Vec::new()) };
    let (extent, dy) = (scope.shape(scope.operand(0))[axis], scope.dy);
    Ok(vec![Some(gathered(scope, dy, (axis, extent), &indices)?)])
}

/// The gradient of a selection along an axis, whose operand had this extent.
fn gathered(
    scope: &mut Scope<'_>,
    dy: NodeId,
    (axis, extent): (usize, usize),
    indices: &[usize],
) -> Added {
    let weights = vec![1.0; indices.len()].into();
    let selection = Interpolate { axis, taps: 1, indices: indices.into(), weights };
    scope.add(Op::Interpolate(transposed(&selection, extent)), &[dy])
}

/// The same sums with the matrix transposed.
pub(super) fn interpolate(scope: &mut Scope<'_>) -> Gradients {
    let Op::Interpolate(op) = scope.op() else { return Ok(Vec::new()) };
    let (extent, dy) = (scope.shape(scope.operand(0))[op.axis], scope.dy);
    let back = transposed(&op, extent);
    Ok(vec![Some(scope.add(Op::Interpolate(back), &[dy])?)])
}

/// The transposed matrix. Its rows have as many elements as the longest one; the others end in
/// zeros.
fn transposed(op: &Interpolate, extent: usize) -> Interpolate {
    let mut rows: Vec<Vec<(usize, f32)>> = vec![Vec::new(); extent];
    for (i, (&index, &weight)) in op.indices.iter().zip(op.weights.iter()).enumerate() {
        rows[index].push((i / op.taps, weight));
    }
    let taps = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    rows.iter_mut().for_each(|row| row.resize(taps, (0, 0.0)));
    let (indices, weights): (Vec<usize>, Vec<f32>) = rows.into_iter().flatten().unzip();
    Interpolate { axis: op.axis, taps, indices: indices.into(), weights: weights.into() }
}
