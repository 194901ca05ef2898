//! How a compilation went.

use std::fmt;
use std::time::Duration;

use resnetc_ir::{Graph, NodeId};
use serde::{Deserialize, Serialize};

use crate::host::executable::Refusal;
use crate::isa::Isa;
use crate::passes::Remarks;

use super::convolutions::ChosenConvolution;
use super::kernels::KernelInfo;
use super::plan::MemoryPlan;

/// How a compilation went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompileReport {
    /// Why the network is interpreted, if it is: then nothing was compiled, and the fields below
    /// are empty.
    #[serde(skip)]
    pub interpreted: Option<Interpreted>,
    /// The instruction set.
    pub isa: Isa,
    /// Bytes of a context's arena.
    pub arena_bytes: usize,
    /// Bytes that a context holds besides the arena for each thread.
    pub thread_bytes: usize,
    /// The smallest arena that any placement needs, in bytes.
    pub arena_lower_bound: usize,
    /// Bytes of packed constants.
    pub weight_bytes: usize,
    /// How many of them are in memory that other models use as well
    /// ([`Options::share`](crate::Options::share)), or were when it was compiled.
    pub shared_bytes: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Distinct kernels.
    pub kernels: usize,
    /// Operators whose algorithm was chosen by measured times.
    pub tuned: usize,
    /// Wall-clock time of each phase, in order.
    #[serde(skip)]
    pub phases: Vec<(&'static str, Duration)>,
    /// The rewrites that the passes applied, and nearly applied.
    pub remarks: Remarks,
    /// Why the functions' names could not be written for `perf`, if that was requested and failed.
    #[serde(skip)]
    pub perf_map: Option<String>,
    /// What was found in the folder of compiled networks, if the options name one.
    #[serde(skip)]
    pub cache: Option<CacheUse>,
    /// Where every value is stored.
    pub memory: MemoryPlan,
    /// The compiled kernels.
    pub compiled: Vec<KernelInfo>,
    /// How each convolution is computed, and which algorithms were considered.
    pub convolutions: Vec<ChosenConvolution>,
    /// What is in memory for gradients, if the network is a step of training.
    pub for_gradients: Option<ForGradients>,
}

/// What a step of training has in memory for its gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForGradients {
    /// Values that are computed for the loss and read again.
    pub kept: Values,
    /// Values that are computed again in place of being kept
    /// ([`Options::memory`](crate::Options::memory)).
    pub again: Values,
    /// The multiply-adds that this takes.
    pub macs: u64,
}

/// Some values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// How many.
    pub count: usize,
    /// Their size, without borders and unused lanes.
    pub bytes: usize,
}

impl Values {
    /// These values of a graph.
    pub(crate) fn of(graph: &Graph, nodes: impl Iterator<Item = NodeId>) -> Self {
        nodes.fold(Values::default(), |sum, node| Values {
            count: sum.count + 1,
            bytes: sum.bytes + graph.node(node).ty.bytes(),
        })
    }
}

/// How a compilation used the folder of compiled networks
/// ([`Options::cache_dir`](crate::Options::cache_dir)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// The network was there.
    Found,
    /// It was not, or could not be used; now it is.
    Stored {
        /// Why the file that was there could not be used.
        replaced: Option<String>,
    },
    /// The network was compiled, but could not be stored.
    NotStored {
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for CacheUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheUse::Found => f.write_str("found"),
            CacheUse::Stored { .. } => f.write_str("stored"),
            CacheUse::NotStored { reason } => write!(f, "not stored: {reason}"),
        }
    }
}

/// Why a network is interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpreted {
    /// It was requested: [`Engine::Interpreted`](crate::Engine::Interpreted).
    AskedFor,
    /// The system allows no executable memory, and [`Engine::Auto`](crate::Engine::Auto) was
    /// requested.
    NoCode(Refusal),
}

impl CompileReport {
    /// The report of a network without a plan.
    pub(crate) fn unplanned(isa: Isa, arena_bytes: usize) -> Self {
        CompileReport {
            interpreted: None,
            isa,
            arena_bytes,
            thread_bytes: 0,
            arena_lower_bound: arena_bytes,
            weight_bytes: 0,
            shared_bytes: 0,
            code_bytes: 0,
            kernels: 0,
            tuned: 0,
            phases: Vec::new(),
            remarks: Remarks::default(),
            perf_map: None,
            cache: None,
            memory: MemoryPlan::default(),
            compiled: Vec::new(),
            convolutions: Vec::new(),
            for_gradients: None,
        }
    }

    /// Wall-clock time of all phases.
    pub fn total(&self) -> Duration {
        self.phases.iter().map(|p| p.1).sum()
    }
}
