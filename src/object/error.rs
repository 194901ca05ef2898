//! Why a network is not exported.

use crate::error::Error;
use crate::error_code::ErrorCode;

/// Why a network is not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFailure {
    /// It cannot be compiled.
    #[error(transparent)]
    Compile(#[from] Error),
    /// The name is no identifier of C.
    #[error(
        "\"{name}\" is no name for functions in C: letters, digits and _, at most {most}, and no digit first"
    )]
    Name {
        /// The name.
        name: String,
        /// How many characters it may have.
        most: usize,
    },
    /// The header would have the name of one of C's.
    #[error("{name}.h is a header of C; another name is needed")]
    Header {
        /// The name.
        name: String,
    },
    /// The module of the object file refuses something; a bug.
    #[error("bug in the object file: {0}")]
    Object(String),
}

impl ExportFailure {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            ExportFailure::Compile(error) => error.code(),
            ExportFailure::Name { .. } | ExportFailure::Header { .. } => ErrorCode::OptionValue,
            ExportFailure::Object(_) => ErrorCode::CodegenBug,
        }
    }
}
