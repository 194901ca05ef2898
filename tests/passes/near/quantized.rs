//! Quantized convolutions, with a shortcut or without. All steps are powers of two and all numbers
//! small, so that every result is exact.

use resnetc_ir::op::{
    Activation, Binary, Conv, Dequantize, Gemm, Pool, Quantize, Requantize, Unary, Window,
};
use resnetc_ir::{DType, NodeId, Op, Tensor};

use super::Near;

/// How quantizers and dequantizers are written.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// As one operator each, on unsigned bytes.
    operators: bool,
    /// Whether values are numbers of steps, and products are multiplied with a factor.
    steps: bool,
    /// The limits of quantized values.
    limits: [f32; 2],
}

/// Quantizers and dequantizers as arithmetic.
pub(super) fn arithmetic(near: &mut Near) -> Option<()> {
    let limits = near.dice.pick(&[[-128.0, 127.0], [0.0, 255.0]]);
    let steps = near.one_of(4);
    network(near, Style { operators: false, steps, limits })
}

impl Style {
    /// As operators, with a step of their own.
    pub(super) const OPERATORS: Style =
        Style { operators: true, steps: false, limits: [0.0, 255.0] };
}

/// Quantizers and dequantizers as operators.
pub(super) fn operators(near: &mut Near) -> Option<()> {
    let steps = near.one_of(4);
    network(near, Style { operators: true, steps, limits: [0.0, 255.0] })
}

/// A quantized image, and a product of it that is quantized, or a sum with another one.
fn network(near: &mut Near, style: Style) -> Option<()> {
    let x = near.image();
    let q = match !style.operators && near.one_of(6) {
        true => declared(near)?,
        false => quantized(near, x, style)?,
    };
    let mut source = dequantized(near, q, style)?;
    if near.one_of(6) {
        let window = Window::square(2, 1, 1);
        source = near.add(Op::MaxPool(Pool { window, ceil_mode: false }), &[source])?;
        let again = quantized(near, source, style)?;
        source = dequantized(near, again, style)?;
    }
    let product = match near.one_of(4) {
        true => matrix(near, source, style)?,
        false => convolution(near, source, style)?,
    };
    let product = if style.steps { scaled(near, product)? } else { product };
    let product = activated(near, product)?;
    if near.one_of(6) {
        return near.end(product);
    }
    let q = quantized(near, product, style)?;
    if near.dice.coin() {
        return near.end(q);
    }
    let own = dequantized(near, q, style)?;
    let shape = near.shape(own);
    let other = match near.one_of(8) {
        true => near.input(&shape[1..]),
        false => near.input(&shape),
    };
    let other = quantized(near, other, style)?;
    let other = dequantized(near, other, style)?;
    let terms = if near.dice.coin() { [own, other] } else { [other, own] };
    let sum = near.add(Op::Binary(Binary::Add), &terms)?;
    let sum = activated(near, sum)?;
    let q = quantized(near, sum, style)?;
    near.end(q)
}

/// An input that is declared to be bytes, moved or not.
fn declared(near: &mut Near) -> Option<NodeId> {
    let shape = [near.dice.between(1, 2), near.dice.between(1, 4), 4, 5];
    let ty = near.dice.pick(&[DType::U8, DType::I8, DType::I8, DType::I32]);
    let input = near.graph.input_as("declared", shape, ty);
    match near.one_of(3) {
        true => near.add(Op::Transpose { perm: vec![0, 1, 3, 2] }, &[input]),
        false => Some(input),
    }
}

/// A step; occasionally one that is computed. It is not 0, since no byte stands for NaN.
fn step(near: &mut Near, value: f32) -> NodeId {
    let step = near.graph.constant("", Tensor::scalar(value));
    if !near.one_of(40) {
        return step;
    }
    let input = near.input(&[]);
    let positive = near.unary(input, Unary::Abs);
    near.add(Op::Binary(Binary::Add), &[positive, step]).unwrap_or(step)
}

/// A product times one factor, or one for each output.
fn scaled(near: &mut Near, product: NodeId) -> Option<NodeId> {
    let shape = near.shape(product);
    let outputs = shape[1];
    let shape = match near.dice.between(0, 5) {
        0..=2 => vec![],
        3 | 4 => [vec![outputs], vec![1; shape.len() - 2]].concat(),
        _ => vec![shape[shape.len() - 1]],
    };
    let factors = (0..shape.iter().product()).map(|_| near.dice.pick(&[0.125, 0.25, 0.5]));
    let factors = Tensor::new(shape, factors.collect())?;
    let factors = near.graph.constant("", factors);
    near.add(Op::Binary(Binary::Mul), &[product, factors])
}

/// A step and a zero point, mostly the same.
fn parameters(near: &mut Near, style: Style) -> (f32, i32) {
    let other = near.one_of(3);
    let step = match (style.steps, other) {
        (true, _) => 1.0,
        (false, true) => near.dice.pick(&[0.5, 1.0, 2.0, 4.0]),
        (false, false) => 0.25,
    };
    let zero = if other { near.dice.pick(&[0, 3, 17, 100]) } else { 0 };
    (step, zero)
}

