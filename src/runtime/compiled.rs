//! Runs machine code step by step, each step on all threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::codegen::code::{Bases, CodeSpace};
use crate::interned::{self, Name};
use crate::kernels::Algorithm;

use super::fpenv::{Denormals, RunMode};
use super::threads::{ThreadPool, Turn};
use super::trace::{Clocks, RunTrace};
use super::weights::Segment;

/// The work of one step of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// The node's name.
    pub name: String,
    /// The operator's name.
    #[serde(deserialize_with = "interned::name")]
    pub op: Name,
    /// The position of its operator among those that run; some operators take several steps.
    pub operator: usize,
    /// The class of operators that are treated alike: `3x3 s1 56x56`, `1x1 28x28`, `7x7 stem`,
    /// `fc`, `pool`, ...
    pub class: String,
    /// The shape of the operator's result.
    pub shape: Vec<usize>,
    /// The kernel's problem line.
    pub kernel: String,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Accumulators of the kernel's widest tile (pixels, vectors of outputs), if it has such a
    /// tile.
    pub tile: Option<[usize; 2]>,
    /// Multiply-adds according to the operator's definition (direct convolution).
    pub macs: u64,
    /// Bytes of all operands and of the result according to the operator's definition: constants as
    /// described, values without border and unused lanes. A sum in place reads and writes. What an
    /// algorithm moves in addition is not counted.
    pub bytes: u64,
    /// Number of independent chunks.
    pub chunks: u64,
}

/// The code of a network, and what it reads.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) code: CodeSpace,
    pub(crate) weights: Vec<Arc<Segment>>,
    pub(crate) thread_bytes: usize,
    pub(crate) steps: Vec<StepInfo>,
    pub(crate) pool: ThreadPool,
    pub(crate) denormals: Denormals,
}

/// The caller of any run must hold the context of `bases` exclusively, and `bases` must be those of
/// its threads.
impl Compiled {
    pub(super) fn run(&self, bases: &[Bases]) {
        let _mode = RunMode::new(self.denormals);
        let mut turn = self.pool.turn();
        for step in 0..self.steps.len() {
            self.step(step, bases, &mut turn);
        }
    }

    /// As [`Compiled::run`]; also returns how long each step took.
    pub(super) fn run_timed(&self, bases: &[Bases], times: &mut [Duration]) {
        let _mode = RunMode::new(self.denormals);
        let mut turn = self.pool.turn();
        for (step, time) in times.iter_mut().enumerate() {
            let start = Instant::now();
            self.step(step, bases, &mut turn);
            *time = start.elapsed();
        }
    }

    /// As [`Compiled::run`]; also returns when each thread worked on each step.
    pub(super) fn run_traced(&self, bases: &[Bases]) -> RunTrace {
        let _mode = RunMode::new(self.denormals);
        let mut turn = self.pool.turn();
        let mut clocks = Clocks::new(turn.threads());
        for (number, step) in self.steps.iter().enumerate() {
            clocks.step(|clocks| {
                turn.run(step.chunks, &|thread, chunk| {
                    clocks.chunk(thread, || self.chunk(number, &bases[thread], chunk));
                });
            });
        }
        clocks.finish()
    }

    fn step(&self, step: usize, bases: &[Bases], turn: &mut Turn<'_>) {
        turn.run(self.steps[step].chunks, &|thread, chunk| {
            self.chunk(step, &bases[thread], chunk);
        });
    }

    /// Only for the thread that these bases belong to.
    fn chunk(&self, step: usize, bases: &Bases, chunk: u64) {
        // SAFETY: the base addresses are the arena of a context that this run borrows exclusively,
        // the weights, and memory of that context that belongs to this thread. All are as large as
        // the plan, the packing and the sink require, and all kernels of this code were compiled
        // for exactly that plan. Chunks of a region write disjoint bytes of the arena, and the pool
        // returns only when all of them are done.
        unsafe { self.code.run_chunk(step, bases, chunk) };
    }
}
