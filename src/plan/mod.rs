//! Where every value lies and when it is computed.
//!
//! | module | holds |
//! |---|---|
//! | [`schedule`] | the order of the steps |
//! | [`halo`] | which values need a zero border |
//! | [`alias`] | which results take over an operand's place |
//! | [`arena`] | offsets by best fit over live intervals |
//! | [`verify`] | proof that no step overwrites what is still read |
//! | [`table`] | the plan as text |

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId, TensorType};

use crate::kernels::geometry::{Geometry, Place};
use crate::kernels::published::{Fact, Offer, Published};
use crate::kernels::sink::{ALIGN, ARENA};

pub mod alias;
pub mod arena;
pub mod halo;
mod memory;
pub mod schedule;
pub mod table;
pub mod verify;

use alias::Aliasing;

/// What values may share memory. Less of it is for measuring what more of it brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// A result may take over the place of an operand that is read for the last time, and any place
    /// that is free.
    #[default]
    InPlace,
    /// A result may take places whose values are not needed any more when its step begins.
    Freed,
    /// Every result has a place of its own for the whole run.
    Never,
}

/// A stretch of the arena, shared by values that take each other's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Size, a multiple of a cache line.
    pub bytes: usize,
    /// First and last step at which it holds something that is still needed, both included.
    pub live: (usize, usize),
    /// Where it starts.
    pub offset: usize,
    /// The values it holds, in the order in which they are written.
    pub values: Vec<NodeId>,
}

/// One operator at its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// The operator.
    pub node: NodeId,
    /// The operand whose place the result takes over, element by element.
    pub in_place: Option<NodeId>,
    /// The result is its operand as it stands: nothing runs.
    pub is_view: bool,
    /// Whether the result's zero border is to be written.
    pub fill_halo: bool,
    /// The buffer that the step has for itself while it runs.
    pub scratch: Option<usize>,
    /// The buffers of what the step publishes beside its result, kept for those who read the
    /// result.
    pub published: Vec<(Fact, usize)>,
}

/// What a step needs beside its operands and its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Bytes for itself while it runs.
    pub scratch: usize,
    /// What it publishes, as long as the result is read.
    pub published: Vec<Offer>,
}

/// The memory plan of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Operators in order; inputs and constants are not among them.
    pub steps: Vec<PlanStep>,
    /// Places of the inputs and of all results.
    pub places: BTreeMap<NodeId, Place>,
    /// The stretches of the arena.
    pub buffers: Vec<Buffer>,
    /// Bytes of the arena.
    pub peak: usize,
    /// Bytes that are live at once at the busiest step: no placement takes less.
    pub lower_bound: usize,
}

impl Plan {
    /// What a step publishes, and where.
    pub fn published(&self, step: &PlanStep) -> Vec<Published> {
        let at = |&(fact, buffer): &(Fact, usize)| {
            let Buffer { offset, bytes, .. } = self.buffers[buffer];
            Published { fact, offset: offset as i64, bytes }
        };
        step.published.iter().map(at).collect()
    }
}

/// Plans a graph that went through the layout pass. Inputs and outputs keep their place for the
/// whole run; `workspace` says what an operator needs beside them.
pub fn plan(graph: &Graph, reuse: Reuse, workspace: &dyn Fn(NodeId) -> Workspace) -> Plan {
    schedule::orders(graph)
        .into_iter()
        .map(|order| plan_order(graph, &order, reuse, workspace))
        .min_by_key(|plan| plan.peak)
        .unwrap_or_else(|| plan_order(graph, &[], reuse, workspace))
}

fn plan_order(
    graph: &Graph,
    order: &[NodeId],
    reuse: Reuse,
    workspace: &dyn Fn(NodeId) -> Workspace,
) -> Plan {
    let halos = halo::halos(graph, order);
    let Aliasing { mut steps, mut buffers, geometries, last_use } =
        alias::assign(graph, order, halos, reuse);
    for (at, step) in steps.iter_mut().enumerate() {
        let mut open = |bytes: usize, last: usize| {
            let buffer = Buffer {
                bytes: bytes.next_multiple_of(ALIGN),
                live: (at, last),
                offset: 0,
                values: Vec::new(),
            };
            (bytes > 0).then(|| {
                buffers.push(buffer);
                buffers.len() - 1
            })
        };
        let Workspace { scratch, published } = workspace(step.node);
        step.scratch = open(scratch, at);
        let kept = |Offer { fact, bytes }| Some((fact, open(bytes, last_use[&step.node])?));
        step.published = published.into_iter().filter_map(kept).collect();
    }
    if reuse == Reuse::Never {
        buffers.iter_mut().for_each(|buffer| buffer.live = (0, order.len()));
    }
    arena::place(&mut buffers);
    let mut places = BTreeMap::new();
    for buffer in &buffers {
        for &value in &buffer.values {
            let geometry = geometries[&value].clone();
            places.insert(value, Place { base: ARENA, offset: buffer.offset as i64, geometry });
        }
    }
    let peak = buffers.iter().map(|b| b.offset + b.bytes).max().unwrap_or(0);
    let lower_bound = arena::lower_bound(&buffers);
    Plan { steps, places, buffers, peak, lower_bound }
}

/// The geometry of a value without halo.
fn dense(ty: &TensorType) -> Geometry {
    Geometry::new(ty.clone())
}
