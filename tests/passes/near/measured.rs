//! Products of values that a run quantizes. The range of every value is 255 times a power of two,
//! and all other numbers are small multiples of powers of two, so that every result is exact.

use resnetc_ir::op::{Binary, Conv, Pool, SliceAxis, Unary, Window};
use resnetc_ir::quantized::LEAST_STEP;
use resnetc_ir::{DType, NodeId, Op, Tensor};

use super::Near;
use super::quantized::activated;

/// What a quantizer gives: its bytes as floats, the scale and the zero point.
struct Quantized {
    q: NodeId,
    scale: NodeId,
    zero: NodeId,
}

/// An image with elements at both ends of a range.
fn image(near: &mut Near) -> Option<NodeId> {
    let x = near.image();
    let x = near.add(Op::Unary(Unary::Clip { lo: -15.75, hi: 15.75 }), &[x])?;
    let shape = [&[near.shape(x)[0], 1][..], &near.shape(x)[2..]].concat();
    let (least, most) =
        near.dice.pick(&[(-16.0, 47.75), (-63.5, 64.0), (-255.0, 0.0), (0.0, 255.0)]);
    let mut fill = |value: f32| {
        let count = shape.iter().product();
        Some(near.graph.constant("", Tensor::new(shape.clone(), vec![value; count])?))
    };
    let (least_image, most_image) = (fill(least)?, fill(most)?);
    // What is beyond the ends is moved to them.
    let x = near.add(Op::Unary(Unary::Clip { lo: least, hi: most }), &[x])?;
    near.add(Op::Concat { axis: 1 }, &[x, least_image, most_image])
}

fn number(near: &mut Near, value: f32, odd: f32) -> NodeId {
    let value = if near.one_of(60) { odd } else { value };
    near.graph.constant("", Tensor::scalar(value))
}

/// The largest element, or 0.
fn most(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let rank = near.shape(x).len();
    let axes = if near.one_of(60) { vec![1, 2, 3] } else { (0..rank).collect() };
    let most = near.add(Op::ReduceMax { axes, keep_dims: false }, &[x])?;
    let most = match near.shape(most)[..] {
        [] => most,
        _ => near.add(Op::ReduceMax { axes: vec![0], keep_dims: false }, &[most])?,
    };
    near.add(Op::Unary(Unary::Relu), &[most])
}

/// The arithmetic of a quantizer, as the importer writes it.
pub(super) fn arithmetic(near: &mut Near) -> Option<()> {
    let x = image(near)?;
    let other = if near.one_of(30) { image(near)? } else { x };
    let above = most(near, x)?;
    let sign = number(near, -1.0, -2.0);
    let negative = near.add(Op::Binary(Binary::Mul), &[other, sign])?;
    let below = most(near, negative)?;
    let range = near.add(Op::Binary(Binary::Add), &[above, below])?;
    let [steps, least] = [(255.0, 127.5), (LEAST_STEP, 1e-3)].map(|(a, b)| number(near, a, b));
    let scale = near.add(Op::Binary(Binary::Div), &[range, steps])?;
    let scale = near.add(Op::Binary(Binary::Max), &[scale, least])?;
    let bound = if near.one_of(30) { number(near, LEAST_STEP, 1.0) } else { least };
    let empty = near.add(Op::Binary(Binary::Less), &[range, bound])?;
    let scale = near.add(Op::Binary(Binary::Max), &[scale, empty])?;
    let zero = near.add(Op::Binary(Binary::Div), &[below, scale])?;
    let zero = near.add(Op::Unary(Unary::Round), &[zero])?;
    let hi = if near.one_of(30) { 127.0 } else { 255.0 };
    let zero = near.add(Op::Unary(Unary::Clip { lo: 0.0, hi }), &[zero])?;
    let value = if near.one_of(20) { other } else { x };
    let q = near.add(Op::Binary(Binary::Div), &[value, scale])?;
    let rounding = if near.one_of(30) { Unary::Abs } else { Unary::Round };
    let q = near.add(Op::Unary(rounding), &[q])?;
    let terms = if near.one_of(20) { [zero, q] } else { [q, zero] };
    let q = near.add(Op::Binary(Binary::Add), &terms)?;
    let q = near.add(Op::Unary(Unary::Clip { lo: 0.0, hi: 255.0 }), &[q])?;
    let product = near.add(Op::Binary(Binary::Mul), &[q, scale])?;
    near.end(product)
}

fn element(near: &mut Near, measured: NodeId, start: usize) -> Option<NodeId> {
    let axes = vec![SliceAxis { start, step: 1, len: 1 }];
    let element = near.add(Op::Slice(axes), &[measured])?;
    near.add(Op::Reshape { shape: vec![] }, &[element])
}

fn quantized(near: &mut Near, x: NodeId) -> Option<Quantized> {
    let measured = near.add(Op::Measure, &[x])?;
    let bytes = near.add(Op::QuantizeMeasured, &[x, measured])?;
    let q = near.add(Op::Convert { to: DType::F32 }, &[bytes])?;
    let [scale, zero] = [element(near, measured, 0)?, element(near, measured, 1)?];
    Some(Quantized { q, scale, zero })
}

