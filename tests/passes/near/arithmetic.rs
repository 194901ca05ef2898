//! Sums with weights, and arithmetic after them.

use resnetc_ir::op::{Binary, Conv, Gemm, Residual, Unary, Window};
use resnetc_ir::{NodeId, Op};

use super::Near;

/// A convolution or a matrix product, with or without something that keeps arithmetic from folding
/// into it; or a plain value.
fn sum(near: &mut Near) -> Option<NodeId> {
    match near.dice.between(0, 5) {
        0 => gemm(near),
        1 => {
            let x = near.image();
            near.source(x)
        }
        _ => conv(near),
    }
}

fn conv(near: &mut Near) -> Option<NodeId> {
    let x = near.image();
    let [n, c, h, w] = near.shape(x)[..] else { return None };
    let filters = near.dice.between(1, 4);
    let window = Window::square(1, 1, 0);
    let mut operands = vec![x, near.parameter(&[filters, c, 1, 1], 3e38)];
    let bias = near.dice.coin();
    if bias {
        operands.push(near.parameter(&[filters], 3e38));
    }
    let residual = near.one_of(8).then_some(Residual::PLAIN);
    if residual.is_some() {
        operands.push(near.input(&[n, filters, h, w]));
    }
    let activation = near.activation();
    near.add(Op::Conv(Conv { bias, residual, activation, ..Conv::new(window, 1) }), &operands)
}

fn gemm(near: &mut Near) -> Option<NodeId> {
    let [m, k, n] = [3, 4, 4].map(|most| near.dice.between(1, most));
    let is_normal = !near.one_of(3);
    let mut flag = || !is_normal && near.dice.coin();
    let (transpose_a, transpose_b) = (flag(), !flag());
    let (alpha, beta) = match is_normal {
        true => (1.0, 1.0),
        false => (near.dice.pick(&[1.0, 0.5, -2.0]), near.dice.pick(&[1.0, 2.0, -0.5])),
    };
    let a = if transpose_a { [k, m] } else { [m, k] };
    let mut operands = vec![near.input(&a)];
    let b = if transpose_b { [n, k] } else { [k, n] };
    operands.push(near.parameter(&b, 3e38));
    let bias = near.dice.coin();
    if bias {
        let shapes: [&[usize]; 6] = [&[n], &[n], &[1, n], &[m, n], &[m, 1], &[]];
        let shape = near.dice.pick(&shapes).to_vec();
        operands.push(near.parameter(&shape, 3e38));
    }
    let activation = near.activation();
    near.add(Op::Gemm(Gemm { alpha, beta, transpose_a, transpose_b, bias, activation }), &operands)
}

/// Operators with one constant each, after a sum.
pub(super) fn chain(near: &mut Near) -> Option<()> {
    let mut value = sum(near)?;
    for _ in 0..near.dice.between(1, 3) {
        value = match near.dice.between(0, 6) {
            0 => normalization(near, value)?,
            1 => activation(near, value)?,
            _ => with_constant(near, value)?,
        };
    }
    near.end(value)
}

/// A normalization after a sum.
pub(super) fn normalized(near: &mut Near) -> Option<()> {
    let value = sum(near)?;
    let value = if near.one_of(6) { with_constant(near, value)? } else { value };
    let value = normalization(near, value)?;
    near.end(value)
}

/// A ReLU or a Clip after a sum.
pub(super) fn activated(near: &mut Near) -> Option<()> {
    let value = sum(near)?;
    let value = activation(near, value)?;
    let value = if near.one_of(3) { activation(near, value)? } else { value };
    near.end(value)
}

fn normalization(near: &mut Near, value: NodeId) -> Option<NodeId> {
    let channels = [*near.shape(value).get(1)?];
    let epsilon = near.dice.pick(&[0.0, 1e-5, 1.0]);
    // A variance of 0 without an epsilon makes the scale infinite.
    let parameters = [1.0, 3e38, 1.0, 0.0].map(|odd| near.parameter(&channels, odd));
    let operands: Vec<NodeId> = [value].into_iter().chain(parameters).collect();
    near.add(Op::BatchNorm { epsilon }, &operands)
}

