//! Folds a batch normalization into the weights and the bias of the convolution before it.
//!
//! Before:
//! ```text
//! ```
//!
//! After:
//! ```text
//! ```

use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::affine::{Affine, Stop};
use super::remarks::{NearMisses, describe};
use super::weighted::Weighted;
use super::Pass;

/// Switched off by the name `fold_batch_norm`.
pub const PASS: Pass = Pass {
    name: "fold_batch_norm",
    doc: "fold a batch normalization into the weights and bias of the convolution before it",
    sweep: |_| Box::new(rewrite),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::BatchNorm { .. } = graph.node(node).op else { return None };
    let source = graph.operand(node, 0)?;
    match fold(graph, node, source) {
        Ok(patch) => Some(patch),
        Err(Stop::Near(reason)) => {
            near.note(graph, node, reason);
            None
        }
        Err(Stop::Other) => None,
    }
}

fn fold(graph: &Graph, norm: NodeId, source: NodeId) -> Result<Patch, Stop> {
    let weighted = Weighted::of(graph, source)?;
    if graph.sole_user(source) != Some(norm) {
        return Err(Stop::Near("the convolution has two users"));
    }
    let channels = graph.node(norm).ty.shape[1];
    let affine = Affine::identity(channels).then(graph, norm, source)?;
    let label = format!("fold {} into {}", describe(graph, norm), describe(graph, source));
    weighted.fold(graph, &affine, norm, label).map_err(Stop::Near)
}
