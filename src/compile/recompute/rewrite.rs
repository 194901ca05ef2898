//! Gradients that read values computed again, in place of values that are kept.

use std::collections::{HashMap, HashSet};

use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Patch};

use super::forward::Forward;

/// Gives every gradient that reads one of the values in `again` a copy of it, which is computed from
/// copies of what it depends on, as far as that is in `again`, too. The schedule puts each copy
/// just before its first reader.
pub(super) fn recompute(graph: &Graph, forward: &Forward<'_>, again: &HashSet<NodeId>) -> Patch {
    let mut patch = Patch::new("compute values again for the gradients");
    let order: Vec<NodeId> = graph.topo().into_iter().filter(|node| again.contains(node)).collect();
    let needed = needed(graph, forward, &order);
    let mut copies: HashMap<NodeId, Value> = HashMap::new();
    for node in order.into_iter().filter(|node| needed.contains(node)) {
        let found = graph.node(node);
        let operand = |operand: NodeId| copies.get(&operand).copied().unwrap_or(operand.into());
        let operands: Vec<Value> = graph.operands(node).into_iter().map(operand).collect();
        let copy = patch.add(format!("{} again", found.name), found.op.clone(), &operands);
        patch.set_layout(copy, found.ty.layout);
        for reader in forward.later_readers(node) {
            patch.replace_in(reader, node, copy);
        }
        copies.insert(node, copy);
    }
    patch
}

/// The values that gradients read, and what these are computed from.
fn needed(graph: &Graph, forward: &Forward<'_>, order: &[NodeId]) -> HashSet<NodeId> {
    let mut needed = HashSet::new();
    for &node in order.iter().rev() {
        if needed.contains(&node) || forward.later_readers(node).next().is_some() {
            needed.insert(node);
            needed.extend(graph.operands(node));
        }
    }
    needed
}
