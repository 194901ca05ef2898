//! What a pass is, and a line of the pipeline.

use resnetc_ir::{Graph, NodeId, Patch};
use serde::Serialize;

use super::measure::Measure;
use super::near_misses::NearMisses;

/// One optimization. Each rewrite of this folder has one, called `PASS`.
#[derive(Clone, Copy)]
pub struct Pass {
    /// The name that switches it off.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Starts a sweep over the graph.
    pub sweep: fn(&Graph) -> Rewrite,
    /// What every patch makes smaller, so that sweeps come to an end. A pass of one sweep may have
    /// none: it rewrites a node once.
    pub measure: Option<fn(&Graph) -> Measure>,
}

/// Proposes a rewrite at a node, or notes why it nearly did. It is shown every node once a sweep,
/// operands first, and may remember what it has seen; an id that it remembers can have been removed
/// or given to a new node since.
pub type Rewrite = Box<dyn FnMut(&Graph, NodeId, &mut NearMisses) -> Option<Patch>>;

/// How often a step of the pipeline sweeps over the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeps {
    /// Once: the pass leaves nothing for itself to do.
    Once,
    /// Until a sweep changes nothing.
    UntilStable,
}

/// Whether a step can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The result only gets better by it.
    Optional,
    /// Later stages rely on it.
    Required,
}

/// The three parts of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// One way to write each thing.
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
    /// Where it belongs.
    pub stage: Stage,
}
