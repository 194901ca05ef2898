//! Why a rewrite was nearly proposed, and how operators are called.

use std::fmt;

use resnetc_ir::{Graph, Node, NodeId};
use serde::Serialize;

/// An operator by name, in a report: the graph has changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeRef {
    /// Its id at the time; a later node may have been given the same.
    pub id: String,
    /// The operator's name.
    pub op: &'static str,
    /// The node's name; may be empty.
    pub name: String,
}

impl NodeRef {
    pub(super) fn of(id: NodeId, node: &Node) -> Self {
        NodeRef { id: id.to_string(), op: node.op.name(), name: node.name.clone() }
    }

    /// The name, or the id where there is none.
    pub fn known_as(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.known_as())
    }
}

/// Why a rewrite is not proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The pattern is another one altogether.
    Other,
    /// One condition does not hold.
    Near(&'static str),
}

/// Collects the near misses of one sweep.
#[derive(Debug, Default)]
pub struct NearMisses {
    /// Name of the node, its operator, what stood in the way.
    pub(super) found: Vec<(String, &'static str, String)>,
}

impl NearMisses {
    /// Notes that a rewrite of `node` failed on one condition only.
    pub fn note(&mut self, graph: &Graph, node: NodeId, reason: impl Into<String>) {
        let node = NodeRef::of(node, graph.node(node));
        self.found.push((node.known_as().to_owned(), node.op, reason.into()));
    }

    /// What was found at `node`, or a note of what nearly was.
    pub(super) fn settle<T>(
        &mut self,
        graph: &Graph,
        node: NodeId,
        found: Result<T, Stop>,
    ) -> Option<T> {
        match found {
            Ok(found) => return Some(found),
            Err(Stop::Near(reason)) => self.note(graph, node, reason),
            Err(Stop::Other) => {}
        }
        None
    }

    /// How many were noted.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none was noted.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// How a node is called in a label: its operator, and its name if it has one.
pub(super) fn describe(graph: &Graph, node: NodeId) -> String {
    NodeRef::of(node, graph.node(node)).to_string()
}
