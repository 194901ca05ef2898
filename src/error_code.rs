//! Codes of errors: a name for each thing that can go wrong, which stays the same when the message
//! becomes a better one.

use std::fmt;

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever made the file: a model, a spec, weights or an array.
    File,
    /// Whoever calls: an option, a name or a size.
    Call,
    /// Whoever runs the machine: memory, threads, permissions, files that cannot be written.
    Machine,
    /// We: it is a bug. Please report it.
    Bug,
}

macro_rules! codes {
    ($($code:ident, $name:literal, $fault:ident, $meaning:literal;)*) => {
        /// What went wrong, by a name that stays.
        ///
        /// Programs can decide by it, and people can look it up in
        /// [`docs/ERRORS.md`](https://github.com/resnetc/resnetc/blob/main/docs/ERRORS.md). The
        /// name is [`ErrorCode::name`]; messages are for people and may change.
        ///
        /// ```
        /// use resnetc::{Compiler, ErrorCode, Options};
        ///
        /// let error = Compiler::new(Options::default()).load("resnet51").unwrap_err();
        /// assert_eq!(error.code(), ErrorCode::UnknownModel);
        /// assert_eq!(error.code().name(), "unknown-model");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $meaning] $code,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$code),*];

            /// Its name: small letters and dashes.
            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$code => $name,)* }
            }

            /// Who can do something about it.
            pub fn fault(self) -> Fault {
                match self { $(ErrorCode::$code => Fault::$fault,)* }
            }

            /// What it means: a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$code => $meaning,)* }
            }
        }
    };
}

codes! {
    Io, "io", Machine, "A file cannot be read or written; the message has what the system says.";
    Format, "format", File, "The bytes are of another format, or cut short.";
    Version, "version", File, "The file is of a version that is not supported.";
    InvalidModel, "invalid-model", File, "The model contradicts itself or the standard.";
    Limit, "limit", File, "The model asks for more than is given to any: nodes, constants, memory.";
    ExternalData, "external-data", File, "Data that the model keeps in a file of its own cannot be had.";
    UnsupportedNode, "unsupported-node", File, "The model has nodes that cannot be read; the message lists all of them.";
    MissingTensor, "missing-tensor", File, "The file does not hold the tensor that was asked for.";
    ElementType, "element-type", File, "A tensor has elements of a type that cannot be read.";
    UnboundDimension, "unbound-dimension", Call, "Dimensions are open, or inputs have no shape, and no option gives them one.";
    UnknownDimension, "unknown-dimension", Call, "A size was given for a dimension that no input has.";
    UnknownOutput, "unknown-output", Call, "An output was asked for that the model does not have.";
    UnknownInput, "unknown-input", Call, "A shape was given for an input that the model does not have.";
    GivenShape, "given-shape", Call, "A shape was given for an input that is declared otherwise.";
    FixedBatch, "fixed-batch", Call, "A batch was asked for, and the model has another one that cannot be changed.";
    FixedDimension, "fixed-dimension", Call, "A size was asked for, and the model has another one.";
    UnknownModel, "unknown-model", Call, "Neither a built-in name nor a file of a known kind.";
    SpecSyntax, "spec-syntax", File, "The spec is not a valid TOML or JSON, or has a wrong key or value.";
    SpecValue, "spec-value", File, "A value of the spec is out of range, or does not go with another one.";
    SpecWeights, "spec-weights", File, "Weights do not fit the network; the message lists all that does not.";
    SpecGraph, "spec-graph", File, "A layer of the spec does not fit the one before it.";
    NoEffect, "no-effect", Call, "Options were set that change nothing here.";
    ThreadCount, "thread-count", Call, "A run cannot have so many threads.";
    UnknownPass, "unknown-pass", Call, "No pass has this name.";
    RequiredPass, "required-pass", Call, "The pass always runs, so it cannot be chosen or left out.";
    NotCompiled, "not-compiled", File, "An operator cannot be compiled in this form; the interpreter can still run it.";
    KernelBudget, "kernel-budget", File, "A kernel does not fit the machine's registers or the reach of its addresses.";
    MissingIsa, "missing-isa", Call, "The CPU lacks the instruction set that was asked for.";
    UnsupportedMachine, "unsupported-machine", Machine, "This CPU or system cannot run compiled code.";
    NoExecutableMemory, "no-executable-memory", Machine, "The system gives no executable memory; the interpreter needs none.";
    ThreadsRefused, "threads-refused", Machine, "The system refuses to start the threads of a run.";
    OutOfMemory, "out-of-memory", Machine, "The system has not enough memory.";
    NotExpressible, "not-expressible", Call, "ONNX cannot express values of the network; the message lists all of them.";
    ModelTooLarge, "model-too-large", Call, "The network is larger than an ONNX file can be.";
    FileExists, "file-exists", Call, "There is a file of this name, and it was not to be replaced.";
    NoSuchInput, "no-such-input", Call, "The model has no input of this number.";
    NoSuchOutput, "no-such-output", Call, "The model has no output of this number.";
    ForeignContext, "foreign-context", Call, "The context was made by another model.";
    InputElement, "input-element", Call, "An input of integers or truth values holds something else.";
    PortType, "port-type", Call, "An input or output has elements of another type than those that were given or asked for.";
    InputLength, "input-length", Call, "An input has another number of elements than were given.";
    StepTimes, "step-times", Call, "The list of times has not one entry for each step.";
    InputShape, "input-shape", Call, "Values were given for an input of another shape.";
    ArrayElement, "array-element", Call, "An element cannot become one of another type without a loss.";
    MeasuredTimes, "measured-times", File, "A file of measured times cannot be used or written. Networks compile without it.";
    Interpreter, "interpreter", Machine, "The interpreter has not enough memory for a value, or there is a bug in it.";
    PassBug, "pass-bug", Bug, "A pass broke the graph, or came to no end.";
    GraphBug, "graph-bug", Bug, "A graph that was made here is invalid.";
    PlanBug, "plan-bug", Bug, "The memory plan is wrong.";
    CodegenBug, "codegen-bug", Bug, "Machine code could not be made.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
