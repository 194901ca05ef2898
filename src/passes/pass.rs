//! What a pass is, and a line of the pipeline.

use resnetc_ir::{Graph, NodeId, Patch};
use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::near_misses::NearMisses;

/// One optimization. Each rewrite in this folder defines one, named `PASS`.
#[derive(Clone, Copy)]
pub struct Pass {
    /// The name that switches it off.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Starts a sweep over the graph.
    pub sweep: fn(&Graph) -> Rewrite,
    /// The measure that every patch decreases, so that sweeps terminate. A pass of one sweep may
    /// have none: it rewrites each node once.
    pub measure: Option<fn(&Graph) -> Measure>,
}

/// Proposes a rewrite at a node, or records why it nearly did. It is called for every node once per
/// sweep, operands first, and may keep state; a node whose id it remembers may since have been
/// removed, and the id reused.
pub type Rewrite = Box<dyn FnMut(&Graph, NodeId, &mut NearMisses) -> Option<Patch>>;

/// How often a step of the pipeline sweeps over the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeps {
    /// Once: after one sweep nothing is left to do.
    Once,
    /// Until a sweep changes nothing.
    UntilStable,
}

/// Whether a step can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It only improves the result.
    Optional,
    /// Later stages rely on it.
    Required,
}

/// The three parts of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// One canonical form for each construct.
    Canonical,
    /// Operators merged into the convolutions and matrix products.
    Fused,
    /// Every value marked with its layout: what the planner accepts.
    Scheduled,
}

/// One line of the pipeline.
#[derive(Clone, Copy)]
pub struct PipelineStep {
    /// What is run.
    pub pass: Pass,
    /// How often.
    pub sweeps: Sweeps,
    /// Whether it can be left out.
    pub need: Need,
    /// The stage to which it belongs.
    pub stage: Stage,
}
