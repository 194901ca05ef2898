//! What the passes did and what they nearly did.

use std::collections::BTreeSet;
use std::time::Duration;

use resnetc_ir::{Graph, NodeId};
use serde::Serialize;

/// The report of a whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Remarks {
    /// One entry a step of the pipeline that ran, in order.
    pub passes: Vec<PassStats>,
    /// Every applied patch, in order.
    pub applied: Vec<Applied>,
    /// Every rewrite that was nearly proposed, each reason once a node.
    pub declined: Vec<Declined>,
}

impl Remarks {
    /// How many patches of this pass were applied.
    pub fn count(&self, pass: &str) -> usize {
        self.passes.iter().filter(|p| p.pass == pass).map(|p| p.applied).sum()
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
    /// What the patch did.
    pub label: String,
    /// The ids of the nodes that it added, in order.
    pub nodes: Vec<String>,
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
        let Op { name, op } = Op::of(graph, node);
        self.found.push((name, op, reason.into()));
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

/// How a node is called in a report.
struct Op {
    name: String,
    op: &'static str,
}

impl Op {
    fn of(graph: &Graph, node: NodeId) -> Self {
        let found = graph.node(node);
        let name = if found.name.is_empty() { node.to_string() } else { found.name.clone() };
        Op { name, op: found.op.name() }
    }
}

/// How a node is called in a label: its operator, and its name if it has one.
pub(super) fn describe(graph: &Graph, node: NodeId) -> String {
    let Op { name, op } = Op::of(graph, node);
    format!("{op} {name}")
}
