//! Why a step cannot be lowered.

use crate::codegen::vir::OverBudget;
use crate::error_code::ErrorCode;
use crate::one_line::name_line;

/// Why a step cannot be lowered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A kernel does not fit the machine's registers.
    #[error("kernel {kernel} does not fit this machine")]
    Budget {
        /// The kernel's form.
        kernel: String,
        /// The resource that it ran out of.
        source: OverBudget,
    },
    /// The operator cannot be compiled in this form; the interpreter can still run it.
    #[error("{op} \"{}\" cannot be compiled: {reason}", name_line(.node))]
    Unsupported {
        /// The operator's name.
        op: &'static str,
        /// The node's name.
        node: String,
        /// The reason.
        reason: String,
    },
}

impl KernelError {
    /// The error code, which is stable.
    pub fn code(&self) -> ErrorCode {
        match self {
            KernelError::Budget { .. } => ErrorCode::KernelBudget,
            KernelError::Unsupported { .. } => ErrorCode::NotCompiled,
        }
    }
}
