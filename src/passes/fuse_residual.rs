//! Adds the shortcut of a residual block in the convolution that ends its main branch.
//!
//! Before:
//! ```text
//! ```
//!
//! After:
//! ```text
//! ```
//!
//! The sum of two convolutions goes into the deeper one: that is the main branch's, whose operands are still being
//! computed when the projection of the shortcut is done. No cycle can arise. The convolution's only user is the
//! sum, so a shortcut that depended on the convolution would depend on the sum, and on itself.

use std::collections::HashMap;

use resnetc_ir::op::{Activation, Binary};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::remarks::{NearMisses, describe};

/// Switched off by the name `fuse_residual`.
pub const PASS: Pass = Pass {
    name: "fuse_residual",
    doc: "add the shortcut of a residual block in the convolution that ends its main branch",
    sweep: |graph| {
        let depths = depths(graph);
        Box::new(move |graph, node, near| rewrite(graph, node, near, &depths))
    },
};

/// The number of operators on the longest path to each node. New nodes are missing, but they are convolutions with
/// a residual, which never compete for another.
fn depths(graph: &Graph) -> HashMap<NodeId, usize> {
    let mut depths = HashMap::new();
    for node in graph.topo() {
        let operands = graph.operands(node);
        let depth = operands.iter().filter_map(|o| depths.get(o)).max().map_or(0, |d| d + 1);
        depths.insert(node, depth);
    }
    depths
}

fn rewrite(
    graph: &Graph,
    node: NodeId,
    near: &mut NearMisses,
    depths: &HashMap<NodeId, usize>,
) -> Option<Patch> {
    if graph.node(node).op != Op::Binary(Binary::Add) {
        return None;
    }
    let (a, b) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    let mut near_misses = Vec::new();
    let mut candidates = Vec::new();
    for (conv, shortcut) in [(a, b), (b, a)] {
        match refusal(graph, node, conv, shortcut) {
            None => candidates.push((conv, shortcut)),
            Some("") => {}
            Some(reason) => near_misses.push(format!("{}: {reason}", describe(graph, conv))),
        }
    }
    // The first operand wins a tie: exporters write the main branch first.
    let best = candidates.iter().rev().max_by_key(|(conv, _)| depths.get(conv)).copied();
    let Some((conv, shortcut)) = best else {
        near_misses.into_iter().for_each(|reason| near.note(graph, node, reason));
        return None;
    };
    fuse(graph, node, conv, shortcut)
}

/// Why the sum cannot be computed by `conv`; empty if that is not even near.
fn refusal(graph: &Graph, sum: NodeId, conv: NodeId, shortcut: NodeId) -> Option<&'static str> {
    let Op::Conv(attributes) = graph.node(conv).op else { return Some("") };
    if graph.constant_of(shortcut).is_some() {
        return Some("");
    }
    if graph.node(conv).ty.shape != graph.node(shortcut).ty.shape {
        return Some("the sum broadcasts");
    }
    if attributes.residual {
        return Some("it has a residual");
    }
    if attributes.activation != Activation::None {
        return Some("an activation stands between");
    }
    if graph.sole_user(conv) != Some(sum) {
        return Some("it has two users");
    }
    None
}

fn fuse(graph: &Graph, sum: NodeId, conv: NodeId, shortcut: NodeId) -> Option<Patch> {
    let Op::Conv(mut attributes) = graph.node(conv).op else { return None };
    attributes.residual = true;
    let mut operands: Vec<_> = graph.operands(conv).into_iter().map(Into::into).collect();
    operands.push(shortcut.into());
    let label = format!("fuse {} into {}", describe(graph, sum), describe(graph, conv));
    let mut patch = Patch::new(label);
    let fused = patch.add(graph.node(conv).name.clone(), Op::Conv(attributes), &operands);
    patch.replace(sum, fused);
    Some(patch)
}
