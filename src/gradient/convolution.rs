//! Convolutions, and their own gradients, which are linear in both operands.

use resnetc_ir::op::{Conv, ConvGradient, Residual, SliceAxis, Window};
use resnetc_ir::{NodeId, Op};

use super::elementwise::through;
use super::scope::{Added, Gradients, Scope};

/// `y = activation(conv(x, w) + b + shortcut)`: `db` is the sum of `dy` over images and pixels, the
/// shortcut's gradient is `dy`, and the others are sums of products (Goodfellow et al., "Deep
/// Learning", 2016, section 9.5).
pub(super) fn conv(scope: &mut Scope<'_>) -> Gradients {
    let Op::Conv(conv) = scope.op() else { return Ok(Vec::new()) };
    let dy = through(conv.activation, scope)?;
    let mut gradients = products(scope, dy, (&conv.window, conv.groups), 0)?;
    if conv.bias {
        gradients.push(scope.wanted(2, |scope| scope.sum_of_channels(dy))?);
    }
    if let (Some(how), Some(position)) = (conv.residual, conv.residual_operand()) {
        gradients.push(scope.wanted(position, |scope| residual(scope, dy, how, position))?);
    }
    if let (Some(window), Some(position)) = (conv.projection, conv.projected_operand()) {
        gradients.extend(products(scope, dy, (&window, 1), position)?);
    }
    Ok(gradients)
}

/// The gradients of a source and its weights, which are operands from `first` on.
fn products(
    scope: &mut Scope<'_>,
    dy: NodeId,
    (window, groups): (&Window, usize),
    first: usize,
) -> Gradients {
    let (src, weights) = (scope.operand(first), scope.operand(first + 1));
    let shape = scope.shape(src);
    let how = ConvGradient { window: *window, groups, image: [shape[2], shape[3]] };
    Ok(vec![
        scope.wanted(first, |scope| scope.add(Op::ConvSource(how.into()), &[dy, weights]))?,
        scope.wanted(first + 1, |scope| scope.add(Op::ConvWeights(how), &[dy, src]))?,
    ])
}

/// Of the channels that the residual was added to; pixels between its steps get zeros, as from a
/// convolution of one tap.
fn residual(scope: &mut Scope<'_>, dy: NodeId, how: Residual, position: usize) -> Added {
    let (source, result) = (scope.operand(position), scope.shape(dy));
    let shape = scope.shape(source);
    let all = |len| SliceAxis { start: 0, step: 1, len };
    let mut taken: Vec<SliceAxis> = result.iter().map(|&extent| all(extent)).collect();
    taken[1] = SliceAxis { start: how.channel, step: 1, len: shape[1] };
    let dy = if shape[1] == result[1] { dy } else { scope.add(Op::Slice(taken), &[dy])? };
    if how.strides == [1, 1] {
        return Ok(dy);
    }
    let window = Window { strides: how.strides, ..Window::square(1, 1, 0) };
    let ones = scope.ones(&[shape[1], 1, 1, 1]);
    let spread = ConvGradient { window, groups: shape[1], image: [shape[2], shape[3]] };
    scope.add(Op::ConvSource(spread.into()), &[dy, ones])
}

/// `y = conv_source(g, w) + residual`: `dg = conv(dy, w)`, `dw = conv_weights(g, dy)`, and the
/// residual's gradient is `dy`.
pub(super) fn conv_source(scope: &mut Scope<'_>) -> Gradients {
    let Op::ConvSource(source) = scope.op() else { return Ok(Vec::new()) };
    let (g, w, dy, how) = (scope.operand(0), scope.operand(1), scope.dy, source.gradient);
    let mut gradients = vec![
        scope.wanted(0, |scope| scope.add(forward(how), &[dy, w]))?,
        scope.wanted(1, |scope| scope.add(Op::ConvWeights(how), &[g, dy]))?,
    ];
    if let Some(residual) = source.residual_operand() {
        gradients.push(scope.wanted(residual, |_| Ok(dy))?);
    }
    Ok(gradients)
}

/// `y = conv_weights(g, x)`: `dg = conv(x, dy)`, `dx = conv_source(g, dy)`.
pub(super) fn conv_weights(scope: &mut Scope<'_>) -> Gradients {
    let Op::ConvWeights(how) = scope.op() else { return Ok(Vec::new()) };
    let (g, x, dy) = (scope.operand(0), scope.operand(1), scope.dy);
    Ok(vec![
        scope.wanted(0, |scope| scope.add(forward(how), &[x, dy]))?,
        scope.wanted(1, |scope| scope.add(Op::ConvSource(how.into()), &[g, dy]))?,
    ])
}

fn forward(how: ConvGradient) -> Op {
    Op::Conv(Conv::new(how.window, how.groups))
}
