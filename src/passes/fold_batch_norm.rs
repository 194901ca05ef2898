//! Folds a batch normalization into the weights and the bias of the convolution before it.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 1, 4, 4] "x"
//! %1 = constant [3, 5] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] "conv"
//! %3 = constant [1, 2] "bn.weight"
//! %4 = constant [10, 20] "bn.bias"
//! %5 = constant [4, 8] "bn.mean"
//! %6 = constant [4, 16] "bn.var"
//! %7 = batch_norm(%2, %3, %4, %5, %6) epsilon=0 "bn"
//! output "y" = %7
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 1, 4, 4] "x"
//! %1 = constant [1.5, 2.5] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = constant [8, 16] : f32[2] "conv.bias"
//! %3 = conv(%0, %1, %2) kernel=[1, 1] : f32[1, 2, 4, 4] "conv"
//! output "y" = %3
//! ```

use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::affine::Affine;
use super::measure::operators;
use super::near_misses::{NearMisses, Stop, describe};
use super::weighted::Weighted;

/// Switched off by the name `fold_batch_norm`.
pub const PASS: Pass = Pass {
    name: "fold_batch_norm",
    doc: "fold a batch normalization into the weights and bias of the convolution before it",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::BatchNorm { .. } = graph.node(node).op else { return None };
    let source = graph.operand(node, 0)?;
    near.settle(graph, node, fold(graph, node, source))
}

fn fold(graph: &Graph, norm: NodeId, source: NodeId) -> Result<Patch, Stop> {
    let weighted = Weighted::of(graph, source)?;
    if graph.sole_user(source) != Some(norm) {
        return Err(Stop::Near("the convolution has two users"));
    }
    let channels = graph.node(norm).ty.shape[1];
    let affine = Affine::identity(channels).then(graph, norm, source)?;
    let label = format!("fold {} into {}", describe(graph, norm), describe(graph, source));
    weighted.fold(graph, &affine, norm, label)
}
