//! Where every value is stored and when it is computed.
//!
//! | module | holds |
//! |---|---|
//! | [`schedule`] | the order of the steps |
//! | [`halo`] | which values need a zero border |
//! | [`alias`] | which results reuse an operand's place |
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

/// Which values may share memory. The stricter settings are for measuring the benefit of sharing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// A result may reuse the place of an operand that is read for the last time, and any free
    /// place.
    #[default]
    InPlace,
    /// A result may only use places whose values are no longer needed when its step begins.
    Freed,
    /// Every result has its own place for the whole run.
    Never,
}

/// A range of the arena, shared by values that reuse each other's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Size in bytes, a multiple of a cache line.
    pub bytes: usize,
    /// The live interval: the first and the last step, both included, at which its contents are
    /// needed.
    pub live: (usize, usize),
    /// Offset in the arena, in bytes.
    pub offset: usize,
    /// The values it holds, in the order in which they are written.
    pub values: Vec<NodeId>,
}

/// One step: the execution of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// The operator.
    pub node: NodeId,
    /// The operand whose place the result reuses, element by element.
    pub in_place: Option<NodeId>,
    /// The result is its operand, unchanged: nothing runs.
    pub is_view: bool,
    /// Whether the step writes the result's zero border.
    pub fill_halo: bool,
    /// The step's scratch buffer.
    pub scratch: Option<usize>,
    /// The buffers of what the step publishes beside its result, kept for the result's readers.
    pub published: Vec<(Fact, usize)>,
}

/// What a step needs beside its operands and its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Bytes of scratch memory while it runs.
    pub scratch: usize,
    /// What it publishes; kept until the result's last reader has run.
    pub published: Vec<Offer>,
}

/// The memory plan of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Operators in order; inputs and constants are not among them.
    pub steps: Vec<PlanStep>,
    /// Places of the inputs and of all results.
    pub places: BTreeMap<NodeId, Place>,
    /// The buffers in the arena.
    pub buffers: Vec<Buffer>,
    /// Bytes of the arena.
    pub peak: usize,
    /// Bytes that are live at the busiest step: no placement can use less.
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

/// Plans a graph that went through the layout pass. Inputs and outputs keep their places for the
/// whole run; `workspace` gives what an operator needs beside its operands and result.
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
