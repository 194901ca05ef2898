//! What rounding explains.
//!
//! Where values cancel, the rounding errors of their operands remain, and may be larger than the
//! tolerance allows for the small result; a division by it enlarges them further. Normalization of
//! a constant region does both: its result is nothing but rounding errors. There the layers are
//! right, and no tolerance relative to a layer's largest value says so.
//!
//! So the interpreter computes such networks a second time, moving every result at random by about
//! as much as f32 code may round it: a share of the sum of the magnitudes of its terms. How far a
//! value then moves shows what correct code may do to it, whatever the operators in between. That
//! share is far below the tolerance, so errors of wrong kernels are not explained unless they are
//! as small as rounding.
//!
//! Functions that jump take the values chosen at their jumps, so their results do not move, and
//! neither do integers. Operators that decide within decide as before.

use std::collections::HashMap;

use resnetc_ir::eval::{EvalError, Value, eval_node, eval_rounding};
use resnetc_ir::op::{Activation, Binary, Conv, Gemm, Unary};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{Graph, NodeId, Op};

use super::FINEST;
use super::seen::Seen;
use super::sides::Jump;

/// Rounding of a result, relative to the sum of the magnitudes of its terms: some units in the last
/// place, as sums in f32 err.
const EACH: f64 = 4.0 * FINEST;

/// Rounding is at most this share of the tolerance, so that finer tolerances find smaller errors.
const SHARE: f64 = 1.0 / 512.0;

/// The movement of a value is a sample; correct code may be this many times as far away.
const SPREAD: f64 = 8.0;

/// What rounding does to the values of a graph.
pub(super) struct Rounding<'a> {
    graph: &'a Graph,
    each: f64,
    random: SplitMix,
    /// The moved values that are still needed, except those that have not moved.
    moved: HashMap<NodeId, Value>,
    /// How often each value is still needed.
    uses: HashMap<NodeId, usize>,
    explained: HashMap<NodeId, f64>,
}

impl<'a> Rounding<'a> {
    /// Begins at the inputs, which are exact.
    pub(super) fn new(graph: &'a Graph, tolerance: f64) -> Self {
        Rounding {
            graph,
            each: each(tolerance),
            random: SplitMix(1),
            moved: HashMap::new(),
            uses: graph.nodes().map(|node| (node, graph.users(node).len())).collect(),
            explained: HashMap::new(),
        }
    }

    /// Computes a node from the moved operands, and what rounding explains of its value. Nodes are
    /// given in the interpreter's order, with the exact operands and the exact result.
    pub(super) fn step(&mut self, seen: &Seen<'_>) -> Result<f64, EvalError> {
        let Seen { node, operands, value: exact, decided } = *seen;
        let op = &self.graph.node(node).op;
        let from = self.graph.operands(node);
        if op.is_computed() && Jump::of(op).is_none() && exact.dtype.is_float() {
            let near: Vec<&Value> =
                from.iter().zip(operands).map(|(o, &v)| self.moved.get(o).unwrap_or(v)).collect();
            let mut value = match decided {
                Some(decided) => decided.result(op, &near)?,
                None => eval_node(op, &near)?,
            };
            if rounds(op) {
                let terms = terms(op, &near, self.each)?;
                for (i, x) in value.data.iter_mut().enumerate() {
                    let terms = terms.as_ref().map_or(*x, |terms| terms.data[i]);
                    *x += sign(&mut self.random) * error(self.each, terms);
                }
            }
            self.explained.insert(node, SPREAD * distance(&value, exact));
            if self.uses.get(&node).is_some_and(|&uses| uses > 0) {
                self.moved.insert(node, value);
            }
        }
        for operand in from {
            let left = self.uses.entry(operand).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.moved.remove(&operand);
            }
        }
        Ok(self.explains(node))
    }

    /// The largest difference of a node's value from the exact one that rounding explains.
    pub(super) fn explains(&self, node: NodeId) -> f64 {
        self.explained.get(&node).copied().unwrap_or(0.0)
    }
}

/// The largest error of a layer that rounding explains if its operands are exact.
pub(super) fn alone(
    op: &Op,
    operands: &[&Value],
    result: &Value,
    tolerance: f64,
) -> Result<f64, EvalError> {
    let each = each(tolerance);
    if !rounds(op) {
        return Ok(error(each, 0.0));
    }
    let terms = terms(op, operands, each)?;
    let terms = terms.as_ref().unwrap_or(result).data.iter();
    Ok(SPREAD * terms.map(|&x| error(each, x)).fold(0.0, f64::max))
}

/// Makes zeros of the denormals of a value of floats: a run reads them as such.
pub(super) fn without_denormals(mut value: Value) -> Value {
    if value.dtype.is_float() {
        let denormals = value.data.iter_mut().filter(|x| x.abs() < f64::from(f32::MIN_POSITIVE));
        denormals.for_each(|x| *x = 0.0);
    }
    value
}

fn each(tolerance: f64) -> f64 {
    EACH.min(SHARE * tolerance)
}

