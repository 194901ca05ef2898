//! Why a graph is not written.

use std::fmt;
use std::path::PathBuf;

use crate::error_code::ErrorCode;
use crate::one_line::path_line;

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

impl ExportError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            ExportError::Refused { .. } => ErrorCode::NotExpressible,
            ExportError::TooLarge { .. } => ErrorCode::ModelTooLarge,
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
        write!(f, "{} \"{}\": {}", self.kind, self.name, self.reason)
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
