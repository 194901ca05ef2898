//! Folds a chain of constant per-channel Mul, Add, Sub and Div into the weights and bias of the
//! preceding operator.
//!
//! The whole chain becomes one scale and shift in f64 first, so the weights are rounded once,
//! however long it is.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 1, 4, 4] "x"
//! %1 = constant [3, 5] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] "conv"
//! %3 = constant [1, 2] : f32[1, 2, 1, 1] "mean"
//! %4 = sub(%2, %3) "sub"
//! %5 = constant [0.5, 4] : f32[2, 1, 1] "scale"
//! %6 = mul(%4, %5) "mul"
//! %7 = constant [7] "shift"
//! %8 = add(%6, %7) "add"
//! output "y" = %8
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 1, 4, 4] "x"
//! %1 = constant [1.5, 20] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = constant [6.5, -1] : f32[2] "conv.bias"
//! %3 = conv(%0, %1, %2) kernel=[1, 1] : f32[1, 2, 4, 4] "conv"
//! output "y" = %3
//! ```

use resnetc_ir::{Graph, NodeId, Patch};

use super::Pass;
use super::affine::{Affine, Chain};
use super::measure::operators;
use super::near_misses::{NearMisses, Stop, describe};
use super::weighted::Weighted;

/// Switched off by the name `fold_affine`.
pub const PASS: Pass = Pass {
    name: "fold_affine",
    doc: "fold a chain of constant per-channel arithmetic into the weights and bias before it",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let weighted = Weighted::of(graph, node);
    if let Err(Stop::Other) = weighted {
        return None;
    }
    let users = graph.users(node);
    if graph.sole_user(node).is_none() && users.iter().any(|&(u, _)| is_affine(graph, u, node)) {
        near.note(graph, node, "it has two users");
        return None;
    }
    let chain = Chain::behind(graph, node)?;
    if let Some((stopped, reason)) = chain.near {
        near.note(graph, stopped, reason);
    }
    let (&first, &last) = (chain.members.first()?, chain.members.last()?);
    let label = match chain.members.len() {
        1 => format!("fold {} into {}", describe(graph, first), describe(graph, node)),
        n => format!(
            "fold {n} operators up to {} into {}",
            describe(graph, last),
            describe(graph, node)
        ),
    };
    let folded = weighted.and_then(|w| w.fold(graph, &chain.affine, last, label));
    near.settle(graph, node, folded)
}

fn is_affine(graph: &Graph, user: NodeId, value: NodeId) -> bool {
    let Some(&channels) = graph.node(value).ty.shape.get(1) else { return false };
    Affine::identity(channels).then(graph, user, value).is_ok()
}
