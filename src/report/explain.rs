//! The rewrites that passes applied and nearly applied, pass by pass.

use serde::Serialize;

use crate::passes::{Need, NodeRef, Remarks, pipeline};

/// The whole pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The steps that ran, in order. A pass that runs twice is listed twice.
    pub passes: Vec<Explained>,
}

/// One step of the pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The pass.
    pub pass: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Whether it could have been left out.
    pub optional: bool,
    /// Sweeps over the graph.
    pub sweeps: usize,
    /// Nodes in the graph after it.
    pub nodes: usize,
    /// Time spent.
    pub milliseconds: f64,
    /// Rewrites that were applied, in order.
    pub applied: Vec<Rewritten>,
    /// Rewrites that a single condition prevented.
    pub declined: Vec<NearMiss>,
}

/// A rewrite that was applied.
#[derive(Clone, Debug, Serialize)]
pub struct Rewritten {
    /// What it did, in a few words.
    pub label: String,
    /// The operators that were removed, operands first.
    pub before: Vec<NodeRef>,
    /// The operators that were added.
    pub after: Vec<NodeRef>,
}

/// A rewrite that was nearly proposed.
#[derive(Clone, Debug, Serialize)]
pub struct NearMiss {
    /// The node concerned, by name, or by id if it has no name.
    pub node: String,
    /// That node's operator.
    pub op: &'static str,
    /// The condition that prevented it.
    pub reason: String,
}

impl Explanation {
    /// Groups the driver's remarks by the steps of the pipeline.
    pub fn of(remarks: &Remarks) -> Self {
        let mut applied = remarks.applied.iter();
        let mut passes: Vec<Explained> = Vec::with_capacity(remarks.passes.len());
        for stats in &remarks.passes {
            let step = pipeline().iter().find(|step| step.pass.name == stats.pass);
            passes.push(Explained {
                pass: stats.pass,
                doc: step.map_or("", |step| step.pass.doc),
                optional: step.is_some_and(|step| step.need == Need::Optional),
                sweeps: stats.sweeps,
                nodes: stats.nodes,
                milliseconds: stats.time.as_secs_f64() * 1e3,
                applied: applied
                    .by_ref()
                    .take(stats.applied)
                    .map(|patch| Rewritten {
                        label: patch.label.clone(),
                        before: patch.before.clone(),
                        after: patch.after.clone(),
                    })
                    .collect(),
                declined: Vec::new(),
            });
        }
        // A step that runs twice finds the same near miss twice; the driver keeps it once, for the
        // last run.
        for miss in &remarks.declined {
            if let Some(explained) = passes.iter_mut().rev().find(|p| p.pass == miss.pass) {
                explained.declined.push(NearMiss {
                    node: miss.node.clone(),
                    op: miss.op,
                    reason: miss.reason.clone(),
                });
            }
        }
        Explanation { passes }
    }

    /// How many rewrites were applied.
    pub fn applied(&self) -> usize {
        self.passes.iter().map(|p| p.applied.len()).sum()
    }

    /// How many were nearly proposed.
    pub fn declined(&self) -> usize {
        self.passes.iter().map(|p| p.declined.len()).sum()
    }
}
