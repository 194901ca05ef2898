//! Why operands and attributes do not fit an operator.

/// Which requirement of an operator its operands do not satisfy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TypeError(pub String);

pub(super) fn fail<T>(message: String) -> Result<T, TypeError> {
    Err(TypeError(message))
}
