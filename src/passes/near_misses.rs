//! Why rewrites were nearly proposed, and how reports name operators.

use std::fmt;

use resnetc_ir::memory::NoMemory;
use resnetc_ir::{Graph, Node, NodeId};
use serde::{Deserialize, Serialize};

use super::error::PassError;
use crate::interned::{self, Name};
use crate::one_line::name_line;

/// An operator by name, for a report: the graph has changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// Its id at the time; a later node may have the same id.
    pub id: String,
    /// The operator's name.
    #[serde(deserialize_with = "interned::name")]
    pub op: Name,
    /// The node's name; may be empty.
    pub name: String,
}

impl NodeRef {
    pub(crate) fn of(id: NodeId, node: &Node) -> Self {
        NodeRef { id: id.to_string(), op: node.op.name(), name: node.name.clone() }
    }

    /// The name, or the id if it has no name.
    pub fn known_as(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, name_line(self.known_as()))
    }
}

/// Why a rewrite is not proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The pattern does not match at all.
    Other,
    /// One condition does not hold.
    Near(&'static str),
    /// The system does not have the memory for a constant.
    Memory(NoMemory),
}

impl From<NoMemory> for Stop {
    fn from(error: NoMemory) -> Self {
        Stop::Memory(error)
    }
}

/// Collects the near misses of one sweep.
#[derive(Debug, Default)]
pub struct NearMisses {
    /// The name of the node, its operator, and the failed condition.
    pub(super) found: Vec<(String, &'static str, String)>,
    /// The constant that a rewrite could not make for lack of memory: the name of the node, its
    /// operator, and the bytes that were needed.
    scarce: Option<(String, &'static str, usize)>,
}

impl NearMisses {
    /// Records that a rewrite of `node` failed on a single condition.
    pub fn note(&mut self, graph: &Graph, node: NodeId, reason: impl Into<String>) {
        let node = NodeRef::of(node, graph.node(node));
        self.found.push((node.known_as().to_owned(), node.op, reason.into()));
    }

    /// Returns the memory for a constant of a rewrite, or records that the system does not have it,
    /// which ends the compilation.
    pub(super) fn afford<T>(
        &mut self,
        graph: &Graph,
        node: NodeId,
        memory: Result<T, NoMemory>,
    ) -> Option<T> {
        match memory {
            Ok(memory) => Some(memory),
            Err(NoMemory { bytes }) => {
                let node = NodeRef::of(node, graph.node(node));
                self.scarce.get_or_insert((node.known_as().to_owned(), node.op, bytes));
                None
            }
        }
    }

    /// What a rewrite lacked memory for.
    pub(super) fn scarce(&mut self) -> Option<PassError> {
        let (node, op, bytes) = self.scarce.take()?;
        Some(PassError::Memory { node, op, bytes })
    }

    /// Returns what was found at `node`, or records a near miss.
    pub(super) fn settle<T>(
        &mut self,
        graph: &Graph,
        node: NodeId,
        found: Result<T, Stop>,
    ) -> Option<T> {
        match found {
            Ok(found) => return Some(found),
            Err(Stop::Near(reason)) => self.note(graph, node, reason),
            Err(Stop::Memory(error)) => return self.afford(graph, node, Err(error)),
            Err(Stop::Other) => {}
        }
        None
    }

    /// How many were recorded.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none was recorded.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// How labels name a node: by its operator, and its name if it has one.
pub(super) fn describe(graph: &Graph, node: NodeId) -> String {
    NodeRef::of(node, graph.node(node)).to_string()
}
