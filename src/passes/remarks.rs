//! What the passes did and what they nearly did.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use resnetc_ir::{Change, Graph, Node, NodeId, Op};
use serde::Serialize;

use super::origins::Origins;
use super::{Need, Step};

/// The report of a whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Remarks {
    /// One entry a step of the pipeline that ran, in order.
    pub passes: Vec<PassStats>,
    /// Every applied patch, in order.
    pub applied: Vec<Applied>,
    /// Every rewrite that was nearly proposed, each reason once a node.
    pub declined: Vec<Declined>,
    /// Which nodes became which.
    #[serde(skip)]
    pub origins: Origins,
}

impl Remarks {
    /// How many patches of this pass were applied.
    pub fn count(&self, pass: &str) -> usize {
        self.passes.iter().filter(|p| p.pass == pass).map(|p| p.applied).sum()
    }

    /// How many patches of optional passes were applied: what [`PassOptions::stop_after`] counts.
    ///
    /// [`PassOptions::stop_after`]: super::PassOptions::stop_after
    pub fn optional(&self) -> usize {
        self.applied.iter().filter(|a| a.need == Need::Optional).count()
    }

    /// Adds the near misses of a step. A step that runs twice finds the same ones twice.
    pub(super) fn decline(&mut self, pass: &'static str, near: NearMisses) {
        let known: BTreeSet<(&str, String, String)> =
            self.declined.iter().map(|d| (d.pass, d.node.clone(), d.reason.clone())).collect();
        for (node, op, reason) in near.found {
            if !known.contains(&(pass, node.clone(), reason.clone())) {
                self.declined.push(Declined { pass, node, op, reason });
            }
        }
    }
}

/// What one step of the pipeline did.
#[derive(Clone, Debug, Serialize)]
pub struct PassStats {
    /// The pass.
    pub pass: &'static str,
    /// Patches applied.
    pub applied: usize,
    /// Rewrites nearly proposed in the last sweep.
    pub declined: usize,
    /// Sweeps over the graph.
    pub sweeps: usize,
    /// Nodes in the graph behind it.
    pub nodes: usize,
    /// Time spent, verification included.
    pub time: Duration,
}

/// A patch that was applied.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// The pass.
    pub pass: &'static str,
    /// Whether the pass could be left out.
    pub need: Need,
    /// What the patch did.
    pub label: String,
    /// The operators that nothing uses any more, operands first.
    pub before: Vec<NodeRef>,
    /// The operators that it added, in order.
    pub after: Vec<NodeRef>,
}

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
    fn of(id: NodeId, node: &Node) -> Self {
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

impl Applied {
    /// Tells of a patch that `graph` has just taken.
    pub(super) fn of(step: &Step, label: String, graph: &Graph, change: &Change) -> Self {
        let computes = |node: &Node| !matches!(node.op, Op::Constant(_));
        let gone = change.removed.iter().rev().map(|(id, node)| (*id, node));
        let came = change.added.iter().map(|&id| (id, graph.node(id)));
        let list = |(id, node): (NodeId, &Node)| computes(node).then(|| NodeRef::of(id, node));
        Applied {
            pass: step.pass.name,
            need: step.need,
            label,
            before: gone.filter_map(list).collect(),
            after: came.filter_map(list).collect(),
        }
    }
}

/// A rewrite that was nearly proposed.
#[derive(Clone, Debug, Serialize)]
pub struct Declined {
    /// The pass.
    pub pass: &'static str,
    /// The name of the node that it was about.
    pub node: String,
    /// That node's operator.
    pub op: &'static str,
    /// What stood in the way.
    pub reason: String,
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
    found: Vec<(String, &'static str, String)>,
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
