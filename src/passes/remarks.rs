//! A report of the rewrites that the passes applied and nearly applied.

use std::collections::BTreeSet;
use std::time::Duration;

use resnetc_ir::{Change, Graph, Node, NodeId, Op};
use serde::{Deserialize, Serialize};

use crate::interned::{self, Name};

use super::near_misses::{NearMisses, NodeRef};
use super::origins::Origins;
use super::pass::{Need, PipelineStep};

/// The report of a whole run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Remarks {
    /// One entry for each step of the pipeline that ran, in order.
    pub passes: Vec<PassStats>,
    /// Every applied patch, in order.
    pub applied: Vec<Applied>,
    /// Every rewrite that was nearly proposed, with each reason once per node.
    pub declined: Vec<Declined>,
    /// Which described nodes each node stands for.
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

    /// Adds the near misses of a step. A step that runs twice finds the same near misses twice.
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PassStats {
    /// The pass.
    #[serde(deserialize_with = "interned::name")]
    pub pass: Name,
    /// Patches applied.
    pub applied: usize,
    /// Rewrites nearly proposed in the last sweep.
    pub declined: usize,
    /// Sweeps over the graph.
    pub sweeps: usize,
    /// Nodes in the graph after it.
    pub nodes: usize,
    /// Time spent, including verification.
    pub time: Duration,
}

/// A patch that was applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Applied {
    /// The pass.
    #[serde(deserialize_with = "interned::name")]
    pub pass: Name,
    /// Whether the pass could be left out.
    pub need: Need,
    /// What the patch did.
    pub label: String,
    /// The operators that are no longer used, operands first.
    pub before: Vec<NodeRef>,
    /// The operators that it added, in order.
    pub after: Vec<NodeRef>,
}

impl Applied {
    /// Describes a patch that was just applied to `graph`.
    pub(super) fn of(step: &PipelineStep, label: String, graph: &Graph, change: &Change) -> Self {
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Declined {
    /// The pass.
    #[serde(deserialize_with = "interned::name")]
    pub pass: Name,
    /// The name of the node concerned.
    pub node: String,
    /// That node's operator.
    #[serde(deserialize_with = "interned::name")]
    pub op: Name,
    /// The condition that prevented it.
    pub reason: String,
}
