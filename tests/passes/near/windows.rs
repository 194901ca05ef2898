//! Convolutions and pools after operators that enlarge their images, and means.

use resnetc_ir::op::{Conv, PadMode, Pads, Pool, SliceAxis, Window};
use resnetc_ir::{NodeId, Op};

use super::Near;

/// A Pad, and its reader.
pub(super) fn padded(near: &mut Near) -> Option<()> {
    let x = near.image();
    let x = match near.one_of(5) {
        true => convolution(near, x)?,
        false => near.source(x)?,
    };
    // Narrow borders and wide windows: every window covers an element, and some cover few.
    let is_narrow = near.dice.coin();
    let pad = pad(near, if is_narrow { 1 } else { 2 });
    let padded = near.add(pad, &[x])?;
    let read = match near.dice.between(0, 1) {
        _ if is_narrow => bordered_pool(near, padded)?,
        0 => convolution(near, padded)?,
        _ => pool(near, padded)?,
    };
    near.end(read)
}

/// A Pad of up to `most` rows and columns on each side.
fn pad(near: &mut Near, most: usize) -> Op {
    let (mut before, mut after) = (vec![0; 4], vec![0; 4]);
    for axis in 2..4 {
        before[axis] = near.dice.between(0, most);
        after[axis] = near.dice.between(0, most);
    }
    if near.one_of(10) {
        before[near.dice.between(0, 1)] = 1;
    }
    let value = near.dice.pick(&[0.0, 0.0, 0.0, -0.0, -1.0, 1.0, f32::NEG_INFINITY]);
    let mode = if near.one_of(10) { PadMode::Reflect } else { PadMode::Constant(value) };
    Op::Pad { before, after, mode }
}

fn convolution(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let [_, c, h, w] = near.shape(x)[..] else { return None };
    let window = near.dice.window([h, w]);
    let [r, s] = window.kernel;
    let odd = near.dice.pick(&[f32::INFINITY, f32::NAN]);
    let weights = near.parameter(&[2, c, r, s], odd);
    let activation = near.activation();
    near.add(Op::Conv(Conv { activation, ..Conv::new(window, 1) }), &[x, weights])
}

/// A pool; for a small image, often one whose windows would not reach over more padding.
fn pool(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let [_, _, h, w] = near.shape(x)[..] else { return None };
    let mut window = near.dice.pool_window([h, w]);
    if near.one_of(2) {
        window.pads = Pads::default();
    }
    if !near.one_of(4) {
        window.dilations = [1, 1];
    }
    let pool = Pool { window, ceil_mode: near.one_of(6) };
    let count_include_pad = near.dice.coin();
    let op = match near.dice.coin() {
        true => Op::MaxPool(pool),
        false => Op::AveragePool { pool, count_include_pad },
    };
    near.add(op, &[x])
}

/// A Concat of an image and a slice of it, followed by a pool.
pub(super) fn border(near: &mut Near) -> Option<()> {
    let x = near.image();
    let axis = near.dice.pick(&[1, 2, 2, 3, 3]);
    let shape = near.shape(x);
    let all = |&len: &usize| SliceAxis { start: 0, step: 1, len };
    let mut axes: Vec<SliceAxis> = shape.iter().map(all).collect();
    let last = shape[axis] - 1;
    let start = near.dice.pick(&[0, last, last, last / 2]);
    let len = if near.one_of(8) { (shape[axis] - start).min(2) } else { 1 };
    axes[axis] = SliceAxis { start, step: 1, len };
    if near.one_of(10) {
        // The same rows of a mirrored image.
        let other = near.dice.pick(&[2, 3]);
        if other != axis {
            axes[other] = SliceAxis { start: shape[other] - 1, step: -1, len: shape[other] };
        }
    }
    let from = if near.one_of(8) { near.source(x)? } else { x };
    let slice = near.add(Op::Slice(axes), &[from])?;
    let order = match near.dice.between(0, 7) {
        0 => vec![x, slice, slice],
        1..=3 => vec![slice, x],
        _ => vec![x, slice],
    };
    let joined = near.add(Op::Concat { axis }, &order)?;
    let read = if near.one_of(4) { pool(near, joined)? } else { bordered_pool(near, joined)? };
    near.end(read)
}

/// A maximum pool whose windows reach over one row or column of padding, rarely over more.
fn bordered_pool(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let kernel = near.dice.pick(&[2, 2, 3]);
    let mut window = Window::square(kernel, near.dice.between(1, 2), 0);
    if near.one_of(4) {
        window.pads = Pads { top: 1, right: 1, ..Pads::default() };
    }
    let ceil_mode = near.one_of(8);
    near.add(Op::MaxPool(Pool { window, ceil_mode }), &[x])
}

/// A mean over some axes, or an average pool of nearly the whole image.
pub(super) fn mean(near: &mut Near) -> Option<()> {
    let x = near.image();
    let [_, _, h, w] = near.shape(x)[..] else { return None };
    let keep_dims = near.dice.coin();
    let y = if near.dice.coin() {
        let axes = near.dice.pick(&[&[2, 3][..], &[2, 3], &[1, 2], &[3], &[1, 2, 3], &[0, 2, 3]]);
        near.add(Op::ReduceMean { axes: axes.to_vec(), keep_dims }, &[x])?
    } else {
        let mut window = Window { kernel: [h, w], ..Window::square(1, 1, 0) };
        window.strides = [near.dice.between(1, 2), 1];
        if near.one_of(3) {
            window.kernel[0] = h - 1;
        }
        if near.one_of(4) {
            window.pads = Pads { right: 1, ..Pads::default() };
        }
        if near.one_of(4) {
            (window.kernel[1], window.dilations[1]) = (1, 2);
        }
        let pool = Pool { window, ceil_mode: near.dice.coin() };
        let count_include_pad = near.dice.coin();
        near.add(Op::AveragePool { pool, count_include_pad }, &[x])?
    };
    near.end(y)
}
