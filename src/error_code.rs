//! Error codes: a stable name for each thing that can go wrong. Codes stay the same when messages
//! are improved.

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
    /// The authors of resnetc: it is a bug. Please report it.
    Bug,
}

macro_rules! codes {
    ($($code:ident, $name:literal, $fault:ident, $meaning:literal;)*) => {
        /// What went wrong, as a stable name.
        ///
        /// Programs can match on it, and people can look it up in
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
            /// All codes.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$code),*];

            /// Its name: lower-case letters and dashes.
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
    Io, "io", Machine, "A file cannot be read or written; the message includes the system's reason.";
    Format, "format", File, "The file is in another format, or cut short.";
    Version, "version", File, "The version of the file is not supported.";
    InvalidModel, "invalid-model", File, "The model contradicts itself or the standard.";
    Limit, "limit", File, "The model exceeds a limit, such as those on nodes, constants and memory.";
    ExternalData, "external-data", File, "Data that the model keeps in a separate file cannot be read.";
    UnsupportedNode, "unsupported-node", File, "The model has nodes that cannot be read; the message lists all of them.";
    MissingTensor, "missing-tensor", File, "The file does not hold the requested tensor.";
    ElementType, "element-type", File, "A tensor or array has elements of a type that cannot be read.";
    UnboundDimension, "unbound-dimension", Call, "Dimensions are open or inputs have no shape, and no option sets them.";
    UnknownDimension, "unknown-dimension", Call, "A size was given for a dimension that no input has.";
    UnknownOutput, "unknown-output", Call, "An output was requested, and its name is that of no value of the model, or of several.";
    UnknownInput, "unknown-input", Call, "A shape was given for an input that the model does not have, or its index was requested.";
    GivenShape, "given-shape", Call, "The shape or batch given for an input contradicts its declaration, or has an extent of 0.";
    FixedBatch, "fixed-batch", Call, "The requested batch differs from the model's, which cannot be changed.";
    FixedDimension, "fixed-dimension", Call, "The requested size of a dimension differs from the model's, which is fixed.";
    UnknownModel, "unknown-model", Call, "The model is neither a built-in name nor a file of a known format.";
    SpecSyntax, "spec-syntax", File, "The spec is not valid TOML or JSON, or has a missing or unknown key, or a value of the wrong type.";
    SpecValue, "spec-value", File, "A value of the spec is out of range, has no effect, or conflicts with another one.";
    SpecWeights, "spec-weights", File, "Weights do not fit the network; the message lists every mismatch.";
    SpecGraph, "spec-graph", File, "A layer of the spec does not fit the one before it.";
    Conflict, "conflict", Call, "Options contradict each other.";
    NoEffect, "no-effect", Call, "Options were set that have no effect here.";
    ThreadCount, "thread-count", Call, "The number of threads is out of range.";
    UnknownPass, "unknown-pass", Call, "No pass has this name.";
    RequiredPass, "required-pass", Call, "The pass always runs, so it cannot be chosen or left out.";
    NotCompiled, "not-compiled", File, "An operator cannot be compiled in this form; the interpreter can still run it.";
    KernelBudget, "kernel-budget", File, "A kernel does not fit the machine's registers or the range of its addresses.";
    MissingIsa, "missing-isa", Call, "The CPU lacks the requested instruction set.";
    NotFused, "not-fused", Call, "The numerics promise the bits of fused multiply-adds, which the CPU lacks.";
    UnsupportedMachine, "unsupported-machine", Machine, "This CPU or system cannot run compiled code.";
    NoExecutableMemory, "no-executable-memory", Machine, "The system does not allow executable memory; the interpreter needs none.";
    ThreadsRefused, "threads-refused", Machine, "The system refused to start the threads of a run.";
    NoOrigin, "no-origin", Call, "A model that was compiled from memory cannot be loaded again for another size.";
    ChangedOrigin, "changed-origin", Call, "The file of a model is not the one that the model was compiled from.";
    ManyInputs, "many-inputs", Call, "A shape was given without a name, and the model has several inputs.";
    MemoryLimit, "memory-limit", Call, "The network needs more memory than the options allow.";
    OutOfMemory, "out-of-memory", Machine, "The system does not have enough memory.";
    NotExpressible, "not-expressible", Call, "ONNX cannot express some values of the network; the message lists all of them.";
    ModelTooLarge, "model-too-large", Call, "The network is larger than an ONNX file can be.";
    FileExists, "file-exists", Call, "A file of this name exists, and replacing it was not allowed.";
    NoSuchInput, "no-such-input", Call, "The model has no input with this index.";
    NoSuchOutput, "no-such-output", Call, "The model has no output with this index.";
    ForeignContext, "foreign-context", Call, "The context was made by another model.";
    InputElement, "input-element", Call, "An element of an integer or boolean input is not a value of the input's type.";
    PortType, "port-type", Call, "The element type given or requested differs from that of the input or output.";
    InputLength, "input-length", Call, "The number of elements given differs from that of the input or output.";
    StepTimes, "step-times", Call, "The list of times does not have one entry per step.";
    InputShape, "input-shape", Call, "The shape of the values given differs from that of the input or output.";
    ArrayElement, "array-element", Call, "An element cannot be converted to another type without loss.";
    Picture, "picture", File, "A picture is damaged, too large or of a format that is not supported. Of the command line only.";
    Labels, "labels", File, "A file of labels cannot be used. Of the command line only.";
    NullArgument, "null-argument", Call, "A pointer is NULL where a value is required. Of the C interface only.";
    TextEncoding, "text-encoding", Call, "A string is not UTF-8. Of the C interface only.";
    UnknownOption, "unknown-option", Call, "No option has this name. Of the C interface only.";
    OptionValue, "option-value", Call, "The value of an option is not one that it accepts. Of the C interface only.";
    PortCount, "port-count", Call, "The number of inputs or outputs given differs from the model's. Of the C interface only.";
    ContextBusy, "context-busy", Call, "Another thread is using the context. Of the C interface only.";
    Panic, "panic", Bug, "A call ended unexpectedly. Of the C interface and the Python package only.";
    AlreadyQuantized, "already-quantized", File, "The network to be quantized is quantized already.";
    NothingToQuantize, "nothing-to-quantize", File, "The network has no layer that can be quantized, or all of them are to stay in f32.";
    UnknownLayer, "unknown-layer", Call, "No layer of the network has the name of one that is to stay in f32, or as it is.";
    NoSamples, "no-samples", Call, "There are no calibration inputs to quantize a network with.";
    NoGradient, "no-gradient", Call, "An operator between the parameters and the loss has no gradient, or the loss is not a single number.";
    BadRecipe, "recipe", Call, "A number of a recipe for training is out of range, or nothing is left to be trained.";
    Diverged, "diverged", Call, "The loss of a training step, or of the test pictures, or something that a step changes, is NaN or infinite.";
    OtherState, "other-state", File, "A state of training is that of another network or optimizer, or of a run with other arguments.";
    NotFinite, "not-finite", File, "A weight, or a value for a calibration input, is NaN or infinite, so it has no range.";
    Percentile, "percentile", Call, "The percentile for the ranges of values is out of range.";
    MeasuredTimes, "measured-times", File, "A file of measured times cannot be used or written. Networks compile without it.";
    Interpreter, "interpreter", Machine, "The interpreter has a bug.";
    PassBug, "pass-bug", Bug, "A pass broke the graph, or did not terminate.";
    GraphBug, "graph-bug", Bug, "A graph that resnetc built is invalid.";
    PlanBug, "plan-bug", Bug, "The memory plan is wrong.";
    CodegenBug, "codegen-bug", Bug, "Machine code could not be generated.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
