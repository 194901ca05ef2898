//! Why a graph is not written.

use std::fmt;
use std::path::PathBuf;

use resnetc_ir::memory::NoMemory;

use crate::error_code::ErrorCode;
use crate::one_line::{name_line, path_line};

/// Why a graph is not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Values that the format cannot express: all of them.
    #[error("{}", list(.values))]
    Refused {
        /// Every offending value: inputs, outputs, then nodes in the order in which they run.
        values: Vec<RefusedValue>,
    },
    /// The model is larger than a file of this format can be.
    #[error("the model takes {bytes} bytes, but an ONNX file holds at most {limit}")]
    TooLarge {
        /// The least size of the model.
        bytes: u64,
        /// The largest size of a file.
        limit: u64,
    },
    /// The system does not have enough memory for the model as a file.
    #[error("not enough memory for {bytes} bytes of the ONNX model")]
    Memory {
        /// How much was requested.
        bytes: usize,
    },
    /// A file of this name exists, and replacing it was not allowed.
    #[error("{}: the file exists", path_line(.file))]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be written.
    #[error("{}: writing failed: {error}", path_line(.file))]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl From<NoMemory> for ExportError {
    fn from(NoMemory { bytes }: NoMemory) -> Self {
        ExportError::Memory { bytes }
    }
}

impl ExportError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            ExportError::Refused { .. } => ErrorCode::NotExpressible,
            ExportError::TooLarge { .. } => ErrorCode::ModelTooLarge,
            ExportError::Memory { .. } => ErrorCode::OutOfMemory,
            ExportError::Exists { .. } => ErrorCode::FileExists,
            ExportError::Io { .. } => ErrorCode::Io,
        }
    }
}

/// A value that the format cannot express.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedValue {
    /// The kind of value: an operator's name, or `output`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why it cannot be written.
    pub reason: String,
}

impl fmt::Display for RefusedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\": {}", self.kind, name_line(&self.name), self.reason)
    }
}

fn list(values: &[RefusedValue]) -> String {
    let plural = if values.len() == 1 { "" } else { "s" };
    let mut text = format!("{} value{plural} cannot be written as ONNX", values.len());
    for value in values {
        text.push_str(&format!("\n  {value}"));
    }
    text
}
