//! Sums of branches.

use resnetc_ir::op::{Binary, Conv, PadMode, Pads, Pool, Residual, SliceAxis, Unary, Window};
use resnetc_ir::{NodeId, Op, Tensor};

use super::Near;

/// A convolution of `x` with that many filters.
fn conv(
    near: &mut Near,
    x: NodeId,
    filters: usize,
    window: Window,
    groups: usize,
) -> Option<NodeId> {
    let [_, c, _, _] = near.shape(x)[..] else { return None };
    if !c.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return None;
    }
    let [r, s] = window.kernel;
    let mut operands = vec![x, near.parameter(&[filters, c / groups, r, s], 3e38)];
    let bias = near.dice.coin();
    if bias {
        operands.push(near.parameter(&[filters], 3e38));
    }
    let activation = near.activation();
    near.add(Op::Conv(Conv { bias, activation, ..Conv::new(window, groups) }), &operands)
}

/// A convolution, and a value that is added to it.
pub(super) fn sum(near: &mut Near) -> Option<()> {
    let x = near.image();
    let [n, c, h, w] = near.shape(x)[..] else { return None };
    let filters = if near.dice.coin() { c } else { near.dice.between(1, 4) };
    let pixel = Window::square(1, 1, 0);
    let mut first = conv(near, x, filters, pixel, 1)?;
    if near.one_of(8) {
        first = near.add(Op::Unary(Unary::Tanh), &[first])?;
    }
    let second = match near.dice.between(0, 7) {
        0 | 1 => conv(near, x, filters, pixel, 1)?,
        2 | 3 => near.input(&[n, filters, h, w]),
        4 => near.add(Op::Unary(Unary::Relu), &[first])?,
        5 => near.input(&[1, filters, 1, 1]),
        6 => near.constant(&[n, filters, h, w]),
        _ => first,
    };
    let op = if near.one_of(8) { Binary::Sub } else { Binary::Add };
    let operands = if near.dice.coin() { [first, second] } else { [second, first] };
    let y = near.add(Op::Binary(op), &operands)?;
    near.end(y)
}

/// A convolution with the result of another as its residual.
pub(super) fn projected(near: &mut Near) -> Option<()> {
    let (n, [h, w]) = (near.dice.between(1, 2), [3, 4].map(|most| near.dice.between(2, most)));
    let many = if near.one_of(12) { 127 } else { 2 };
    let [c, filters] = [near.dice.pick(&[2, many]), near.dice.pick(&[2, 4])];
    let (source, x) = (near.input(&[n, 2, 2 * h, 2 * w]), near.input(&[n, c, h, w]));
    let kernel = near.dice.pick(&[1, 1, 1, 3]);
    let window = Window::square(kernel, 2, kernel / 2);
    let groups = near.dice.pick(&[1, 1, 1, 2]);
    let shortcut = conv(near, source, filters, window, groups)?;
    let window = match near.dice.between(0, 5) {
        0 => Window::square(3, 1, 1),
        _ => Window::square(1, 1, 0),
    };
    let [r, s] = window.kernel;
    let more = if near.one_of(8) { 2 } else { 0 };
    let mut operands = vec![x, near.parameter(&[filters + more, c, r, s], 3e38)];
    let bias = near.dice.coin();
    if bias {
        operands.push(near.parameter(&[filters + more], 3e38));
    }
    operands.push(shortcut);
    let channel = near.dice.between(0, more);
    let residual = Some(Residual { strides: [1, 1], channel });
    let activation = near.activation();
    let main = Conv { bias, residual, activation, ..Conv::new(window, 1) };
    let y = near.add(Op::Conv(main), &operands)?;
    near.end(y)
}

/// A convolution whose residual passes through operators that skip pixels and add channels, or
/// nearly so.
pub(super) fn strided(near: &mut Near) -> Option<()> {
    let x = near.image();
    let mut shortcut = near.source(x)?;
    for _ in 0..near.dice.between(1, 2) {
        shortcut = match near.dice.between(0, 3) {
            0 => skip_by_slice(near, shortcut)?,
            1 => skip_by_pool(near, shortcut)?,
            2 => pad_channels(near, shortcut)?,
            _ => join_channels(near, shortcut)?,
        };
    }
    let [n, c, h, w] = near.shape(shortcut)[..] else { return None };
    let source = near.input(&[n, 2, h, w]);
    let weights = near.constant(&[c, 2, 1, 1]);
    let activation = near.activation();
    let residual = Some(Residual::PLAIN);
    let main = Conv { residual, activation, ..Conv::new(Window::square(1, 1, 0), 1) };
    let y = near.add(Op::Conv(main), &[source, weights, shortcut])?;
    near.end(y)
}

