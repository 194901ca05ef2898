//! Why steps cannot be lowered.

use std::fmt;
use std::path::PathBuf;

use crate::codegen::vir::OverBudget;
use crate::error_code::ErrorCode;
use crate::one_line::{name_line, not_compiled};

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

/// The operators of a network that cannot be compiled: all of them, so that one message shows
/// everything that is in the way.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NotCompiled {
    /// The file that describes the network, if it came from one.
    pub file: Option<PathBuf>,
    /// Each of them, in the order of the run: [`KernelError::Unsupported`].
    pub steps: Vec<KernelError>,
}

impl fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&not_compiled(self.file.as_deref(), &self.steps))
    }
}

impl std::error::Error for NotCompiled {}
