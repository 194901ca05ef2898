//! Why values cannot be computed.

use crate::memory::NoMemory;

/// Why a graph or an operator cannot be evaluated on the given values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// The graph, an operator or a value is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The system does not have enough memory for a value.
    #[error("not enough memory for {bytes} bytes of {what}")]
    Memory {
        /// The value, by the node that computes it if that is known.
        what: String,
        /// The size that was requested: an element takes 8 bytes.
        bytes: usize,
    },
}

impl EvalError {
    /// The error with the place where it happened.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            EvalError::Invalid(reason) => EvalError::Invalid(format!("{place}: {reason}")),
            EvalError::Memory { bytes, .. } => EvalError::Memory { what: place.to_owned(), bytes },
        }
    }
}

impl From<NoMemory> for EvalError {
    fn from(NoMemory { bytes }: NoMemory) -> Self {
        EvalError::Memory { what: "values".to_owned(), bytes }
    }
}

pub(super) fn fail<T>(message: String) -> Result<T, EvalError> {
    Err(EvalError::Invalid(message))
}
