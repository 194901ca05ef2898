//! Which side of each jump the interpreter takes, and its results with these choices.

use std::collections::BTreeMap;
use std::sync::Arc;

use resnetc_ir::eval::Value;
use resnetc_ir::{Graph, NodeId};

use super::decisions::pools;
use super::sides::Jump;
use crate::passes::Origins;

/// The interpreter's choices at the jumps of a graph after the passes, by node of the graph before
/// them. A node that a patch adds stands for all nodes that the patch removes, so several values may
/// be meant for one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Choices(BTreeMap<NodeId, Vec<Arc<Value>>>);

impl Choices {
    /// Records the sides that a node of a scheduled graph takes for the jumps of the described graph
    /// that it replaces. Their elements may be in another order there.
    pub(super) fn note(
        &mut self,
        described: &Graph,
        origins: &Origins,
        node: NodeId,
        taken: Vec<Value>,
    ) {
        for value in taken.into_iter().map(Arc::new) {
            for origin in origins.of(node).filter(|&o| described.contains(o)) {
                let found = described.node(origin);
                let is_choice = Jump::of(&found.op).is_some() || pools(&found.op);
                if !is_choice || found.ty.elements() != value.data.len() {
                    continue;
                }
                // Several operators that one was fused into decide alike.
                let known = self.0.entry(origin).or_default();
                if !known.iter().any(|known| known.data == value.data) {
                    known.push(Arc::clone(&value));
                }
            }
        }
    }

    /// The values that may be the one chosen at a jump of the described graph.
    pub(super) fn at(&self, node: NodeId) -> &[Arc<Value>] {
        self.0.get(&node).map_or(&[], Vec::as_slice)
    }
}

/// The interpreter's results for the graph before any pass, with these choices at jumps.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) choices: Choices,
    pub(super) outputs: Vec<Value>,
    /// The difference of each output that rounding explains, if that is known.
    pub(super) explained: Option<Vec<f64>>,
}

impl Reference {
    /// The difference of an output that rounding explains; 0 if that is not known.
    pub(super) fn explains(&self, output: usize) -> f64 {
        self.explained.as_ref().map_or(0.0, |explained| explained[output])
    }
}