fn skip_by_slice(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let shape = near.shape(x);
    let mut axes: Vec<SliceAxis> =
        shape.iter().map(|&len| SliceAxis { start: 0, step: 1, len }).collect();
    for axis in 2..4 {
        let step = near.dice.pick(&[1, 2, 2, 3]);
        let start = if near.one_of(8) { shape[axis] - 1 } else { 0 };
        let most = (shape[axis] - start).div_ceil(step);
        let len = if near.one_of(8) { most.div_ceil(2) } else { most };
        axes[axis] = SliceAxis { start, step: step as isize, len };
    }
    if near.one_of(8) {
        axes[1] = SliceAxis { start: shape[1] - 1, step: -1, len: shape[1] };
    }
    near.add(Op::Slice(axes), &[x])
}

fn skip_by_pool(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let shape = near.shape(x);
    let kernel = near.dice.pick(&[1, 1, 1, 2]);
    let mut window = Window::square(kernel.min(shape[2]).min(shape[3]), 2, 0);
    window.strides = [near.dice.between(1, 3), near.dice.between(1, 3)];
    if near.one_of(6) && window.kernel[0] > 1 {
        window.pads = Pads { top: 1, ..Pads::default() };
    }
    let pool = Pool { window, ceil_mode: near.one_of(4) };
    let op = match near.dice.coin() {
        true => Op::MaxPool(pool),
        false => Op::AveragePool { pool, count_include_pad: near.dice.coin() },
    };
    near.add(op, &[x])
}

fn pad_channels(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let (mut before, mut after) = (vec![0; 4], vec![0; 4]);
    before[1] = near.dice.between(0, 2);
    after[1] = near.dice.between(0, 2);
    if near.one_of(8) {
        after[near.dice.pick(&[0, 2, 3])] = 1;
    }
    let mode = PadMode::Constant(near.dice.pick(&[0.0, 0.0, 0.0, -0.0, 1.0]));
    near.add(Op::Pad { before, after, mode }, &[x])
}

fn join_channels(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let shape = near.shape(x);
    let axis = if near.one_of(8) { near.dice.pick(&[2, 3]) } else { 1 };
    let mut operands = Vec::new();
    let place = near.dice.between(0, 2);
    for i in 0..3 {
        if i == place {
            operands.push(x);
        } else if near.dice.coin() {
            let mut of = shape.clone();
            of[axis] = near.dice.between(1, 2);
            let odd = near.one_of(8);
            let zeros = Tensor::new(of.clone(), vec![0.0; of.iter().product()])?;
            operands.push(match odd {
                true => near.constant(&of),
                false => near.graph.constant("", zeros),
            });
        }
    }
    if near.one_of(10) {
        operands.push(x);
    }
    near.add(Op::Concat { axis }, &operands)
}

/// A sum of two branches of one value.
pub(super) fn branches(near: &mut Near) -> Option<()> {
    let x = near.image();
    let [_, c, h, w] = near.shape(x)[..] else { return None };
    let other = if near.one_of(10) { near.source(x)? } else { x };
    let groups = near.dice.pick(&[1, 1, c]);
    let filters = if near.dice.coin() { c } else { near.dice.between(1, 2) * groups };
    let window = branch_window(near, [h, w]);
    let first = conv(near, x, filters, window, groups)?;
    let second = match near.dice.between(0, 3) {
        0 => {
            let parameters = [1.0, 3e38, 1.0, 0.0].map(|odd| near.parameter(&[c], odd));
            let operands: Vec<NodeId> = [other].into_iter().chain(parameters).collect();
            let epsilon = near.dice.pick(&[0.0, 1e-3]);
            near.add(Op::BatchNorm { epsilon }, &operands)?
        }
        n => {
            let window = if n == 1 { window } else { branch_window(near, [h, w]) };
            let groups = if near.one_of(8) { 1 } else { groups };
            conv(near, other, filters, window, groups)?
        }
    };
    let operands = if near.dice.coin() { [first, second] } else { [second, first] };
    let op = if near.one_of(10) { Binary::Sub } else { Binary::Add };
    let y = near.add(Op::Binary(op), &operands)?;
    near.end(y)
}

/// A window that keeps the extents, with one tap or three along each axis; rarely a different one.
fn branch_window(near: &mut Near, input: [usize; 2]) -> Window {
    if near.one_of(8) {
        return near.dice.window(input);
    }
    if near.one_of(8) {
        // The same number of outputs, from every second pixel and padding.
        let [bottom, right] = input.map(|extent| extent - 1);
        let pads = Pads { bottom, right, ..Pads::default() };
        return Window { pads, ..Window::square(1, 2, 0) };
    }
    let kernel = [near.dice.pick(&[1, 3]), near.dice.pick(&[1, 3])];
    let dilation = if near.one_of(8) { 2 } else { 1 };
    let [down, right] = kernel.map(|k| k / 2 * dilation);
    let stride = if near.one_of(8) { 2 } else { 1 };
    Window {
        kernel,
        strides: [stride; 2],
        dilations: [dilation; 2],
        pads: Pads { top: down, bottom: down, left: right, right },
    }
}