fn activation(near: &mut Near, value: NodeId) -> Option<NodeId> {
    let (lo, hi) = (near.dice.pick(&[-1.0, 0.0, 0.5]), near.dice.pick(&[-0.5, 1.0, 6.0]));
    let unary = near.dice.pick(&[Unary::Relu, Unary::Clip { lo, hi }, Unary::Abs]);
    near.add(Op::Unary(unary), &[value])
}

/// An operator on the value and a constant: per channel, for all, per pixel, or one that makes it
/// larger.
fn with_constant(near: &mut Near, value: NodeId) -> Option<NodeId> {
    let shape = near.shape(value);
    let mut of = vec![1; shape.len()];
    if near.dice.coin() {
        of[1] = shape[1];
    }
    if near.one_of(8) {
        let axis = near.dice.between(0, shape.len() - 1);
        of[axis] = if shape[axis] == 1 { 2 } else { shape[axis] };
    }
    let leading = of.iter().take_while(|&&extent| extent == 1).count();
    of.drain(..near.dice.between(0, leading));
    if near.one_of(12) {
        // One axis more than the value has.
        of.splice(..0, vec![1; shape.len() + 1 - of.len()]);
    }
    let constant = near.parameter(&of, 0.0);
    let op = near.dice.pick(&[
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Mul,
        Binary::Div,
        Binary::Max,
    ]);
    // A quotient has a bound if the divisor is a constant. A value may be near 0.
    if op == Binary::Div && near.graph.constant_of(constant).is_none() {
        return None;
    }
    let swap = near.one_of(3) && op != Binary::Div;
    near.add(Op::Binary(op), &if swap { [constant, value] } else { [value, constant] })
}

/// A matrix product in any form.
pub(super) fn product(near: &mut Near) -> Option<()> {
    if near.dice.coin() {
        let y = gemm(near)?;
        return near.end(y);
    }
    let [m, k, n, batch] = [3, 4, 4, 2].map(|most| near.dice.between(1, most));
    let left: [&[usize]; 3] = [&[m, k], &[batch, m, k], &[1, batch, m, k]];
    let right: [&[usize]; 4] = [&[k, n], &[k, n], &[batch, k, n], &[1, k, n]];
    let (left, right) = (near.dice.pick(&left).to_vec(), near.dice.pick(&right).to_vec());
    let (a, b) = (near.input(&left), near.parameter(&right, 3e38));
    let y = near.add(Op::MatMul, &[a, b])?;
    near.end(y)
}

/// Products of a large value and two others, in any order.
pub(super) fn scales(near: &mut Near) -> Option<()> {
    let mut large = near.image();
    let shape = near.shape(large);
    if near.one_of(4) {
        // As small as a factor may be: the product is computed from both.
        large = near.input(&[shape[0], shape[1], 1, 1]);
    }
    let mut factor = || {
        let mut of: Vec<usize> =
            shape.iter().map(|&d| if near.one_of(3) { d } else { 1 }).collect();
        of.drain(..near.dice.between(0, 2) * usize::from(of[..2] == [1, 1]));
        if near.dice.coin() { near.input(&of) } else { near.constant(&of) }
    };
    let (first, second) = (factor(), factor());
    let op = if near.one_of(8) { Binary::Add } else { Binary::Mul };
    let mut pair = |a: NodeId, b: NodeId, op| {
        let operands = if near.dice.coin() { [a, b] } else { [b, a] };
        near.add(Op::Binary(op), &operands)
    };
    let inner = pair(large, first, Binary::Mul)?;
    let outer = pair(inner, second, op)?;
    near.end(outer)
}

/// Operators on constants, and one that reads the result.
pub(super) fn of_constants(near: &mut Near) -> Option<()> {
    let shape = [2, 3].map(|most| near.dice.between(1, most));
    let mut value = near.constant(&shape);
    for _ in 0..near.dice.between(1, 3) {
        value = match near.dice.between(0, 4) {
            0 => near.add(Op::Reshape { shape: vec![shape[0] * shape[1]] }, &[value])?,
            1 => near.add(Op::Unary(Unary::Tanh), &[value])?,
            2 => near.add(Op::Identity, &[value])?,
            _ => {
                let of = near.shape(value);
                let other = near.positive(&of);
                near.add(Op::Binary(Binary::Div), &[value, other])?
            }
        };
    }
    let of = near.shape(value);
    let x = near.input(&of);
    let y = near.add(Op::Binary(Binary::Mul), &[x, value])?;
    near.end(y)
}
