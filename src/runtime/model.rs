//! A compiled network, and the memory of one run of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resnetc_ir::DType;

use crate::codegen::code::{Bases, CodeSpace};
use crate::error::RunError;
use crate::kernels::Algorithm;
use crate::kernels::geometry::Place;
use crate::kernels::sink::{ARENA, BASES, THREAD, WEIGHTS};

use super::fpenv::FlushDenormals;
use super::memory::Memory;
use super::pool::{Pool, Session};
use super::trace::{Clocks, RunTrace};

/// Threads' own memory starts on pages of their own, so that none shares a cache line or a page with another's.
const PAGE: usize = 4096;

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the model's description.
    pub name: String,
    /// Its shape; elements are f32 in row-major order.
    pub shape: Vec<usize>,
    /// What the model's description says that its elements are. A [`Context`] holds the f32 of the same value, whatever
    /// this is. An input of integers or booleans takes nothing else ([`DType::holds`]), which every run checks; outputs
    /// of integers are integers. All arithmetic is f32: what goes into an input of float16 need not be a float16, and
    /// what comes out of an output of float16 is not rounded to one.
    pub dtype: DType,
    pub(crate) place: Place,
}

impl Port {
    fn range(&self) -> std::ops::Range<usize> {
        let start = self.place.offset as usize / 4;
        start..start + self.shape.iter().product::<usize>()
    }

    /// The first element that is none of the port's type.
    fn foreign(&self, elements: &[f32]) -> Option<RunError> {
        let (lo, hi) = self.dtype.integers()?;
        let (lo, hi) = (lo as f32, hi as f32);
        // The common case is one loop without branches.
        let fits = |&x: &f32| (x >= lo) & (x <= hi) & (x.trunc() == x);
        if elements.iter().fold(true, |all, x| all & fits(x)) {
            return None;
        }
        let (index, &value) = elements.iter().enumerate().find(|(_, x)| !fits(x))?;
        let (input, dtype) = (self.name.clone(), self.dtype);
        Some(RunError::Element { input, index, value, dtype })
    }
}

/// The work of one step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// The node's name.
    pub name: String,
    /// The operator's name.
    pub op: &'static str,
    /// Which operator it is of those that run, in order; some take several steps.
    pub operator: usize,
    /// Operators that are treated alike: `3x3 s1 56x56`, `1x1 28x28`, `7x7 stem`, `fc`, `pool`, ...
    pub class: String,
    /// The shape of the operator's result.
    pub shape: Vec<usize>,
    /// The kernel's problem line.
    pub kernel: String,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Accumulators of the kernel's widest tile, pixels and vectors of outputs, if it has such a tile.
    pub tile: Option<[usize; 2]>,
    /// Multiply-adds by the definition of the operator (direct convolution).
    pub macs: u64,
    /// Bytes of all operands and of the result by the definition of the operator: constants as they were described,
    /// values without border and unused lanes. A sum in place reads and writes. What an algorithm moves beside that is
    /// not counted.
    pub bytes: u64,
    /// Chunks that run independently.
    pub chunks: u64,
}

/// Everything that a run needs and does not change.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) code: CodeSpace,
    pub(crate) weights: Memory,
    pub(crate) arena_bytes: usize,
    pub(crate) thread_bytes: usize,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) steps: Vec<StepInfo>,
    pub(crate) pool: Pool,
}

/// A network compiled for one input shape and one CPU.
///
/// Cheap to clone, and shared freely between threads; each thread runs it on a [`Context`] of its own. The code and
/// the packed weights are freed with the last clone and the last context.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) program: Arc<Program>,
    pub(crate) report: Arc<crate::compile::CompileReport>,
}

/// The memory of one run: inputs, outputs and everything between them.
#[derive(Debug)]
pub struct Context {
    program: Arc<Program>,
    arena: Memory,
    /// What the threads of a run have for themselves, one stretch each.
    _threads: Memory,
    /// Where the arena, the weights and a thread's own memory start, for each thread; nothing of it moves.
    bases: Vec<Bases>,
}

impl Model {
    /// Memory for running this model; one per thread that runs it at the same time.
    ///
    /// # Errors
    /// If the system has no memory for the arena.
    pub fn context(&self) -> Result<Context, RunError> {
        let program = &self.program;
        let memory = |bytes: usize| {
            Memory::zeroed(bytes).map_err(|e| RunError::Memory { bytes, reason: e.to_string() })
        };
        let stretch = program.thread_bytes.next_multiple_of(PAGE);
        let mut arena = memory(program.arena_bytes)?;
        let mut threads = memory(stretch * self.threads())?;
        let bases = (0..self.threads()).map(|thread| {
            let mut bases = Bases::new(BASES);
            bases.set(ARENA.0 as usize, arena.as_mut_ptr());
            bases.set(WEIGHTS.0 as usize, program.weights.as_ptr().cast_mut());
            bases.set(THREAD.0 as usize, threads.as_mut_ptr().wrapping_add(thread * stretch));
            bases
        });
        let bases = bases.collect();
        Ok(Context { program: Arc::clone(program), arena, _threads: threads, bases })
    }

