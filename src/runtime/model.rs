//! A compiled network, and the memory of one run of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resnetc_ir::eval::{EvalError, Value, eval};
use resnetc_ir::{DType, Graph};

use crate::codegen::code::Bases;
use crate::error::{Error, RunError};
use crate::kernels::sink::{ARENA, BASES, THREAD};
use crate::report::compilation::CompileReport;
use crate::report::convolutions::ChosenConvolution;
use crate::report::explain::Explanation;
use crate::report::kernels::KernelInfo;
use crate::report::plan::MemoryPlan;

use super::compiled::Compiled;
use super::memory::{PageMemory, elements};
use super::trace::RunTrace;
use super::weights::{self, Segment};

pub use super::compiled::StepInfo;
pub use super::port::Port;

/// Alignment of each thread's memory, so that no two threads share a cache line or a page.
const PAGE: usize = 4096;

/// Everything that runs need and do not change.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) arena_bytes: usize,
    pub(crate) body: Body,
}

/// What computes the outputs.
#[derive(Debug)]
pub(crate) enum Body {
    Compiled(Box<Compiled>),
    /// The interpreter, on the network as described.
    Interpreted(Box<Graph>),
}

impl Program {
    fn compiled(&self) -> Option<&Compiled> {
        match &self.body {
            Body::Compiled(compiled) => Some(compiled.as_ref()),
            Body::Interpreted(_) => None,
        }
    }
}

/// A network compiled for one input shape and one CPU, or interpreted ([`Engine`](crate::Engine)).
///
/// Cheap to clone and to share between threads; each thread runs it on its own [`Context`]. The
/// code and the packed weights are freed with the last clone and the last context.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) program: Arc<Program>,
    pub(crate) report: Arc<CompileReport>,
    /// What it was loaded from; `None` if that is not known any more.
    pub(crate) origin: Option<Arc<dyn Origin>>,
}

/// What a model was loaded from, so that it can be compiled for other sizes.
pub(crate) trait Origin: fmt::Debug + Send + Sync {
    /// The same network, for as many images or for inputs of these shapes, with the packed weights
    /// of `model` where they are the same.
    ///
    /// # Errors
    /// If it has changed, or cannot have these sizes.
    fn resized(&self, size: Resize<'_>, model: &Model) -> Result<Model, Error>;

    /// The seed of its weights, if they are random.
    fn random_weights(&self) -> Option<u64>;
}

/// Sizes that a network is compiled for again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resize<'a> {
    /// Images in a run.
    Batch(usize),
    /// Whole shapes of inputs, by name; the others stay as they are.
    Shapes(&'a [(&'a str, &'a [usize])]),
}

/// The memory of one run: inputs, outputs and everything between them.
#[derive(Debug)]
pub struct Context {
    pub(super) program: Arc<Program>,
    pub(super) arena: PageMemory,
    /// The private memory of the run's threads, one part for each.
    _threads: PageMemory,
    /// For each thread, the addresses of the arena, the weights and the thread's private memory;
    /// none of them moves.
    bases: Vec<Bases>,
}

impl Model {
    /// Memory for running this model; each thread that runs it at the same time needs one.
    ///
    /// # Errors
    /// If there is not enough memory for the arena.
    pub fn context(&self) -> Result<Context, RunError> {
        let program = &self.program;
        let memory = |what: &str, bytes: usize| {
            PageMemory::zeroed(bytes).map_err(|e| RunError::Memory {
                what: what.to_owned(),
                bytes,
                reason: Some(e.to_string()),
            })
        };
        let thread_bytes = program.compiled().map_or(0, |compiled| compiled.thread_bytes);
        let stretch = thread_bytes.next_multiple_of(PAGE);
        let mut arena = memory("the arena", program.arena_bytes)?;
        let mut threads = memory("the threads' private memory", stretch * self.threads())?;
        let mut base = |compiled: &Compiled, thread: usize| {
            let mut bases = Bases::new(BASES + compiled.weights.len().saturating_sub(1));
            bases.set(ARENA.0 as usize, arena.as_mut_ptr());
            for (i, segment) in compiled.weights.iter().enumerate() {
                bases.set(weights::base(i).0 as usize, segment.as_ptr().cast_mut());
            }
            bases.set(THREAD.0 as usize, threads.as_mut_ptr().wrapping_add(thread * stretch));
            bases
        };
        let bases = match &program.body {
            Body::Compiled(compiled) => (0..self.threads()).map(|i| base(compiled, i)).collect(),
            Body::Interpreted(_) => Vec::new(),
        };
        Ok(Context { program: Arc::clone(program), arena, _threads: threads, bases })
    }

    /// The seed of its weights, if they are random: for a spec or a built-in network without a
    /// weight file.
    pub fn random_weights(&self) -> Option<u64> {
        self.origin.as_ref()?.random_weights()
    }

    /// The same network for another number of images in a run. It is loaded again, from where this
    /// model was loaded, and compiled with the same options; packed weights that are the same are
    /// in memory once.
    ///
    /// # Errors
    /// If this model was compiled from memory ([`Options::share`](crate::Options::share) is for
    /// those), the file has changed, or the network cannot have this batch.
    pub fn with_batch(&self, images: usize) -> Result<Model, Error> {
        self.resized(Resize::Batch(images))
    }

