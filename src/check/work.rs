//! Tracks how much of the interpreter's work is done.

use resnetc_ir::{Graph, NodeId};

use crate::compile::macs;

/// The interpreter's work, counted in multiply-adds and elements.
pub(super) struct Work<'a> {
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<'a> Work<'a> {
    pub(super) fn new(total: u64, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        Work { done: 0, total, progress }
    }

    pub(super) fn did(&mut self, graph: &Graph, node: NodeId) {
        self.done += node_cost(graph, node);
        (self.progress)(self.done.min(self.total), self.total);
    }
}

/// The work of interpreting a graph.
pub(super) fn cost(graph: &Graph) -> u64 {
    graph.nodes().map(|n| node_cost(graph, n)).sum()
}

fn node_cost(graph: &Graph, node: NodeId) -> u64 {
    macs(graph, node).saturating_add(graph.node(node).ty.elements() as u64)
}
