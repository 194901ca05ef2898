//! Operators that move elements, and equal operators.

use resnetc_ir::op::{Binary, PadMode, SliceAxis, Unary};
use resnetc_ir::{NodeId, Op, Tensor};

use super::Near;

/// Operators between two transposes, which may undo each other.
pub(super) fn transposed(near: &mut Near) -> Option<()> {
    let x = near.image();
    let perms: [&[usize]; 3] = [&[0, 2, 3, 1], &[0, 3, 1, 2], &[0, 1, 3, 2]];
    let perm = near.dice.pick(&perms).to_vec();
    let value = near.add(Op::Transpose { perm: perm.clone() }, &[x])?;
    let shape = near.shape(value);
    let mut other = value;
    if near.dice.coin() {
        other = near.input(&shape);
    }
    let (axis, keep_dims) = (near.dice.between(0, 3), near.dice.coin());
    let value = match near.dice.between(0, 4) {
        0 => near.add(Op::Unary(Unary::Tanh), &[value])?,
        1 => near.add(Op::Softmax { axis }, &[value])?,
        2 => near.add(Op::ReduceMean { axes: vec![axis], keep_dims }, &[value])?,
        3 => {
            let constant = near.constant(&shape[axis..]);
            near.add(Op::Binary(Binary::Sub), &[constant, value])?
        }
        _ => near.add(Op::Concat { axis }, &[value, other])?,
    };
    if near.one_of(4) || near.shape(value).len() != 4 {
        return near.end(value);
    }
    let perm = if near.one_of(4) { perm } else { near.dice.pick(&perms).to_vec() };
    let value = near.add(Op::Transpose { perm }, &[value])?;
    near.end(value)
}

/// Two operators that are nearly equal, on constants that are nearly equal; and a value that
/// nothing reads.
pub(super) fn doubled(near: &mut Near) -> Option<()> {
    let x = near.image();
    let c = near.shape(x)[1];
    let mut constant = || {
        let zero = near.dice.pick(&[0.0, 0.0, 0.0, -0.0]);
        let shape = if near.one_of(4) { vec![1, c, 1, 1] } else { vec![c, 1, 1] };
        let mut data = vec![1.5; c];
        data[0] = zero;
        near.graph.constant("", Tensor::new(shape, data).expect("as many"))
    };
    let (a, b) = (constant(), constant());
    let ops = [Binary::Mul, Binary::Mul, Binary::Mul, Binary::Add];
    let (first, second) = (near.dice.pick(&ops), near.dice.pick(&ops));
    let first = near.add(Op::Binary(first), &[x, a])?;
    let operands = if near.one_of(4) { [b, x] } else { [x, b] };
    let second = near.add(Op::Binary(second), &operands)?;
    let (lo, hi) = (near.dice.pick(&[-1.0, -1.0, -0.5]), 1.0);
    let first = near.add(Op::Unary(Unary::Clip { lo: -1.0, hi }), &[first])?;
    let second = near.add(Op::Unary(Unary::Clip { lo, hi }), &[second])?;
    let unread = near.unary(first, Unary::Abs);
    near.unary(unread, Unary::Relu);
    let y = near.add(Op::Binary(Binary::Sub), &[first, second])?;
    near.graph.output("first", first);
    near.end(y)
}

/// Operators that return their operand, or nearly so, and two of the same kind in a row.
pub(super) fn identity(near: &mut Near) -> Option<()> {
    let x = near.image();
    let mut value = near.source(x)?;
    for _ in 0..near.dice.between(1, 3) {
        value = match near.dice.between(0, 6) {
            0 => near.add(Op::Identity, &[value])?,
            1 => {
                let mut shape = near.shape(value);
                if near.dice.coin() {
                    shape = vec![shape.iter().product()];
                    value = near.add(Op::Reshape { shape }, &[value])?;
                    shape = near.shape(x);
                }
                let fits =
                    shape.iter().product::<usize>() == near.shape(value).iter().product::<usize>();
                if fits { near.add(Op::Reshape { shape }, &[value])? } else { value }
            }
            2 => {
                let rank = near.shape(value).len();
                let mut perm: Vec<usize> = (0..rank).collect();
                if rank > 1 && near.one_of(3) {
                    perm.swap(0, rank - 1);
                }
                near.add(Op::Transpose { perm }, &[value])?
            }
            3 => {
                let rank = near.shape(value).len();
                let (mut before, after) = (vec![0; rank], vec![0; rank]);
                before[0] = usize::from(near.one_of(3));
                near.add(Op::Pad { before, after, mode: PadMode::Constant(0.5) }, &[value])?
            }
            4 => slice(near, value)?,
            5 => {
                let times = near.dice.between(1, 2);
                near.add(Op::Concat { axis: 0 }, &[value; 2][..times])?
            }
            _ => expanded(near, value)?,
        };
    }
    near.end(value)
}

