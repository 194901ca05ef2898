//! Lowers a batch normalization to one Mul and one Add, with constants computed in f64; one whose
//! statistics are values, to arithmetic on them. Required: there is no kernel for normalizations.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [1, 2] "bn.weight"
//! %2 = constant [10, 20] "bn.bias"
//! %3 = constant [4, 8] "bn.mean"
//! %4 = constant [4, 16] "bn.var"
//! %5 = batch_norm(%0, %1, %2, %3, %4) epsilon=0 "bn"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.5, 0.5] : f32[2, 1, 1] "bn.scale"
//! %2 = mul(%0, %1) : f32[1, 2, 4, 4] "bn"
//! %3 = constant [8, 16] : f32[2, 1, 1] "bn.shift"
//! %4 = add(%2, %3) : f32[1, 2, 4, 4] "bn"
//! output "y" = %4
//! ```

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::affine::{Affine, channel_constant};
use super::measure::{Measure, count};
use super::merge_affine::emit;
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "lower_batch_norm",
    doc: "lower a batch normalization to one multiplication and one addition",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Normalizations that are not lowered.
fn remaining(graph: &Graph) -> Measure {
    count(graph, |node| matches!(graph.node(node).op, Op::BatchNorm { .. }))
}

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::BatchNorm { epsilon } = graph.node(node).op else { return None };
    if (1..5).any(|i| graph.operand(node, i).is_some_and(|o| graph.constant_of(o).is_none())) {
        return of_values(graph, node, epsilon);
    }
    let affine = near.settle(graph, node, Affine::batch_norm(graph, node))?;
    let source = graph.operand(node, 0)?;
    let mut patch = Patch::new(format!("lower {}", describe(graph, node)));
    let lowered = match affine.is_finite() {
        true => emit(&mut patch, graph, &affine, source, node)?,
        false => by_definition(&mut patch, graph, node, source)?,
    };
    patch.replace(node, lowered);
    Some(patch)
}

/// `(x - mean) * (scale / sqrt(variance + epsilon)) + shift`, for parameters that are values.
fn of_values(graph: &Graph, node: NodeId, epsilon: f64) -> Option<Patch> {
    let mut patch = Patch::new(format!("lower {}", describe(graph, node)));
    let (name, shape) = (&graph.node(node).name, &graph.node(node).ty.shape);
    let (rank, channels) = (shape.len(), *shape.get(1)?);
    let operand = |i: usize| graph.operand(node, i);
    let [x, scale, shift] = [operand(0)?, operand(1)?, operand(2)?];
    let [mean, variance] = [operand(3)?, operand(4)?];
    let mut per_channel = vec![1; rank];
    per_channel[1] = channels;
    let epsilon = patch.constant(format!("{name}.epsilon"), Tensor::scalar(epsilon as f32));
    let stable = patch.add(name, Op::Binary(Binary::Add), &[variance.into(), epsilon]);
    let deviation = patch.add(name, Op::Unary(Unary::Sqrt), &[stable]);
    let factor = patch.add(name, Op::Binary(Binary::Div), &[scale.into(), deviation]);
    let [mean, factor, shift] = [mean.into(), factor, shift.into()]
        .map(|v| patch.add(name, Op::Reshape { shape: per_channel.clone() }, &[v]));
    let centred = patch.add(name, Op::Binary(Binary::Sub), &[x.into(), mean]);
    let scaled = patch.add(name, Op::Binary(Binary::Mul), &[centred, factor]);
    let lowered = patch.add(name, Op::Binary(Binary::Add), &[scaled, shift]);
    patch.replace(node, lowered);
    Some(patch)
}

/// `(x - mean) / deviation * scale + shift`: where a variance is so small that the combined factor
/// would be infinite, `x * scale + shift` would give NaN in place of infinity.
fn by_definition(patch: &mut Patch, graph: &Graph, norm: NodeId, source: NodeId) -> Option<Value> {
    let Op::BatchNorm { epsilon } = graph.node(norm).op else { return None };
    let (name, rank) = (&graph.node(norm).name, graph.node(norm).ty.shape.len());
    let parameter = |i: usize| -> Option<Vec<f64>> {
        let tensor = graph.operand(norm, i).and_then(|n| graph.f32_constant_of(n))?;
        Some(tensor.data().iter().map(|&x| f64::from(x)).collect())
    };
    let deviation: Vec<f64> = parameter(4)?.iter().map(|v| (v + epsilon).sqrt()).collect();
    let steps = [
        (Binary::Sub, "mean", parameter(3)?),
        (Binary::Div, "deviation", deviation),
        (Binary::Mul, "scale", parameter(1)?),
        (Binary::Add, "shift", parameter(2)?),
    ];
    steps.into_iter().try_fold(Value::Old(source), |value, (op, suffix, numbers)| {
        let numbers = channel_constant(&numbers, rank)?;
        let numbers = patch.constant(format!("{name}.{suffix}"), numbers);
        Some(patch.add(name.clone(), Op::Binary(op), &[value, numbers]))
    })
}
