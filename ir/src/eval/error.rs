//! Why values cannot be computed.

/// Why a graph or an operator cannot be evaluated on the given values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

pub(super) fn fail<T>(message: String) -> Result<T, EvalError> {
    Err(EvalError(message))
}
