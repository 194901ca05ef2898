//! Functions and means of quantized values. All steps are powers of two, so that every result is
//! exact.

use resnetc_ir::op::{Binary, Pool, Unary};
use resnetc_ir::{NodeId, Op, Tensor};

use super::Near;
use super::quantized::{Style, activated, dequantized, quantized};

const STYLE: Style = Style::OPERATORS;

/// A quantized image; a function of it, of it and of another value, or a mean of it; and a quantizer.
pub(super) fn of_bytes(near: &mut Near) -> Option<()> {
    let x = near.image();
    let x = source(near, x)?;
    let result = match near.dice.between(0, 5) {
        0 => Some(x),
        1 => chain(near, x),
        2 => swish(near, x),
        3 => product(near, x),
        4 => mean(near, x),
        _ => joined(near, x),
    }?;
    let result = activated(near, result)?;
    if near.one_of(8) {
        return near.end(result);
    }
    let q = quantized(near, result, STYLE)?;
    if near.dice.coin() {
        return near.end(q);
    }
    let result = dequantized(near, q, STYLE)?;
    near.end(result)
}

/// A value that is dequantized, or occasionally one of floats.
fn source(near: &mut Near, x: NodeId) -> Option<NodeId> {
    if near.one_of(8) {
        return Some(x);
    }
    let q = quantized(near, x, STYLE)?;
    dequantized(near, q, STYLE)
}

/// Functions of one argument, one after the other.
fn chain(near: &mut Near, mut x: NodeId) -> Option<NodeId> {
    for _ in 0..near.dice.between(1, 3) {
        let unary = near.dice.pick(&[Unary::Sigmoid, Unary::Abs, Unary::Tanh, Unary::Relu]);
        x = match near.one_of(3) {
            true => {
                let shape = near.dice.pick(&[&[][..], &[1], &[1, 1, 1, 1], &[1, 1, 1, 1, 1], &[2]]);
                let count = shape.iter().product();
                let constant = near.graph.constant("", Tensor::new(shape, vec![0.5; count])?);
                let binary = near.dice.pick(&[Binary::Mul, Binary::Add, Binary::Max]);
                near.add(Op::Binary(binary), &[x, constant])?
            }
            false => near.add(Op::Unary(unary), &[x])?,
        };
    }
    Some(x)
}

/// A value times a function of it, or occasionally of another one.
fn swish(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let from = if near.one_of(4) { product(near, x)? } else { x };
    let gate = near.add(Op::Unary(Unary::Clip { lo: 0.0, hi: 1.0 }), &[from])?;
    near.add(Op::Binary(Binary::Mul), &[x, gate])
}

/// A function of two values, one of which may be repeated.
fn product(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let [n, c, h, w] = near.shape(x)[..] else { return None };
    let shape = near.dice.pick(&[[n, c, h, w], [n, c, 1, 1], [1, c, 1, 1]]);
    let other = near.input(&shape);
    let other = source(near, other)?;
    let binary = near.dice.pick(&[Binary::Add, Binary::Mul, Binary::Sub, Binary::Max]);
    let operands = if near.dice.coin() { [x, other] } else { [other, x] };
    near.add(Op::Binary(binary), &operands)
}

fn mean(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let [_, _, h, w] = near.shape(x)[..] else { return None };
    let flag = near.dice.coin();
    match near.dice.between(0, 2) {
        0 => near.add(Op::GlobalAveragePool, &[x]),
        1 => {
            let axes = near.dice.pick(&[&[1][..], &[2, 3], &[3]]).to_vec();
            near.add(Op::ReduceMean { axes, keep_dims: flag }, &[x])
        }
        _ => {
            let pool = Pool { window: near.dice.pool_window([h, w]), ceil_mode: false };
            near.add(Op::AveragePool { pool, count_include_pad: flag }, &[x])
        }
    }
}

/// Values with scales of their own.
fn joined(near: &mut Near, x: NodeId) -> Option<NodeId> {
    let shape = near.shape(x);
    let other = near.input(&shape);
    let mut other = source(near, other)?;
    if near.one_of(3) {
        other = near.add(Op::Unary(Unary::Abs), &[other])?;
    }
    near.add(Op::Concat { axis: 1 }, &[x, other])
}
