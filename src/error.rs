//! Everything that can go wrong, grouped by whose fault it is.

use std::path::PathBuf;

use resnetc_ir::eval::EvalError;
use resnetc_ir::memory::NoMemory;
use resnetc_ir::{DType, GraphError};

use crate::advice::{Advice, NoEffect, OptionName};
use crate::codegen::error::CodegenError;
use crate::error_code::ErrorCode;
use crate::export::ExportError;
use crate::host::executable::Refusal;
use crate::import::ImportError;
use crate::isa::IsaError;
use crate::kernels::{KernelError, NotCompiled};
use crate::one_line::{name_line, one_line, path_line};
use crate::passes::PassError;
use crate::plan::verify::PlanError;
use crate::spec::SpecError;

/// An error of the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model file or its weights cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The description of the network is not valid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The model is neither a built-in name nor a file of a known format.
    #[error("{}: {reason}", path_line(.model))]
    UnknownModel {
        /// The name or path that was given.
        model: PathBuf,
        /// Why it is unknown, and which names and files are known.
        reason: String,
    },
    /// Options were set that have no effect.
    #[error("{}", .options.iter().map(NoEffect::to_string).collect::<Vec<_>>().join("; "))]
    NoEffect {
        /// All of these options.
        options: Vec<NoEffect>,
    },
    /// The CPU lacks the requested instruction set, or the system refuses it.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The system does not allow executable memory; [`Engine`](crate::Engine) lists the
    /// alternatives.
    #[error("{0}")]
    NoCode(Refusal),
    /// These numerics promise the bits of fused multiply-adds, which the CPU does not have.
    #[error("{}; {FUSED}", without_fused(.numerics))]
    NotFused {
        /// The name of the numerics.
        numerics: &'static str,
    },
    /// The number of threads is out of range.
    #[error("{} is {threads}; it must be 1 to {most}", OptionName::Threads)]
    ThreadCount {
        /// How many were requested.
        threads: usize,
        /// The largest number allowed: [`most_threads`](crate::runtime::pool::most_threads).
        most: usize,
    },
    /// The system refused to start the threads of a run.
    #[error("the system refused to start {threads} threads: {reason}")]
    Thread {
        /// How many were requested.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// A pass was named that does not exist or cannot be left out, or a pass has a bug.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Operators cannot be compiled.
    #[error(transparent)]
    NotCompiled(#[from] NotCompiled),
    /// A kernel cannot be made for this machine.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The system refuses executable memory, or there is a bug in code generation.
    #[error(transparent)]
    Codegen(#[from] CodegenError),
    /// The memory plan is wrong; a bug.
    #[error("bug in the memory plan: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Plan(Vec<PlanError>),
    /// A layer cannot be set up to be timed; a bug.
    #[error("bug in timing a layer")]
    Tune(#[from] GraphError),
    /// The network cannot be written as a file for other programs.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A model that was compiled from memory cannot be compiled again for other sizes.
    #[error(
        "the model was compiled from memory, so it cannot be loaded again; compile it from there \
         for the other size with {}, which keeps equal weights in memory once",
        OptionName::Share
    )]
    NoOrigin,
    /// The file of a model is not the one that the model was compiled from.
    #[error("{} has changed since the model was compiled; compile it again", path_line(.file))]
    ChangedOrigin {
        /// The file.
        file: PathBuf,
    },
    /// A shape was given for the input of a model that has several.
    #[error("the model has {inputs} inputs; give their shapes by name, with with_shapes()")]
    ManyInputs {
        /// How many.
        inputs: usize,
    },
    /// The system does not have enough memory.
    #[error("not enough memory for {bytes} bytes of {what}{}", because(.reason))]
    Memory {
        /// What the memory was for.
        what: &'static str,
        /// How many bytes.
        bytes: usize,
        /// What the system says, if it gives a reason.
        reason: Option<String>,
    },
    /// The values of a network need more memory than the options allow, whatever is computed again.
    #[error("the values of a run need at least {least} bytes of memory; {limit} are allowed")]
    MemoryLimit {
        /// The most bytes allowed.
        limit: usize,
        /// The least bytes that are sufficient.
        least: usize,
    },
    /// A run cannot do what was requested of it.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What to do without fused multiply-adds.
const FUSED: Advice = Advice::new("give {} another value", &[OptionName::Numerics]);

/// What to do where values need more memory than allowed.
const MEMORY: Advice = Advice::new(
    "allow more with {}, or have fewer images in a run with {}",
    &[OptionName::Memory, OptionName::Batch],
);

fn without_fused(numerics: &str) -> String {
    format!(
        "{numerics} numerics have the bits of fused multiply-adds, which the target CPU does not have"
    )
}

impl Error {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Import(e) => e.code(),
            Error::Spec(e) => e.code(),
            Error::UnknownModel { .. } => ErrorCode::UnknownModel,
            Error::NoEffect { .. } => ErrorCode::NoEffect,
            Error::Isa(e) => e.code(),
            Error::NoCode(_) => ErrorCode::NoExecutableMemory,
            Error::NotFused { .. } => ErrorCode::NotFused,
            Error::ThreadCount { .. } => ErrorCode::ThreadCount,
            Error::Thread { .. } => ErrorCode::ThreadsRefused,
            Error::Pass(e) => e.code(),
            Error::NotCompiled(_) => ErrorCode::NotCompiled,
            Error::Kernel(e) => e.code(),
            Error::Codegen(e) => e.code(),
            Error::Plan(_) => ErrorCode::PlanBug,
            Error::Tune(_) => ErrorCode::GraphBug,
            Error::Export(e) => e.code(),
            Error::NoOrigin => ErrorCode::NoOrigin,
            Error::ChangedOrigin { .. } => ErrorCode::ChangedOrigin,
            Error::ManyInputs { .. } => ErrorCode::ManyInputs,
            Error::Memory { .. } => ErrorCode::OutOfMemory,
            Error::MemoryLimit { .. } => ErrorCode::MemoryLimit,
            Error::Run(e) => e.code(),
        }
    }

    /// The error of a system that refuses to start threads.
    pub(crate) fn thread(threads: usize, reason: &std::io::Error) -> Self {
        Error::Thread { threads, reason: reason.to_string() }
    }

    /// The error of a system without enough memory.
    pub(crate) fn memory(what: &'static str) -> impl Fn(NoMemory) -> Self {
        move |NoMemory { bytes }| Error::Memory { what, bytes, reason: None }
    }

    /// What is wrong, without what to do about it.
    pub fn what(&self) -> String {
        match self {
            Error::Import(e) => e.what(),
            Error::Spec(e) => e.what(),
            Error::Isa(e) => e.what(),
            Error::NotFused { numerics } => without_fused(numerics),
            other => other.to_string(),
        }
    }

    /// What to do about it, if known. The message ends with it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Error::Import(e) => e.kind.advice(),
            Error::Spec(e) => e.advice(),
            Error::Isa(_) => Some(IsaError::ADVICE),
            Error::NotFused { .. } => Some(FUSED),
            Error::MemoryLimit { .. } => Some(MEMORY),
            _ => None,
        }
    }
}