/// Everything, or a part, forward or backward.
fn slice(near: &mut Near, value: NodeId) -> Option<NodeId> {
    let shape = near.shape(value);
    let is_whole = near.one_of(3);
    let mut axes = Vec::new();
    for &len in &shape {
        let step: isize = if is_whole { 1 } else { near.dice.pick(&[1, 1, 2, -1, -2]) };
        let most = len.div_ceil(step.unsigned_abs());
        axes.push(match step {
            1 if near.one_of(4) && len > 1 && !is_whole => {
                SliceAxis { start: 1, step, len: len - 1 }
            }
            _ if step < 0 => SliceAxis { start: len - 1, step, len: most },
            _ => SliceAxis { start: 0, step, len: most },
        });
    }
    near.add(Op::Slice(axes), &[value])
}

/// A product with ones, and a function of two values that may not need it.
fn expanded(near: &mut Near, value: NodeId) -> Option<NodeId> {
    let shape = near.shape(value);
    let of: Vec<usize> = shape.iter().map(|&d| if near.dice.coin() { d } else { 1 }).collect();
    let gate = near.input(&of);
    let number = if near.one_of(4) { 2.0 } else { 1.0 };
    let tensor = Tensor::new(shape.clone(), vec![number; shape.iter().product()])?;
    let ones = near.graph.constant("", tensor);
    let factors = if near.dice.coin() { [gate, ones] } else { [ones, gate] };
    let repeated = near.add(Op::Binary(Binary::Mul), &factors)?;
    let with = if near.one_of(3) { near.input(&of) } else { value };
    let op = near.dice.pick(&[Binary::Add, Binary::Mul, Binary::Sub]);
    near.add(Op::Binary(op), &[with, repeated])
}

/// Arithmetic and means of groups of channels, or of near groups.
pub(super) fn grouped(near: &mut Near) -> Option<()> {
    let x = near.image();
    let [n, c, h, w] = near.shape(x)[..] else { return None };
    let elements = c * h * w;
    let divisors: Vec<usize> = (1..=elements).filter(|g| elements % g == 0).collect();
    let of_channels: Vec<usize> = (1..=c).filter(|g| c % g == 0).collect();
    let groups = match near.one_of(5) {
        true => near.dice.pick(&divisors),
        false => near.dice.pick(&of_channels),
    };
    let shape = vec![n, groups, elements / groups];
    let seen = near.add(Op::Reshape { shape: shape.clone() }, &[x])?;
    let axis = if near.one_of(8) { 1 } else { 2 };
    let keep_dims = !near.one_of(6);
    let mean = near.add(Op::ReduceMean { axes: vec![axis], keep_dims }, &[seen])?;
    let op = near.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Max]);
    let other = match near.dice.between(0, 7) {
        0 | 1 if keep_dims => mean,
        2 => near.constant(&[groups, 1]),
        3 => {
            // Another image, in the same groups: of the same shape, or a transposed one.
            let of = if near.dice.coin() { [n, c, h, w] } else { [n, c, w, h] };
            let other = near.input(&of);
            near.add(Op::Reshape { shape: shape.clone() }, &[other])?
        }
        4 => near.constant(&[n, groups, 1]),
        5 => near.constant(&[shape[2]]),
        // One group or one image becomes many.
        6 if groups == 1 => near.constant(&[n, 3, 1]),
        6 if n == 1 => near.constant(&[3, groups, 1]),
        _ => near.input(&[1, groups, 1]),
    };
    let operands = if near.dice.coin() { [seen, other] } else { [other, seen] };
    let y = near.add(Op::Binary(op), &operands)?;
    near.graph.output("mean", mean);
    near.end(y)
}
