//! Why a network cannot be checked.

use resnetc_ir::eval::EvalError;
use resnetc_ir::memory::NoMemory;
use resnetc_ir::{GraphError, PatchError};

use crate::error::{Error, RunError};
use crate::error_code::ErrorCode;
use crate::one_line::name_line;

/// Why a network cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The network cannot be compiled or run.
    #[error(transparent)]
    Compile(#[from] Error),
    /// The network cannot be interpreted.
    #[error("the interpreter cannot run the network")]
    Eval(#[from] EvalError),
    /// A value cannot be made an output, or a layer cannot be made a network; a bug.
    #[error("a value cannot be made an output")]
    Expose(#[from] GraphError),
    /// A layer cannot be given its layout; a bug.
    #[error("a layer cannot be run alone")]
    Layout(#[from] PatchError),
    /// The values given do not match the network's inputs.
    #[error("input \"{}\" is {wanted:?}, but the values given are {given:?}", name_line(.name))]
    Input {
        /// The input.
        name: String,
        /// Its shape.
        wanted: Vec<usize>,
        /// The shape given; empty if there is none.
        given: Vec<usize>,
    },
}

impl CheckError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            CheckError::Compile(e) => e.code(),
            CheckError::Eval(EvalError::Memory { .. }) => ErrorCode::OutOfMemory,
            CheckError::Eval(EvalError::Invalid(_)) => ErrorCode::Interpreter,
            CheckError::Expose(_) | CheckError::Layout(_) => ErrorCode::GraphBug,
            CheckError::Input { .. } => ErrorCode::InputShape,
        }
    }
}

impl From<NoMemory> for CheckError {
    fn from(error: NoMemory) -> Self {
        CheckError::Eval(error.into())
    }
}

impl From<RunError> for CheckError {
    fn from(error: RunError) -> Self {
        CheckError::Compile(error.into())
    }
}
