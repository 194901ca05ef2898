//! Folds a chain of constant per-channel Mul, Add, Sub and Div into the weights and the bias before it.
//!
//! The whole chain becomes one scale and shift in f64 first, so the weights are rounded once, however long it is.
//!
//! Before:
//! ```text
//! ```
//!
//! After:
//! ```text
//! ```

use resnetc_ir::{Graph, NodeId, Patch};

use super::affine::{Affine, Chain, Stop};
use super::remarks::{NearMisses, describe};
use super::weighted::Weighted;
use super::Pass;

/// Switched off by the name `fold_affine`.
pub const PASS: Pass = Pass {
    name: "fold_affine",
    doc: "fold a chain of constant per-channel arithmetic into the weights and bias before it",
    sweep: |_| Box::new(rewrite),
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
        n => format!("fold {n} operators up to {} into {}", describe(graph, last), describe(graph, node)),
    };
    let folded = match weighted {
        Ok(weighted) => weighted.fold(graph, &chain.affine, last, label),
        Err(Stop::Near(reason)) => Err(reason),
        Err(Stop::Other) => return None,
    };
    folded.map_err(|reason| near.note(graph, node, reason)).ok()
}

fn is_affine(graph: &Graph, user: NodeId, value: NodeId) -> bool {
    let Some(&channels) = graph.node(value).ty.shape.get(1) else { return false };
    Affine::identity(channels).then(graph, user, value).is_ok()
}
