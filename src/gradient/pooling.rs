//! Windowed pools.

use resnetc_ir::Op;
use resnetc_ir::infer::WindowAxis;
use resnetc_ir::op::{ConvGradient, Pads, Window};

use super::scope::{Gradients, Scope};

/// To the first of the largest elements of each window.
pub(super) fn max(scope: &mut Scope<'_>) -> Gradients {
    let Op::MaxPool(pool) = scope.op() else { return Ok(Vec::new()) };
    let (x, dy) = (scope.operand(0), scope.dy);
    Ok(vec![Some(scope.add(Op::MaxPoolSource(pool), &[dy, x])?)])
}

/// `dy / n` to each of the `n` elements of a window: a convolution's gradient for weights of 1.
pub(super) fn average(scope: &mut Scope<'_>) -> Gradients {
    let Op::AveragePool { pool, count_include_pad } = scope.op() else { return Ok(Vec::new()) };
    let (shape, result) = (scope.shape(scope.operand(0)), scope.shape(scope.dy));
    let axes = WindowAxis::pair(&pool.window);
    let counts = |i: usize| {
        let (axis, extent) = (axes[i], shape[2 + i]);
        (0..result[2 + i]).map(move |output| match count_include_pad {
            true => axis.taps_padded(output, extent),
            false => axis.taps_inside(output, extent).len(),
        })
    };
    let columns: Vec<usize> = counts(1).collect();
    let counts = counts(0).flat_map(|rows| columns.iter().map(move |&c| (rows * c) as f32));
    let counts = counts.collect();
    let counts = scope.constant(&[1, 1, result[2], result[3]], counts);
    let dy = scope.div(scope.dy, counts)?;
    let [r, s] = pool.window.kernel;
    let ones = scope.ones(&[shape[1], 1, r, s]);
    let window = padded(&pool.window, &axes, [&shape[2..], &result[2..]]);
    let how = ConvGradient { window, groups: shape[1], image: [shape[2], shape[3]] };
    Ok(vec![Some(scope.add(Op::ConvSource(how.into()), &[dy, ones])?)])
}

/// The window with as much padding at the end as its last output needs: a number of outputs that was
/// rounded up needs more than the pool has.
fn padded(window: &Window, axes: &[WindowAxis; 2], [image, result]: [&[usize]; 2]) -> Window {
    let after = |i: usize| {
        let end = (result[i] - 1) * axes[i].stride + axes[i].span();
        axes[i].after.max(end.saturating_sub(axes[i].before + image[i]))
    };
    let pads = Pads { bottom: after(0), right: after(1), ..window.pads };
    Window { pads, ..*window }
}
