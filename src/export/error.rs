//! Why a graph is not written.

use std::fmt;
use std::path::PathBuf;

use crate::error_code::ErrorCode;

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
    #[error("the model takes {bytes} bytes, an ONNX file holds at most {limit}")]
    TooLarge {
        /// What it takes, at least.
        bytes: u64,
        /// What fits.
        limit: u64,
    },
    /// There is a file of this name, and it was not to be replaced.
    #[error("{}: the file exists", .file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be written.
    #[error("{}: writing failed: {error}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl ExportError {
    /// What went wrong, by a name that stays the same.
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
    /// What it is: an operator's name, or `output`.
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
