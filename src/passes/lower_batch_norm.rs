//! Lowers a batch normalization to one Mul and one Add, its constants computed in f64. Required: no kernel
//! normalizes.
//!
//! Before:
//! ```text
//! ```
//!
//! After:
//! ```text
//! ```

use resnetc_ir::{Graph, NodeId, Patch};

use super::affine::{Affine, Stop};
use super::merge_affine::emit;
use super::remarks::{NearMisses, describe};
use super::Pass;

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "lower_batch_norm",
    doc: "lower a batch normalization to one multiplication and one addition",
    sweep: |_| Box::new(rewrite),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let affine = match Affine::batch_norm(graph, node) {
        Ok(affine) => affine,
        Err(Stop::Other) => return None,
        Err(Stop::Near(reason)) => {
            near.note(graph, node, reason);
            return None;
        }
    };
    let source = graph.operand(node, 0)?;
    let mut patch = Patch::new(format!("lower {}", describe(graph, node)));
    let lowered = emit(&mut patch, graph, &affine, source, node)?;
    patch.replace(node, lowered);
    Some(patch)
}
