//! Why there is no gradient.

use resnetc_ir::GraphError;

use crate::error_code::ErrorCode;
use crate::one_line::name_line;

/// Why there is no gradient.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError {
    /// An operator between the parameters and the loss has no gradient.
    #[error("{op} {}: {reason}", name_line(.name))]
    NoRule {
        /// The name of the node.
        name: String,
        /// The operator.
        op: &'static str,
        /// Why it has none.
        reason: String,
    },
    /// The loss is not a single number of type f32.
    #[error("the loss {} is {ty}, not a single number", name_line(.name))]
    NotANumber {
        /// The name of the node.
        name: String,
        /// Its type.
        ty: String,
    },
    /// A rule made a node that does not fit its operands; a bug.
    #[error("bug in the gradient of {op} {}: {error}", name_line(.name))]
    Rule {
        /// The name of the node.
        name: String,
        /// The operator.
        op: &'static str,
        /// What does not fit.
        error: GraphError,
    },
}

impl GradientError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            GradientError::NoRule { .. } | GradientError::NotANumber { .. } => {
                ErrorCode::NoGradient
            }
            GradientError::Rule { .. } => ErrorCode::GraphBug,
        }
    }
}
