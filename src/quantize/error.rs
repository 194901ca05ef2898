//! Why a network is not quantized.

use resnetc_ir::memory::NoMemory;
use resnetc_ir::{GraphError, PatchError};

use crate::error::{Error, RunError};
use crate::error_code::ErrorCode;
use crate::export::ExportError;
use crate::one_line::name_line;
use crate::passes::PassError;

/// Why a network is not quantized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The network cannot be compiled, run or written.
    #[error(transparent)]
    Network(#[from] Error),
    /// The network is quantized.
    #[error("the network is quantized already: {op} \"{}\" rounds to integers", name_line(.name))]
    AlreadyQuantized {
        /// The operator.
        op: &'static str,
        /// The name of the node.
        name: String,
    },
    /// No layer remains that can be quantized.
    #[error("{}", nothing(*.layers))]
    NothingToQuantize {
        /// How many layers could be quantized, but are to stay in f32.
        layers: usize,
    },
    /// No layer has the name of one that is to stay in f32.
    #[error("there is no layer \"{}\" that could stay in f32{}", name_line(.name), suggestion(.near))]
    UnknownLayer {
        /// The name.
        name: String,
        /// The name that was probably meant.
        near: Option<String>,
        /// All names that there are, in the order in which the operators run.
        known: Vec<String>,
    },
    /// There are no calibration inputs.
    #[error("there are no calibration inputs")]
    NoSamples,
    /// The calibration inputs of a run are fewer or more than the network's inputs.
    #[error("a calibration run has values for {given} inputs, but the network has {inputs}")]
    InputCount {
        /// How many inputs the network has.
        inputs: usize,
        /// For how many there are values.
        given: usize,
    },
    /// A value is NaN or infinite for a calibration input.
    #[error("{op} \"{}\" is {value} for calibration input {run}: such a value has no range", name_line(.name))]
    NotFinite {
        /// The operator that computes the value.
        op: &'static str,
        /// Its name.
        name: String,
        /// The element.
        value: f32,
        /// The number of the run, from 0.
        run: usize,
    },
    /// A weight or bias is NaN or infinite.
    #[error("{op} \"{}\" has a weight or bias that is NaN or infinite", name_line(.name))]
    Weights {
        /// The operator.
        op: &'static str,
        /// The name of the node.
        name: String,
    },
    /// The percentile is not one.
    #[error("the percentile is {percent}; it must be above 50 and at most 100")]
    Percentile {
        /// The percentile.
        percent: f64,
    },
    /// The graph cannot be rewritten; a bug.
    #[error("a layer cannot be rewritten")]
    Rewrite(#[from] PatchError),
    /// A node cannot be added; a bug.
    #[error("a quantized layer cannot be added")]
    Added(#[from] GraphError),
}

fn nothing(layers: usize) -> String {
    match layers {
        0 => "the network has no convolution or matrix product with constant weights, so there is nothing to quantize".into(),
        1 => "the only layer that can be quantized is to stay in f32".into(),
        n => format!("all {n} layers that can be quantized are to stay in f32"),
    }
}

fn suggestion(near: &Option<String>) -> String {
    near.as_ref()
        .map_or_else(String::new, |near| format!("; did you mean \"{}\"?", name_line(near)))
}

impl QuantizeError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            QuantizeError::Network(e) => e.code(),
            QuantizeError::AlreadyQuantized { .. } => ErrorCode::AlreadyQuantized,
            QuantizeError::NothingToQuantize { .. } => ErrorCode::NothingToQuantize,
            QuantizeError::UnknownLayer { .. } => ErrorCode::UnknownLayer,
            QuantizeError::NoSamples => ErrorCode::NoSamples,
            QuantizeError::InputCount { .. } => ErrorCode::InputLength,
            QuantizeError::NotFinite { .. } | QuantizeError::Weights { .. } => ErrorCode::NotFinite,
            QuantizeError::Percentile { .. } => ErrorCode::Percentile,
            QuantizeError::Rewrite(_) | QuantizeError::Added(_) => ErrorCode::GraphBug,
        }
    }
}

impl From<NoMemory> for QuantizeError {
    fn from(error: NoMemory) -> Self {
        Error::memory("the quantized network")(error).into()
    }
}

impl From<RunError> for QuantizeError {
    fn from(error: RunError) -> Self {
        Error::from(error).into()
    }
}

impl From<PassError> for QuantizeError {
    fn from(error: PassError) -> Self {
        Error::from(error).into()
    }
}

impl From<ExportError> for QuantizeError {
    fn from(error: ExportError) -> Self {
        Error::from(error).into()
    }
}