    /// What the network takes.
    pub fn inputs(&self) -> &[Port] {
        &self.program.inputs
    }

    /// What the network gives.
    pub fn outputs(&self) -> &[Port] {
        &self.program.outputs
    }

    /// The steps of a run, in order.
    pub fn steps(&self) -> &[StepInfo] {
        &self.program.steps
    }

    /// Threads that one run uses.
    pub fn threads(&self) -> usize {
        self.program.pool.threads()
    }

    /// How compiling went: phases, sizes, what was fused.
    pub fn report(&self) -> &crate::compile::CompileReport {
        &self.report
    }

    /// Computes the outputs in `context` from its inputs. Allocates nothing and prints nothing. Where another thread
    /// is running this model at the same time, this run uses its own thread only; results are the same bit for bit.
    ///
    /// # Errors
    /// If the context belongs to another model, or an input of integers holds anything else ([`Port::dtype`]).
    pub fn run(&self, context: &mut Context) -> Result<(), RunError> {
        self.check(context)?;
        let _flush = FlushDenormals::new();
        let mut session = self.program.pool.session();
        for step in 0..self.program.steps.len() {
            self.step(step, &context.bases, &mut session);
        }
        Ok(())
    }

    /// As [`Model::run`], and how long each step took, in the order of [`Model::steps`].
    ///
    /// # Errors
    /// As [`Model::run`], and if `times` is not as long as the steps are many.
    pub fn run_timed(&self, context: &mut Context, times: &mut [Duration]) -> Result<(), RunError> {
        self.check(context)?;
        if times.len() != self.program.steps.len() {
            return Err(RunError::Times { given: times.len(), steps: self.program.steps.len() });
        }
        let _flush = FlushDenormals::new();
        let mut session = self.program.pool.session();
        for (step, time) in times.iter_mut().enumerate() {
            let start = Instant::now();
            self.step(step, &context.bases, &mut session);
            *time = start.elapsed();
        }
        Ok(())
    }

    /// As [`Model::run`], and when which thread worked on which step. Reads the clock around every chunk.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_traced(&self, context: &mut Context) -> Result<RunTrace, RunError> {
        self.check(context)?;
        let _flush = FlushDenormals::new();
        let mut session = self.program.pool.session();
        let mut clocks = Clocks::new(session.threads());
        for step in 0..self.program.steps.len() {
            clocks.step(|clocks| {
                let bases = &context.bases;
                session.run(self.program.steps[step].chunks, &|thread, chunk| {
                    clocks.chunk(thread, || self.chunk(step, &bases[thread], chunk));
                });
            });
        }
        Ok(clocks.finish())
    }

    fn check(&self, context: &Context) -> Result<(), RunError> {
        if !Arc::ptr_eq(&self.program, &context.program) {
            return Err(RunError::ForeignContext);
        }
        let floats = context.arena.floats();
        let foreign = |port: &Port| port.foreign(&floats[port.range()]);
        self.program.inputs.iter().find_map(foreign).map_or(Ok(()), Err)
    }

    fn step(&self, step: usize, bases: &[Bases], session: &mut Session<'_>) {
        session.run(self.program.steps[step].chunks, &|thread, chunk| {
            self.chunk(step, &bases[thread], chunk);
        });
    }

    /// Only for runs that borrow the context of `bases` alone, and on a thread whose bases these are.
    fn chunk(&self, step: usize, bases: &Bases, chunk: u64) {
        // SAFETY: the base addresses are the arena of a context that this run borrows alone, the weights, and memory of
        // that context that belongs to this thread; all are as large as the plan, the packing and the sink say, and all
        // kernels of this code were made for exactly that plan. Chunks of a region write disjoint bytes of the arena,
        // and the pool returns only when all of them are done.
        unsafe { self.program.code.run_chunk(step, bases, chunk) };
    }
}

impl Context {
    /// An input, to be written before a run: row-major, as [`Model::inputs`] says. It keeps its contents.
    ///
    /// # Errors
    /// If there is no such input.
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [f32], RunError> {
        let inputs = &self.program.inputs;
        let port =
            inputs.get(index).ok_or(RunError::NoSuchInput { index, inputs: inputs.len() })?;
        Ok(&mut self.arena.floats_mut()[port.range()])
    }

    /// An output of the last run: row-major, as [`Model::outputs`] says. Before the first run it is zeros.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn output(&self, index: usize) -> Result<&[f32], RunError> {
        let outputs = &self.program.outputs;
        let port =
            outputs.get(index).ok_or(RunError::NoSuchOutput { index, outputs: outputs.len() })?;
        Ok(&self.arena.floats()[port.range()])
    }

    /// Fills everything but the inputs with NaN, so that a test sees whether a run reads what it did not write.
    pub fn poison(&mut self) {
        let mut kept: Vec<_> = self.program.inputs.iter().map(Port::range).collect();
        kept.sort_by_key(|r| r.start);
        let floats = self.arena.floats_mut();
        let mut at = 0;
        for range in kept {
            floats[at..range.start].fill(f32::NAN);
            at = range.end;
        }
        floats[at..].fill(f32::NAN);
    }
}
