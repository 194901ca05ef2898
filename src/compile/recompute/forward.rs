//! The forward half of a step of training, and which of its values the gradients need.

use std::collections::{HashMap, HashSet};

use resnetc_ir::cost::macs;
use resnetc_ir::{Graph, NodeId, Op};

use crate::report::compilation::Values;

/// The values that the loss and the scores depend on.
#[derive(Debug)]
pub(super) struct Forward<'a> {
    graph: &'a Graph,
    values: HashSet<NodeId>,
}

/// A part of the network that passes images on in a single value, such as a residual block.
#[derive(Debug)]
pub(super) struct Unit {
    /// The images within it, operands first.
    pub(super) interior: Vec<NodeId>,
    /// What it passes on.
    pub(super) end: NodeId,
}

impl<'a> Forward<'a> {
    /// The forward half of a step of training; `None` if the graph is none.
    pub(super) fn of(graph: &'a Graph) -> Option<Self> {
        if graph.outputs().iter().all(|output| output.next_of.is_none()) {
            return None;
        }
        let results = graph.outputs().iter().filter(|output| output.next_of.is_none());
        let mut values: HashSet<NodeId> = results.map(|output| output.node).collect();
        for node in graph.topo().into_iter().rev() {
            if values.contains(&node) {
                values.extend(graph.operands(node));
            }
        }
        Some(Forward { graph, values })
    }

    /// The nodes of the other half that read a value.
    pub(super) fn later_readers(&self, value: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let users = self.graph.users(value).into_iter().map(|(user, _)| user);
        users.filter(|user| !self.values.contains(user))
    }

    /// What is computed in this half and read in the other one.
    pub(super) fn kept(&self) -> Values {
        let is_kept = |&node: &NodeId| {
            self.graph.node(node).op.is_computed() && self.later_readers(node).next().is_some()
        };
        Values::of(self.graph, self.values.iter().copied().filter(is_kept))
    }

    /// The parts of the network, first to last. What follows the last convolution or matrix product
    /// belongs to none: its gradients are the first.
    pub(super) fn units(&self) -> Vec<Unit> {
        let (mut units, mut interior) = (Vec::new(), Vec::new());
        let mut has_product = false;
        let images = images(self.graph, &self.values);
        let passages = passages(self.graph, &images);
        for (node, is_passage) in images.into_iter().zip(passages) {
            has_product |= macs(self.graph, node) > 0;
            if is_passage && has_product {
                units.push(Unit { interior: std::mem::take(&mut interior), end: node });
                has_product = false;
            } else {
                interior.push(node);
            }
        }
        units
    }
}

/// For each of the images, operands first, whether all later ones depend on earlier ones through it
/// alone.
fn passages(graph: &Graph, images: &[NodeId]) -> Vec<bool> {
    let positions: HashMap<NodeId, usize> =
        images.iter().enumerate().map(|(at, &node)| (node, at)).collect();
    let mut last_read: Vec<usize> = (0..images.len()).collect();
    for (at, &node) in images.iter().enumerate() {
        let operands = graph.operands(node).into_iter();
        for operand in operands.filter_map(|operand| positions.get(&operand)) {
            last_read[*operand] = at;
        }
    }
    let mut furthest = 0;
    let is_passage = |(at, last): (usize, usize)| {
        let is_passed = furthest <= at;
        furthest = furthest.max(last);
        is_passed
    };
    last_read.into_iter().enumerate().map(is_passage).collect()
}

/// The values with more than one pixel that are computed from what is new in each step, operands
/// first.
fn images(graph: &Graph, forward: &HashSet<NodeId>) -> Vec<NodeId> {
    let order = graph.topo();
    let state: HashSet<NodeId> = graph.outputs().iter().filter_map(|o| o.next_of).collect();
    let mut is_new = HashSet::new();
    for &node in order.iter().filter(|node| forward.contains(node)) {
        let is_given = graph.node(node).op == Op::Input && !state.contains(&node);
        if is_given || graph.operands(node).iter().any(|operand| is_new.contains(operand)) {
            is_new.insert(node);
        }
    }
    let is_image = |node: &NodeId| {
        let found = graph.node(*node);
        let pixels = found.ty.nchw().map_or(1, |[_, _, rows, columns]| rows * columns);
        found.op.is_computed() && is_new.contains(node) && pixels > 1
    };
    order.into_iter().filter(is_image).collect()
}