pub(super) fn quantized(near: &mut Near, x: NodeId, style: Style) -> Option<NodeId> {
    let ((scale, zero), [lo, hi]) = (parameters(near, style), style.limits);
    if style.operators {
        let hi = if near.one_of(8) { 200 } else { 255 };
        let result = Requantize { to: DType::U8, zero, lo: 0, hi };
        return near.add(Op::Quantize(Quantize { scale, result }), &[x]);
    }
    let steps = match style.steps {
        true => x,
        false => {
            let step = step(near, scale);
            near.add(Op::Binary(Binary::Div), &[x, step])?
        }
    };
    let rounding = if near.one_of(40) { Unary::Abs } else { Unary::Round };
    let mut rounded = near.add(Op::Unary(rounding), &[steps])?;
    if zero != 0 || near.one_of(4) {
        let zero = if near.one_of(40) { 0.5 } else { zero as f32 };
        let zero = near.graph.constant("", Tensor::scalar(zero));
        rounded = near.add(Op::Binary(Binary::Add), &[rounded, zero])?;
    }
    let hi = if near.one_of(40) { 300.0 } else { hi };
    near.add(Op::Unary(Unary::Clip { lo, hi }), &[rounded])
}

pub(super) fn dequantized(near: &mut Near, q: NodeId, style: Style) -> Option<NodeId> {
    let (scale, zero) = parameters(near, style);
    if style.operators {
        return near.add(Op::Dequantize(Dequantize { scale, zero }), &[q]);
    }
    let mut centred = q;
    if zero != 0 {
        let zero = near.graph.constant("", Tensor::scalar(zero as f32));
        centred = near.add(Op::Binary(Binary::Sub), &[q, zero])?;
    }
    if style.steps {
        return Some(centred);
    }
    let step = step(near, scale);
    near.add(Op::Binary(Binary::Mul), &[centred, step])
}

/// A product of the rows of an image, as a matrix, with quantized weights.
fn matrix(near: &mut Near, source: NodeId, style: Style) -> Option<NodeId> {
    let [n, c, h, w] = near.shape(source)[..] else { return None };
    let rows = near.add(Op::Reshape { shape: vec![n * c * h, w] }, &[source])?;
    let outputs = near.dice.between(1, 3);
    let transpose_b = near.dice.coin();
    let shape = if transpose_b { vec![outputs, w] } else { vec![w, outputs] };
    let per = if transpose_b { vec![outputs, 1] } else { vec![1, outputs] };
    let weights = weights(near, &shape, &[per.clone(), per, vec![shape[0], 1]], style)?;
    if !transpose_b && near.dice.coin() {
        return near.add(Op::MatMul, &[rows, weights]);
    }
    let alpha = if near.one_of(10) { 2.0 } else { 1.0 };
    let bias = near.dice.coin();
    let activation = Activation::None;
    let gemm = Gemm { alpha, beta: 1.0, transpose_a: false, transpose_b, bias, activation };
    let mut operands = vec![rows, weights];
    if bias {
        operands.push(self::bias(near, outputs)?);
    }
    near.add(Op::Gemm(gemm), &operands)
}

fn convolution(near: &mut Near, source: NodeId, style: Style) -> Option<NodeId> {
    let [_, c, h, w] = near.shape(source)[..] else { return None };
    let (groups, outputs) = if near.one_of(12) { (c, c) } else { (1, near.dice.between(1, 3)) };
    let window = near.dice.window([h, w]);
    let [r, s] = window.kernel;
    let shape = [outputs, c / groups, r, s];
    let per = [outputs, 1, 1, 1].to_vec();
    let weights = weights(near, &shape, &[per.clone(), per, vec![1, c / groups, 1, 1]], style)?;
    let mut operands = vec![source, weights];
    let has_bias = near.dice.coin();
    if has_bias {
        operands.push(bias(near, outputs)?);
    }
    let conv = Conv { bias: has_bias, ..Conv::new(window, groups) };
    near.add(Op::Conv(conv), &operands)
}

/// Dequantized weights with one step, or one for each position of the axis that one of the shapes
/// has.
fn weights(near: &mut Near, shape: &[usize], per: &[Vec<usize>], style: Style) -> Option<NodeId> {
    let count = shape.iter().product();
    let whole = |near: &mut Near| near.dice.pick(&[-128.0, -7.0, -1.0, 0.0, 2.0, 5.0, 127.0]);
    let mut data: Vec<f32> = (0..count).map(|_| whole(near)).collect();
    if near.one_of(20) {
        data[0] = near.dice.pick(&[200.0, 0.5, -129.0]);
    }
    let mut weights = near.graph.constant("", Tensor::new(shape, data)?);
    let shapes = |near: &mut Near| match near.dice.between(0, 9) {
        0..=4 => vec![],
        i => per[i % per.len()].clone(),
    };
    if near.one_of(8) {
        let shape = shapes(near);
        let zeros = (0..shape.iter().product()).map(|_| near.dice.pick(&[0.0, 0.0, 1.0])).collect();
        let zeros = near.graph.constant("", Tensor::new(shape, zeros)?);
        weights = near.add(Op::Binary(Binary::Sub), &[weights, zeros])?;
    }
    if style.steps {
        return Some(weights);
    }
    let shape = shapes(near);
    let steps = (0..shape.iter().product()).map(|_| near.dice.pick(&[0.125, 0.25, 0.5])).collect();
    let scale = near.graph.constant("", Tensor::new(shape, steps)?);
    near.add(Op::Binary(Binary::Mul), &[weights, scale])
}

fn bias(near: &mut Near, outputs: usize) -> Option<NodeId> {
    let bias = (0..outputs).map(|_| near.dice.pick(&[-8.0, 0.0, 4.0, 16.0])).collect();
    Some(near.graph.constant("", Tensor::new([outputs], bias)?))
}

pub(super) fn activated(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let limits = [Unary::Relu, Unary::Clip { lo: 0.0, hi: 6.0 }, Unary::Clip { lo: -1.0, hi: 2.5 }];
    match near.dice.between(0, 4) {
        i @ 0..=2 => near.add(Op::Unary(limits[i]), &[x]),
        _ => Some(x),
    }
}
