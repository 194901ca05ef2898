//! Everything that can go wrong, by whose fault it is.

use std::path::PathBuf;

use resnetc_ir::{DType, GraphError};

use crate::advice::{Advice, NoEffect, OptionName};
use crate::codegen::error::CodegenError;
use crate::error_code::ErrorCode;
use crate::export::ExportError;
use crate::host::executable::Refusal;
use crate::import::ImportError;
use crate::isa::IsaError;
use crate::kernels::KernelError;
use crate::one_line::one_line;
use crate::passes::PassError;
use crate::plan::verify::PlanError;
use crate::spec::SpecError;

/// An error of the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model file or its weights cannot be taken.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The description of the network cannot be taken.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Neither a built-in name nor a file of a known kind.
    #[error("{}: {reason}", .model.display())]
    UnknownModel {
        /// What was asked for.
        model: PathBuf,
        /// Why it is not known, and what is.
        reason: String,
    },
    /// Options were set that change nothing.
    #[error("{}", .options.iter().map(NoEffect::to_string).collect::<Vec<_>>().join("; "))]
    NoEffect {
        /// All of them.
        options: Vec<NoEffect>,
    },
    /// The CPU lacks the instruction set that was asked for, or the system refuses it.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The system gives no executable memory; [`Engine`](crate::Engine) says what else can be done.
    #[error("{0}")]
    NoCode(Refusal),
    /// A run cannot have so many threads.
    #[error("{} is {threads}; it can be 1 to {most}", OptionName::Threads)]
    ThreadCount {
        /// How many were asked for.
        threads: usize,
        /// How many there can be: [`most_threads`](crate::runtime::pool::most_threads).
        most: usize,
    },
    /// The system refuses to start the threads of a run.
    #[error("the system does not start {threads} threads: {reason}")]
    Thread {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// A pass was named that cannot be left out, or there is a bug in one.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// An operator cannot be compiled.
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
    /// The system has not enough memory.
    #[error("no memory for {bytes} bytes of {what}: {reason}")]
    Memory {
        /// What it was for.
        what: &'static str,
        /// How much.
        bytes: usize,
        /// What the system says.
        reason: String,
    },
    /// A run was asked for something that it cannot do.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Error {
    /// What went wrong, by a name that stays the same.
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Import(e) => e.code(),
            Error::Spec(e) => e.code(),
            Error::UnknownModel { .. } => ErrorCode::UnknownModel,
            Error::NoEffect { .. } => ErrorCode::NoEffect,
            Error::Isa(e) => e.code(),
            Error::NoCode(_) => ErrorCode::NoExecutableMemory,
            Error::ThreadCount { .. } => ErrorCode::ThreadCount,
            Error::Thread { .. } => ErrorCode::ThreadsRefused,
            Error::Pass(e) => e.code(),
            Error::Kernel(e) => e.code(),
            Error::Codegen(e) => e.code(),
            Error::Plan(_) => ErrorCode::PlanBug,
            Error::Tune(_) => ErrorCode::GraphBug,
            Error::Export(e) => e.code(),
            Error::Memory { .. } => ErrorCode::OutOfMemory,
            Error::Run(e) => e.code(),
        }
    }

    /// That the system refuses to start threads.
    pub(crate) fn thread(threads: usize, reason: &std::io::Error) -> Self {
        Error::Thread { threads, reason: reason.to_string() }
    }

    /// What is wrong, without what to do about it.
    pub fn what(&self) -> String {
        match self {
            Error::Import(e) => e.what(),
            Error::Isa(e) => e.what(),
            other => other.to_string(),
        }
    }

    /// What to do about it, where that is known. The message ends with it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Error::Import(e) => e.kind.advice(),
            Error::Isa(_) => Some(IsaError::ADVICE),
            _ => None,
        }
    }
}

/// An error of running a compiled model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no input of this number.
    #[error("there is no input {index}: the model has {inputs}")]
    NoSuchInput {
        /// The number asked for.
        index: usize,
        /// How many there are.
        inputs: usize,
    },
    /// There is no output of this number.
    #[error("there is no output {index}: the model has {outputs}")]
    NoSuchOutput {
        /// The number asked for.
        index: usize,
        /// How many there are.
        outputs: usize,
    },
    /// The interpreter has not enough memory for a value, or there is a bug in it.
    #[error("the interpreter cannot run the network: {0}")]
    Interpreter(String),
    /// The context was made by another model.
    #[error("the context belongs to another model; make one with this model's context()")]
    ForeignContext,
    /// An input of integers or booleans holds something else.
    #[error("input \"{}\" is {dtype}, but its element {index} is {}{}", one_line(.input, 200), number(*.value), takes(.dtype))]
    Element {
        /// The input's name.
        input: String,
        /// Which of its elements, in row-major order: the first that is wrong.
        index: usize,
        /// What it is.
        value: f64,
        /// What the model says that it must be.
        dtype: DType,
    },
    /// Elements of another type were given or asked for than an input or output has.
    #[error("{} is of {}, and {} was asked for", one_line(.port, 220), .expected.short(), .given.short())]
    ElementType {
        /// Which input or output: `input "x"`.
        port: String,
        /// The type that it has.
        expected: DType,
        /// The type that was given or asked for.
        given: DType,
    },
    /// An input was given another number of elements than it has.
    #[error("{} has {expected} elements, and {given} were given", one_line(.port, 220))]
    Length {
        /// Which input: `input "x"`.
        port: String,
        /// How many it has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// The list of times has not one entry a step.
    #[error("{given} times for {steps} steps")]
    Times {
        /// Entries given.
        given: usize,
        /// Steps of the model.
        steps: usize,
    },
    /// The system has not enough memory for the arena.
    #[error("no memory for an arena of {bytes} bytes: {reason}")]
    Memory {
        /// Its size.
        bytes: usize,
        /// What the system says.
        reason: String,
    },
}

impl RunError {
    /// What went wrong, by a name that stays the same.
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

/// A number as short as f32 that it may be.
fn number(x: f64) -> String {
    let float = x as f32;
    if f64::from(float) == x || x.is_nan() { float.to_string() } else { x.to_string() }
}

/// What an input of integers takes.
fn takes(dtype: &DType) -> String {
    match dtype.integers() {
        Some((lo, hi)) => format!("; it takes whole numbers from {lo} to {hi}"),
        None => String::new(),
    }
}
