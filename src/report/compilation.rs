//! How a compilation went.

use std::time::Duration;

use crate::host::executable::Refusal;
use crate::isa::Isa;
use crate::passes::Remarks;

use super::convolutions::ChosenConvolution;
use super::kernels::KernelInfo;
use super::plan::MemoryPlan;

/// How a compilation went.
#[derive(Clone, Debug)]
pub struct CompileReport {
    /// Why the network is interpreted, if it is: then nothing was compiled, and the fields below
    /// are empty.
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
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Distinct kernels.
    pub kernels: usize,
    /// Operators whose algorithm was chosen by measured times.
    pub tuned: usize,
    /// Wall-clock time of each phase, in order.
    pub phases: Vec<(&'static str, Duration)>,
    /// The rewrites that the passes applied, and nearly applied.
    pub remarks: Remarks,
    /// Why the functions' names could not be written for `perf`, if that was requested and failed.
    pub perf_map: Option<String>,
    /// Where every value is stored.
    pub memory: MemoryPlan,
    /// The compiled kernels.
    pub compiled: Vec<KernelInfo>,
    /// How each convolution is computed, and which algorithms were considered.
    pub convolutions: Vec<ChosenConvolution>,
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
            code_bytes: 0,
            kernels: 0,
            tuned: 0,
            phases: Vec::new(),
            remarks: Remarks::default(),
            perf_map: None,
            memory: MemoryPlan::default(),
            compiled: Vec::new(),
            convolutions: Vec::new(),
        }
    }

    /// Wall-clock time of all phases.
    pub fn total(&self) -> Duration {
        self.phases.iter().map(|p| p.1).sum()
    }
}
