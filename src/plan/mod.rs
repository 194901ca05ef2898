//! Where every value is stored and when it is computed.
//!
//! | module | holds |
//! |---|---|
//! | [`schedule`] | the order of the steps |
//! | [`halo`] | which values need a zero border |
//! | [`alias`] | which results reuse an operand's place |
//! | [`arena`] | offsets by best fit over live intervals |
//! | `build` | all of these, for the order of the steps that needs the least memory |
//! | [`verify`] | proof that no step overwrites what is still read |
//! | [`table`] | the plan as text |

use std::collections::BTreeMap;

use resnetc_ir::{NodeId, TensorType};

use crate::kernels::geometry::{Geometry, Place};
use crate::kernels::published::{Fact, Offer, Published};

pub mod alias;
pub mod arena;
mod build;
pub mod halo;
mod memory;
pub mod schedule;
pub mod table;
pub mod verify;

pub use build::plan;

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

/// The geometry of a value without halo.
fn dense(ty: &TensorType) -> Geometry {
    Geometry::new(ty.clone())
}