/// How far a result may be rounded, from the sum of the magnitudes of its terms. Denormals count as
/// zero.
fn error(each: f64, terms: f64) -> f64 {
    match terms.is_finite() {
        true => each * terms.abs() + f64::from(f32::MIN_POSITIVE),
        false => 0.0,
    }
}

/// The largest distance of two values, where both are finite.
fn distance(a: &Value, b: &Value) -> f64 {
    let distances = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs());
    distances.filter(|distance| distance.is_finite()).fold(0.0, f64::max)
}

/// Whether an operator computes numbers, rather than to move or select some.
fn rounds(op: &Op) -> bool {
    match op {
        Op::Conv(_)
        | Op::ConvSource(_)
        | Op::ConvWeights(_)
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy
        | Op::Pointwise(_)
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::BatchNorm { .. }
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::Gemm(_)
        | Op::MatMul
        | Op::Softmax { .. }
        | Op::Interpolate(_)
        | Op::Convert { .. }
        | Op::Measure
        | Op::Dequantize(_) => true,
        Op::OnBytes(on_bytes) => on_bytes.to.is_none() && rounds(&on_bytes.op),
        Op::Unary(unary) => match unary {
            Unary::Sigmoid | Unary::Tanh | Unary::Erf | Unary::Exp | Unary::Log | Unary::Sqrt => {
                true
            }
            Unary::Relu
            | Unary::Clip { .. }
            | Unary::Abs
            | Unary::Round
            | Unary::Floor
            | Unary::Ceil
            | Unary::Sign => false,
        },
        Op::Binary(binary) => match binary {
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Pow => true,
            Binary::Max | Binary::Equal | Binary::Less | Binary::LessOrEqual => false,
        },
        Op::Input
        | Op::Constant(_)
        | Op::QuantizedConv(_)
        | Op::Quantize(_)
        | Op::QuantizeMeasured
        | Op::Lookup { .. }
        | Op::Where
        | Op::MaxPool(_)
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Identity
        | Op::Reorder(_) => false,
    }
}

/// The sums of the magnitudes of the terms of each element of a sum: the same operator on
/// magnitudes. `None` for operators that err relative to their result.
fn terms(op: &Op, operands: &[&Value], each: f64) -> Result<Option<Value>, EvalError> {
    let plain = match op {
        Op::Pointwise(_) | Op::ChannelSums(_) => return eval_rounding(op, operands),
        Op::Moments => return moments(operands, each).map(Some),
        Op::Conv(conv) => Op::Conv(Conv { activation: Activation::None, ..*conv }),
        Op::Gemm(gemm) => Op::Gemm(Gemm {
            activation: Activation::None,
            alpha: gemm.alpha.abs(),
            beta: gemm.beta.abs(),
            ..*gemm
        }),
        Op::ConvSource(_)
        | Op::ConvWeights(_)
        | Op::MaxPoolSource(_)
        | Op::BatchNorm { .. }
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::MatMul
        | Op::Interpolate(_) => op.clone(),
        _ => return Ok(None),
    };
    let mut magnitudes = magnitudes(operands)?;
    match (op, &mut magnitudes[..]) {
        // A batch normalization subtracts its mean.
        (Op::BatchNorm { .. }, [_, _, _, mean, ..]) => {
            mean.data.iter_mut().for_each(|x| *x = -*x);
        }
        // What is pooled only decides where the terms go.
        (Op::MaxPoolSource(_), [_, pooled]) => *pooled = operands[1].copy()?,
        _ => {}
    }
    eval_node(&plain, &magnitudes.iter().collect::<Vec<_>>()).map(Some)
}

/// The terms of means and variances. A variance errs relative to itself, and by the square of its
/// mean's error.
fn moments(operands: &[&Value], each: f64) -> Result<Value, EvalError> {
    let magnitudes = magnitudes(operands)?;
    let of_magnitudes = eval_node(&Op::Moments, &magnitudes.iter().collect::<Vec<_>>())?.data;
    let mut terms = eval_node(&Op::Moments, operands)?;
    let (means, variances) = terms.data.split_at_mut(of_magnitudes.len() / 2);
    for ((mean, variance), magnitude) in means.iter_mut().zip(variances).zip(of_magnitudes) {
        *mean = magnitude;
        *variance += each * magnitude * magnitude;
    }
    Ok(terms)
}

fn magnitudes(operands: &[&Value]) -> Result<Vec<Value>, EvalError> {
    let magnitudes = operands.iter().map(|operand| {
        let mut value = operand.copy()?;
        value.data.iter_mut().for_each(|x| *x = x.abs());
        Ok(value)
    });
    magnitudes.collect()
}

/// A number of either sign whose magnitude is 0.5 to 1, so that no movement vanishes.
fn sign(random: &mut SplitMix) -> f64 {
    let z = random.draw();
    let magnitude = 0.5 + (z >> 12) as f64 / (1u64 << 53) as f64;
    if z & 1 == 0 { magnitude } else { -magnitude }
}
