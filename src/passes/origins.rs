//! Tracks which nodes of the described graph each node of a rewritten graph replaces.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{swap, take};

use resnetc_ir::{Change, Graph, NodeId, Op};

/// Follows operators and inputs through rewrites.
///
/// A node that takes another one's place stands for it, and for the nodes removed with it because
/// nothing else used them. So a convolution into which a normalization was folded stands for both.
/// A node that a pass adds without replacing one (a change of layout) stands for none; no node
/// stands for a node that is removed because no output needs it.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    of: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// The operands of each live node: a rewritten graph no longer has those of a removed node.
    operands: BTreeMap<NodeId, Vec<NodeId>>,
}

impl Origins {
    /// Every operator and every input stands for itself. Constants belong to their users.
    pub(super) fn new(graph: &Graph) -> Self {
        let mut origins = Origins::default();
        for node in graph.nodes() {
            let is_constant = matches!(graph.node(node).op, Op::Constant(_));
            let itself = (!is_constant).then_some(node);
            origins.of.insert(node, itself.into_iter().collect());
            origins.operands.insert(node, graph.operands(node));
        }
        origins
    }

    /// The nodes of the described graph for which a node stands, in order.
    pub fn of(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.of.get(&node).into_iter().flatten().copied()
    }

    /// Accounts for a patch that has just been applied.
    pub(super) fn follow(&mut self, graph: &Graph, change: &Change) {
        for &node in &change.added {
            self.of.insert(node, BTreeSet::new());
            self.operands.insert(node, graph.operands(node));
        }
        for &(old, new) in &change.replaced {
            let gone = self.take(graph, old, change);
            self.give(graph, new, gone, change);
        }
        for &user in &change.redirected {
            self.operands.insert(user, graph.operands(user));
        }
    }

    /// The nodes that a removed node stood for, and those of nodes removed with it that nothing
    /// replaces. Their entries are deleted.
    fn take(&mut self, graph: &Graph, old: NodeId, change: &Change) -> BTreeSet<NodeId> {
        let (mut gone, mut work) = (BTreeSet::new(), vec![old]);
        while let Some(node) = work.pop() {
            let is_replaced = change.replaced.iter().any(|&(other, _)| other == node);
            if graph.contains(node) || (is_replaced && node != old) {
                continue;
            }
            if let Some(origins) = self.of.remove(&node) {
                gone = union(gone, origins);
                work.extend(self.operands.remove(&node).unwrap_or_default());
            }
        }
        gone
    }

    /// Lets a node stand for others, and so do the nodes that the same patch added to compute it. A
    /// change of layout computes nothing, so its operand stands for them instead.
    fn give(&mut self, graph: &Graph, new: NodeId, gone: BTreeSet<NodeId>, change: &Change) {
        let (mut seen, mut work, mut heirs) = (BTreeSet::new(), vec![new], Vec::new());
        while let Some(node) = work.pop() {
            let is_added = change.added.contains(&node);
            let computes = graph.contains(node) && graph.node(node).op.is_computed();
            if !seen.insert(node) || (node != new && !(is_added && computes)) {
                continue;
            }
            let is_reorder = computes && matches!(graph.node(node).op, Op::Reorder(_));
            if !is_reorder {
                heirs.push(node);
            }
            if is_added {
                work.extend(self.operands.get(&node).into_iter().flatten());
            }
        }
        let Some(last) = heirs.pop() else { return };
        for heir in heirs {
            self.of.entry(heir).and_modify(|origins| origins.extend(&gone));
        }
        self.of.entry(last).and_modify(|origins| *origins = union(take(origins), gone));
    }
}

/// Both sets: the smaller one goes into the larger one, since a chain of rewrites hands the same
/// nodes on at every step.
fn union(mut a: BTreeSet<NodeId>, mut b: BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    if a.len() < b.len() {
        swap(&mut a, &mut b);
    }
    a.extend(b);
    a
}
