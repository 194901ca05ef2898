//! How much a rewritten graph may differ from the original, derived from the original.
//!
//! Passes fold constants in f64 and round the result to f32 once, a relative error of at most 2^-24
//! in what is folded. The interpreter computes in f64, so nothing else differs. How an error
//! propagates through the graph follows from the *magnitude* of each value: its size if every sum
//! had terms of one sign. An error of `c` roundings at the operands is at most
//! `c * 2^-24 * magnitude` at a linear result, and `c` adds up where values are multiplied. ReLU,
//! clip, sigmoid, softmax and maximum never increase a difference, so they keep the magnitude of
//! their operand, plus their result for 0: a later weight is multiplied with the whole value.

use std::collections::HashMap;

use resnetc_ir::eval::{EvalError, Value, eval_node};
use resnetc_ir::op::{Activation, Binary, Conv, Gemm, Interpolate, PadMode, Unary};
use resnetc_ir::{Graph, NodeId, Op};

/// Roundings that one operator can contribute: its weights and its bias, twice where two passes
/// fold in a row.
const ROUNDINGS: f64 = 4.0;

/// The magnitude of a value, and how many roundings can have gone into it.
#[derive(Clone)]
struct Bound {
    magnitude: Value,
    roundings: f64,
}

/// The magnitude of each output, and how much a rewritten graph may differ.
pub struct OutputBound {
    /// The size of each element if every sum had terms of one sign.
    pub magnitude: Vec<f64>,
    /// How much each element may differ from the original one.
    pub tolerance: Vec<f64>,
}

/// Bounds for the outputs of `graph` on these inputs.
pub fn bounds(graph: &Graph, inputs: &[Value]) -> Result<Vec<OutputBound>, EvalError> {
    let mut known: HashMap<NodeId, Bound> = HashMap::new();
    let mut given = inputs.iter();
    for id in graph.topo() {
        let bound = match &graph.node(id).op {
            Op::Input => Bound { magnitude: abs(given.next().expect("an input")), roundings: 0.0 },
            Op::Constant(_) => {
                let tensor = graph.constant_of(id).expect("its data");
                Bound { magnitude: abs(&Value::from(&**tensor)), roundings: 0.0 }
            }
            op => {
                let operands: Vec<Bound> =
                    graph.operands(id).iter().map(|o| known[o].clone()).collect();
                step(op, &operands)?
            }
        };
        known.insert(id, bound);
    }
    let output = |bound: &Bound| {
        let magnitude = bound.magnitude.data.clone();
        let relative = bound.roundings * 2f64.powi(-24);
        let tolerance = magnitude.iter().map(|m| m * relative + 1e-30).collect();
        OutputBound { magnitude, tolerance }
    };
    Ok(graph.outputs().iter().map(|o| output(&known[&o.node])).collect())
}

fn step(op: &Op, operands: &[Bound]) -> Result<Bound, EvalError> {
    let mut values: Vec<Value> = operands.iter().map(|o| o.magnitude.clone()).collect();
    let most = operands.iter().map(|o| o.roundings).fold(0.0, f64::max);
    let sum: f64 = operands.iter().map(|o| o.roundings).sum();
    let multiplies = matches!(op, Op::Binary(Binary::Mul | Binary::Div) | Op::MatMul | Op::Gemm(_));
    let roundings = if multiplies { sum } else { most } + ROUNDINGS;
    let magnitude = match op {
        // Divisors are constants; everything else has a bound that only grows with its operands.
        Op::Unary(unary) => raised(&values[0], floor(*unary)),
        Op::Softmax { axis } => {
            let axes = Op::ReduceMean { axes: vec![*axis], keep_dims: true };
            let mean = eval_node(&axes, &[&values[0]])?;
            // The largest along the axis is at most the sum.
            let sum = scaled(&mean, values[0].shape[*axis] as f64);
            raised(&eval_node(&Op::Binary(Binary::Add), &[&values[0], &sum])?, 1.0)
        }
        // Each target times the logarithm of a sum of exponentials, and a score.
        Op::CrossEntropy => {
            let classes = values[0].shape[1];
            let rows = values[0].data.chunks(classes).zip(values[1].data.chunks(classes));
            let bound = |(scores, target): (&[f64], &[f64])| {
                let most = scores.iter().copied().fold(0.0, f64::max);
                target.iter().sum::<f64>() * (2.0 * most + (classes as f64).ln() + 1.0)
            };
            Value::new([values[0].shape[0]], rows.map(bound).collect())
        }
        op => {
            if let Op::BatchNorm { .. } = op {
                values[3] = scaled(&values[3], -1.0);
            }
            let sums = eval_node(&unsigned(op), &values.iter().collect::<Vec<_>>())?;
            match op {
                Op::Conv(Conv { activation: Activation::Clip { lo, hi }, .. })
                | Op::Gemm(Gemm { activation: Activation::Clip { lo, hi }, .. }) => {
                    raised(&sums, floor(Unary::Clip { lo: *lo, hi: *hi }))
                }
                _ => sums,
            }
        }
    };
    Ok(Bound { magnitude, roundings })
}

/// The operator with all weights made positive and without its activation.
fn unsigned(op: &Op) -> Op {
    match op.clone() {
        Op::Binary(Binary::Sub) => Op::Binary(Binary::Add),
        Op::Pad { before, after, mode: PadMode::Constant(value) } => {
            Op::Pad { before, after, mode: PadMode::Constant(value.abs()) }
        }
        Op::Conv(mut conv) => {
            conv.activation = Activation::None;
            Op::Conv(conv)
        }
        Op::Gemm(gemm) => Op::Gemm(Gemm {
            alpha: gemm.alpha.abs(),
            beta: gemm.beta.abs(),
            activation: Activation::None,
            ..gemm
        }),
        Op::Interpolate(op) => {
            let weights = op.weights.iter().map(|weight| weight.abs()).collect();
            Op::Interpolate(Interpolate { weights, ..op })
        }
        other => other,
    }
}

fn abs(value: &Value) -> Value {
    Value::new(value.shape.clone(), value.data.iter().map(|x| x.abs()).collect())
}

/// The largest result for an operand of 0.
fn floor(unary: Unary) -> f64 {
    match unary {
        Unary::Relu | Unary::Abs => 0.0,
        // Only of numbers that no rewrite changes: others might end on another integer.
        Unary::Round => 0.5,
        Unary::Sigmoid | Unary::Tanh => 1.0,
        Unary::Clip { lo, hi } => f64::from(lo.max(-hi).max(0.0)),
        other => panic!("random graphs have no {}", other.name()),
    }
}

fn raised(value: &Value, by: f64) -> Value {
    Value::new(value.shape.clone(), value.data.iter().map(|x| x + by).collect())
}

fn scaled(value: &Value, factor: f64) -> Value {
    Value::new(value.shape.clone(), value.data.iter().map(|x| x * factor).collect())
}