    /// The same network for an input of another shape, batch included: for networks with one input.
    ///
    /// # Errors
    /// As [`Model::with_batch`], and if there are several inputs.
    pub fn with_input(&self, shape: &[usize]) -> Result<Model, Error> {
        match self.inputs() {
            [input] => self.with_shapes(&[(&input.name, shape)]),
            inputs => Err(Error::ManyInputs { inputs: inputs.len() }),
        }
    }

    /// The same network for inputs of other shapes, by name. Inputs that are not named keep theirs.
    ///
    /// # Errors
    /// As [`Model::with_batch`].
    pub fn with_shapes(&self, shapes: &[(&str, &[usize])]) -> Result<Model, Error> {
        self.resized(Resize::Shapes(shapes))
    }

    /// The model with what it was loaded from.
    pub(crate) fn with_origin(self, origin: Arc<dyn Origin>) -> Model {
        Model { origin: Some(origin), ..self }
    }

    fn resized(&self, size: Resize<'_>) -> Result<Model, Error> {
        match &self.origin {
            Some(origin) => origin.resized(size, self),
            None => Err(Error::NoOrigin),
        }
    }

    /// Its packed weights; none if it is interpreted.
    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        self.program.compiled().map_or(&[], |compiled| &compiled.weights)
    }

    /// The network's inputs.
    pub fn inputs(&self) -> &[Port] {
        &self.program.inputs
    }

    /// The network's outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.program.outputs
    }

    /// The steps of a run, in order; none if it is interpreted.
    pub fn steps(&self) -> &[StepInfo] {
        self.program.compiled().map_or(&[], |compiled| &compiled.steps)
    }

    /// Threads that one run uses.
    pub fn threads(&self) -> usize {
        self.program.compiled().map_or(1, |compiled| compiled.pool.threads())
    }

    /// How compiling went: phases, sizes, what was fused.
    pub fn report(&self) -> &CompileReport {
        &self.report
    }

    /// Where every value is stored in the arena, and its live interval.
    pub fn plan(&self) -> &MemoryPlan {
        &self.report.memory
    }

    /// What the passes did, and their near misses.
    pub fn explain(&self) -> Explanation {
        Explanation::of(&self.report.remarks)
    }

    /// How each convolution is computed, and which alternatives were considered; empty if the
    /// interpreter runs the network.
    pub fn convolutions(&self) -> &[ChosenConvolution] {
        &self.report.convolutions
    }

    /// The distinct kernels, in the order in which a run first needs them.
    pub fn kernels(&self) -> &[KernelInfo] {
        &self.report.compiled
    }

    /// Computes the outputs in `context` from its inputs. Prints nothing, and allocates nothing
    /// unless the model is interpreted. While another thread is running this model, a run uses only
    /// its own thread; results are bit for bit the same.
    ///
    /// # Errors
    /// If the context belongs to another model, or an input of integers holds any other value
    /// ([`Port::dtype`]).
    pub fn run(&self, context: &mut Context) -> Result<(), RunError> {
        self.check(context)?;
        match &self.program.body {
            Body::Compiled(compiled) => {
                compiled.run(&context.bases);
                Ok(())
            }
            Body::Interpreted(graph) => self.interpret(graph, context),
        }
    }

    /// As [`Model::run`]; also stores in `times` how long each step took, in the order of
    /// [`Model::steps`].
    ///
    /// # Errors
    /// As [`Model::run`], and if the length of `times` is not the number of steps.
    pub fn run_timed(&self, context: &mut Context, times: &mut [Duration]) -> Result<(), RunError> {
        self.check(context)?;
        if times.len() != self.steps().len() {
            return Err(RunError::Times { given: times.len(), steps: self.steps().len() });
        }
        match &self.program.body {
            Body::Compiled(compiled) => {
                compiled.run_timed(&context.bases, times);
                Ok(())
            }
            Body::Interpreted(graph) => self.interpret(graph, context),
        }
    }

    /// As [`Model::run`]; also returns when each thread worked on each step. Reads the clock around
    /// every chunk.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_traced(&self, context: &mut Context) -> Result<RunTrace, RunError> {
        self.check(context)?;
        match &self.program.body {
            Body::Compiled(compiled) => Ok(compiled.run_traced(&context.bases)),
            Body::Interpreted(graph) => {
                self.interpret(graph, context).map(|()| RunTrace::default())
            }
        }
    }

    fn interpret(&self, graph: &Graph, context: &mut Context) -> Result<(), RunError> {
        let bytes = context.arena.bytes_mut();
        let value = |port: &Port| port.value(&bytes[port.range()]);
        let inputs: Result<Vec<Value>, _> = self.inputs().iter().map(value).collect();
        let outputs = eval(graph, &inputs.map_err(EvalError::from)?)?;
        for (port, output) in self.outputs().iter().zip(outputs) {
            port.write(&output, &mut bytes[port.range()]);
        }
        Ok(())
    }

    fn check(&self, context: &Context) -> Result<(), RunError> {
        if !Arc::ptr_eq(&self.program, &context.program) {
            return Err(RunError::ForeignContext);
        }
        let floats = self.program.inputs.iter().filter(|port| port.element() == DType::F32);
        let bytes = context.arena.bytes();
        let foreign = |port: &Port| port.foreign(elements(&bytes[port.range()]));
        floats.map(foreign).find_map(|found| found).map_or(Ok(()), Err)
    }
}