/// An error from running a compiled model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no input with this index.
    #[error("there is no input {index}: the model has {inputs}")]
    NoSuchInput {
        /// The index requested.
        index: usize,
        /// How many inputs there are.
        inputs: usize,
    },
    /// There is no output with this index.
    #[error("there is no output {index}: the model has {outputs}")]
    NoSuchOutput {
        /// The index requested.
        index: usize,
        /// How many outputs there are.
        outputs: usize,
    },
    /// The interpreter has a bug.
    #[error("the interpreter cannot run the network: {}", one_line(.0, 1000))]
    Interpreter(String),
    /// The context was made by another model.
    #[error("the context belongs to another model; make one with this model's context()")]
    ForeignContext,
    /// An element of an integer or boolean input is not a value of the input's type.
    #[error("input \"{}\" is {dtype}, but its element {index} is {}{}", name_line(.input), number(*.value), takes(.dtype))]
    Element {
        /// The input's name.
        input: String,
        /// The index of the first wrong element, in row-major order.
        index: usize,
        /// The element's value.
        value: f64,
        /// The element type that the model declares.
        dtype: DType,
    },
    /// The element type given or requested differs from that of an input or output.
    #[error("{} is {}, but {} was requested", one_line(.port, 220), .expected.short(), .given.short())]
    ElementType {
        /// Which input or output: `input "x"`.
        port: String,
        /// The type of its elements.
        expected: DType,
        /// The type that was given or requested.
        given: DType,
    },
    /// The number of elements given differs from that of an input.
    #[error("{} has {expected} elements, but {given} were given", one_line(.port, 220))]
    Length {
        /// Which input: `input "x"`.
        port: String,
        /// How many elements it has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// The list of times does not have one entry per step.
    #[error("{given} times were given for {steps} steps")]
    Times {
        /// Entries given.
        given: usize,
        /// Steps of the model.
        steps: usize,
    },
    /// The system does not have enough memory for the arena.
    #[error("not enough memory for {bytes} bytes of {}{}", one_line(.what, 220), because(.reason))]
    Memory {
        /// What the memory was for: the arena, or a value of an interpreted network.
        what: String,
        /// How many bytes.
        bytes: usize,
        /// What the system says, if it gives a reason.
        reason: Option<String>,
    },
}

impl RunError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            RunError::NoSuchInput { .. } => ErrorCode::NoSuchInput,
            RunError::NoSuchOutput { .. } => ErrorCode::NoSuchOutput,
            RunError::Interpreter(_) => ErrorCode::Interpreter,
            RunError::ForeignContext => ErrorCode::ForeignContext,
            RunError::Element { .. } => ErrorCode::InputElement,
            RunError::ElementType { .. } => ErrorCode::PortType,
            RunError::Length { .. } => ErrorCode::InputLength,
            RunError::Times { .. } => ErrorCode::StepTimes,
            RunError::Memory { .. } => ErrorCode::OutOfMemory,
        }
    }
}

impl From<EvalError> for RunError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Invalid(reason) => RunError::Interpreter(reason),
            EvalError::Memory { what, bytes } => RunError::Memory { what, bytes, reason: None },
        }
    }
}

/// A system's reason, as the end of a sentence.
fn because(reason: &Option<String>) -> String {
    reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"))
}

/// A number in the shorter form of an f32 if it is one.
fn number(x: f64) -> String {
    let float = x as f32;
    if f64::from(float) == x || x.is_nan() { float.to_string() } else { x.to_string() }
}

/// Which values an input of integers accepts.
fn takes(dtype: &DType) -> String {
    match dtype.integers() {
        Some((lo, hi)) => format!("; it accepts whole numbers from {lo} to {hi}"),
        None => String::new(),
    }
}
