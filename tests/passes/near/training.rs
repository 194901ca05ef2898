//! What training steps are made of.

use resnetc_ir::expression::Expression;
use resnetc_ir::op::{Binary, ConvGradient, Pads, Pool, Unary, Window};
use resnetc_ir::{NodeId, Op};

use super::Near;

/// A function of a value and of one of its shape, of its channels, or of one number.
fn function(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let shape = near.shape(x);
    let unary = near.dice.pick(&[Unary::Relu, Unary::Abs, Unary::Tanh]);
    if near.dice.coin() {
        return near.add(Op::Unary(unary), &[x]);
    }
    let other = match near.dice.between(0, 4) {
        0 => near.input(&shape),
        1 => near.input(&[1, shape[1], 1, 1]),
        2 => near.constant(&[1, shape[1], 1, 1]),
        3 => x,
        _ => near.constant(&[]),
    };
    let binary = near.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
    let operands = if near.dice.coin() { [x, other] } else { [other, x] };
    near.add(Op::Binary(binary), &operands)
}

/// A chain of functions, in which another operator may be.
pub(super) fn functions(near: &mut Near) -> Option<()> {
    let mut x = near.image();
    for _ in 0..near.dice.between(1, 3) {
        x = match near.one_of(4) {
            true => near.add(Op::Softmax { axis: 1 }, &[x])?,
            false => function(near, x)?,
        };
    }
    near.end(x)
}

/// One or two sums of functions of an image, or of the image.
pub(super) fn channel_sums(near: &mut Near) -> Option<()> {
    let x = near.image();
    for _ in 0..near.dice.between(1, 2) {
        let summed = if near.one_of(3) { x } else { function(near, x)? };
        let sum = near.add(Op::ChannelSums(Expression::identity()), &[summed])?;
        near.graph.output("sum", sum);
    }
    near.end(x)
}

/// A convolution's attributes, and the shapes of its result, source and weights.
fn convolution(near: &mut Near) -> Option<(ConvGradient, [Vec<usize>; 3])> {
    let groups = near.dice.pick(&[1, 1, 2, 3]);
    let [inputs, outputs] = [2, 3].map(|most| near.dice.between(1, most));
    let size = [6, 5].map(|most| near.dice.between(2, most));
    let pads = [(); 4].map(|()| near.dice.between(0, 2));
    let window = Window {
        kernel: [3, 2].map(|most| near.dice.between(1, most)),
        strides: [2, 3].map(|most| near.dice.between(1, most)),
        dilations: [near.dice.pick(&[1, 1, 2]); 2],
        pads: Pads { top: pads[0], left: pads[1], bottom: pads[2], right: pads[3] },
    };
    let fits = |axis: usize, pads: usize| {
        window.dilations[axis] * (window.kernel[axis] - 1) < size[axis] + pads
    };
    if !fits(0, window.pads.top + window.pads.bottom) {
        return None;
    }
    if !fits(1, window.pads.left + window.pads.right) {
        return None;
    }
    let gradient = ConvGradient { window, groups, image: size };
    let [rows, columns] = gradient.outputs();
    let n = near.dice.between(1, 2);
    let dy = vec![n, outputs * groups, rows, columns];
    let src = vec![n, inputs * groups, size[0], size[1]];
    let weights = vec![outputs * groups, inputs, window.kernel[0], window.kernel[1]];
    Some((gradient, [dy, src, weights]))
}

/// The gradient of a source, with or without groups, strides and wide padding.
pub(super) fn conv_source(near: &mut Near) -> Option<()> {
    let (gradient, [dy, _, weights]) = convolution(near)?;
    let operands = [near.input(&dy), near.input(&weights)];
    let dx = near.add(Op::ConvSource(gradient.into()), &operands)?;
    near.end(dx)
}

/// The gradient of weights, with or without groups.
pub(super) fn conv_weights(near: &mut Near) -> Option<()> {
    let (gradient, [dy, src, _]) = convolution(near)?;
    let operands = [near.input(&dy), near.input(&src)];
    let dw = near.add(Op::ConvWeights(gradient), &operands)?;
    near.end(dw)
}

/// A loss, or the scores alone.
pub(super) fn cross_entropy(near: &mut Near) -> Option<()> {
    let shape = [3, 4].map(|most| near.dice.between(1, most));
    let [scores, target] = [near.input(&shape), near.input(&shape)];
    let loss = match near.one_of(4) {
        true => near.add(Op::Softmax { axis: 1 }, &[scores])?,
        false => near.add(Op::CrossEntropy, &[scores, target])?,
    };
    near.end(loss)
}

/// State whose next value is a function of it, or something else.
pub(super) fn state(near: &mut Near) -> Option<()> {
    let state = near.image();
    let next = match near.dice.between(0, 3) {
        0 => {
            let pool = Pool { window: Window::square(1, 1, 0), ceil_mode: false };
            near.add(Op::MaxPool(pool), &[state])?
        }
        1 => {
            let other = near.input(&near.shape(state));
            near.add(Op::Unary(Unary::Relu), &[other])?
        }
        _ => function(near, state)?,
    };
    near.graph.carry(state, next);
    near.end(state)
}
