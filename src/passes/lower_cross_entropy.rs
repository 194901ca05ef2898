//! Lowers a cross-entropy to arithmetic, since its operands are small. Required: there is no kernel
//! for it.
//!
//! The largest score is subtracted first, so that no exponential overflows:
//! `sum(t) * log(sum(exp(x - m))) - sum(t * (x - m))`.
//!
//! Before:
//! ```text
//! %0 = input : f32[2, 3] "scores"
//! %1 = input : f32[2, 3] "target"
//! %2 = cross_entropy(%0, %1) "loss"
//! output "y" = %2
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[2, 3] "scores"
//! %1 = input : f32[2, 3] "target"
//! %2 = reduce_max(%0) axes=[1] keep_dims : f32[2, 1] "loss"
//! %3 = sub(%0, %2) : f32[2, 3] "loss"
//! %4 = exp(%3) : f32[2, 3] "loss"
//! %5 = reduce_mean(%4) axes=[1] keep_dims : f32[2, 1] "loss"
//! %6 = constant [3] : f32[] "loss"
//! %7 = mul(%5, %6) : f32[2, 1] "loss"
//! %8 = log(%7) : f32[2, 1] "loss"
//! %9 = sub(%8, %3) : f32[2, 3] "loss"
//! %10 = mul(%1, %9) : f32[2, 3] "loss"
//! %11 = reduce_mean(%10) axes=[1] : f32[2] "loss"
//! %12 = mul(%11, %6) : f32[2] "loss"
//! output "y" = %12
//! ```

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::measure::{Measure, count};
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "lower_cross_entropy",
    doc: "lower a cross-entropy to arithmetic",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Cross-entropies that are not lowered.
fn remaining(graph: &Graph) -> Measure {
    count(graph, |node| graph.node(node).op == Op::CrossEntropy)
}

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    if graph.node(node).op != Op::CrossEntropy {
        return None;
    }
    let (scores, target) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    let classes = *graph.node(scores).ty.shape.get(1)?;
    let name = &graph.node(node).name;
    let mut patch = Patch::new(format!("lower {}", describe(graph, node)));
    let binary = Op::Binary;
    let axes = || vec![1];
    let most = patch.add(name, Op::ReduceMax { axes: axes(), keep_dims: true }, &[scores.into()]);
    let moved = patch.add(name, binary(Binary::Sub), &[scores.into(), most]);
    let exp = patch.add(name, Op::Unary(Unary::Exp), &[moved]);
    let mean = patch.add(name, Op::ReduceMean { axes: axes(), keep_dims: true }, &[exp]);
    let count = patch.constant(name, Tensor::scalar(classes as f32));
    let sum = patch.add(name, binary(Binary::Mul), &[mean, count]);
    let log = patch.add(name, Op::Unary(Unary::Log), &[sum]);
    let losses = patch.add(name, binary(Binary::Sub), &[log, moved]);
    let terms = patch.add(name, binary(Binary::Mul), &[target.into(), losses]);
    let mean = patch.add(name, Op::ReduceMean { axes: axes(), keep_dims: false }, &[terms]);
    let loss = patch.add(name, binary(Binary::Mul), &[mean, count]);
    patch.replace(node, loss);
    Some(patch)
}