/// A product of measured bytes, its scale, and what follows it.
pub(super) fn operators(near: &mut Near) -> Option<()> {
    let x = image(near)?;
    let Quantized { q, scale, zero } = quantized(near, x)?;
    let other = if near.one_of(20) { image(near)? } else { x };
    let other = quantized(near, other)?;
    let q = match near.one_of(8) {
        true => {
            let window = Window::square(2, 1, 1);
            let bytes = near.graph.operand(q, 0)?;
            let pool = near.add(Op::MaxPool(Pool { window, ceil_mode: false }), &[bytes])?;
            near.add(Op::Convert { to: DType::F32 }, &[pool])?
        }
        false => q,
    };
    let zero = if near.one_of(20) { other.zero } else { zero };
    let zero = if near.one_of(40) { number(near, 3.0, 4.0) } else { zero };
    let centred = near.add(Op::Binary(Binary::Sub), &[q, zero])?;
    let product = match near.one_of(4) {
        true => matrix(near, centred)?,
        false => convolution(near, centred)?,
    };
    let scale = if near.one_of(20) { other.scale } else { scale };
    let factors = match near.one_of(6) {
        true => scale,
        false => {
            let other = scales(near, product)?;
            let factors = if near.dice.coin() { [scale, other] } else { [other, scale] };
            near.add(Op::Binary(Binary::Mul), &factors)?
        }
    };
    let terms = if near.dice.coin() { [product, factors] } else { [factors, product] };
    let mut value = near.add(Op::Binary(Binary::Mul), &terms)?;
    if near.dice.coin() {
        let bias = scales(near, product)?;
        value = near.add(Op::Binary(Binary::Add), &[value, bias])?;
    }
    let shape = near.shape(value);
    if near.dice.coin() {
        let shortcut = match near.one_of(6) {
            true => near.input(&shape[1..]),
            false => near.input(&shape),
        };
        let shortcut = near.add(Op::Unary(Unary::Round), &[shortcut])?;
        let terms = if near.dice.coin() { [value, shortcut] } else { [shortcut, value] };
        value = near.add(Op::Binary(Binary::Add), &terms)?;
    }
    let value = activated(near, value)?;
    near.end(value)
}

/// One number, or one for each output, or occasionally along another axis.
fn scales(near: &mut Near, product: NodeId) -> Option<NodeId> {
    let shape = near.shape(product);
    let shape = match near.dice.between(0, 7) {
        0..=2 => vec![],
        3..=6 => [vec![shape[1]], vec![1; shape.len() - 2]].concat(),
        _ => vec![shape[shape.len() - 1]],
    };
    let numbers = (0..shape.iter().product()).map(|_| near.dice.pick(&[0.125, 0.25, 0.5]));
    let numbers = Tensor::new(shape, numbers.collect())?;
    Some(near.graph.constant("", numbers))
}

fn weights(near: &mut Near, shape: &[usize]) -> Option<NodeId> {
    let count: usize = shape.iter().product();
    let weight = |near: &mut Near| near.dice.pick(&[-128.0, -7.0, -1.0, 0.0, 2.0, 5.0, 127.0]);
    let mut data: Vec<f32> = (0..count).map(|_| weight(near)).collect();
    if near.one_of(20) {
        data[0] = near.dice.pick(&[200.0, 0.5, -129.0]);
    }
    let weights = near.graph.constant("", Tensor::new(shape, data)?);
    if !near.one_of(6) {
        return Some(weights);
    }
    let zero = near.dice.pick(&[0.0, 1.0]);
    let zero = near.graph.constant("", Tensor::scalar(zero));
    near.add(Op::Binary(Binary::Sub), &[weights, zero])
}

fn matrix(near: &mut Near, source: NodeId) -> Option<NodeId> {
    let [n, c, h, w] = near.shape(source)[..] else { return None };
    // Only bytes that are moved before they are floats are known to be bytes.
    let bytes = near.graph.operand(near.graph.operand(source, 0)?, 0)?;
    let zero = near.graph.operand(source, 1)?;
    let rows = near.add(Op::Reshape { shape: vec![n * c * h, w] }, &[bytes])?;
    let rows = near.add(Op::Convert { to: DType::F32 }, &[rows])?;
    let rows = near.add(Op::Binary(Binary::Sub), &[rows, zero])?;
    let outputs = near.dice.between(1, 3);
    let weights = weights(near, &[w, outputs])?;
    near.add(Op::MatMul, &[rows, weights])
}

fn convolution(near: &mut Near, source: NodeId) -> Option<NodeId> {
    let [_, c, h, w] = near.shape(source)[..] else { return None };
    let (groups, outputs) = if near.one_of(12) { (c, c) } else { (1, near.dice.between(1, 3)) };
    let window = near.dice.window([h, w]);
    let [r, s] = window.kernel;
    let weights = weights(near, &[outputs, c / groups, r, s])?;
    let mut operands = vec![source, weights];
    let bias = near.one_of(20);
    if bias {
        operands.push(near.graph.constant("", Tensor::new([outputs], vec![4.0; outputs])?));
    }
    let conv = Conv { bias, ..Conv::new(window, groups) };
    near.add(Op::Conv(conv), &operands)
}
