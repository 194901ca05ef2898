//! What can go wrong between a program and machine code.

use cranelift_module::ModuleError;

use crate::error_code::ErrorCode;
use crate::isa::{Isa, IsaError, Target};
use crate::one_line::name_line;

/// Why there is no machine code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodegenError {
    /// A program breaks its own rules: a bug in the code that built it.
    #[error("kernel {program} is malformed: {what}")]
    Malformed {
        /// Name of the program.
        program: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A region breaks its own rules: a bug in the code that built it.
    #[error("region {} is malformed: {what}", name_line(.region))]
    Region {
        /// Name of the region.
        region: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The back end does not encode programs for this target.
    #[error("kernel {program} is made for {target}, which {backend} does not encode")]
    Target {
        /// Name of the program.
        program: String,
        /// What it counts on.
        target: Target,
        /// The back end.
        backend: &'static str,
    },
    /// The code generator refused a function.
    #[error("cannot encode {}: {reason}", name_line(.function))]
    Encode {
        /// Name of the kernel or region.
        function: String,
        /// The code generator's message.
        reason: String,
    },
    /// A kernel relies on more than the instruction set that the network is compiled for has: a bug
    /// in the code that built it.
    #[error("kernel {program} is made for {target}, which is more than {isa} has")]
    Excess {
        /// Name of the program.
        program: String,
        /// What it counts on.
        target: Target,
        /// The instruction set that the network is compiled for.
        isa: Isa,
    },
    /// Cranelift has no back end for this machine.
    #[error("this machine cannot run the code: {0}")]
    Host(String),
    /// This CPU lacks what the code needs, or the system refuses it.
    #[error(transparent)]
    Unusable(#[from] IsaError),
    /// The system does not allow executable memory.
    #[error("the system does not allow executable memory: {0}")]
    Memory(String),
}

impl CodegenError {
    /// The error code, which is stable.
    pub fn code(&self) -> ErrorCode {
        match self {
            CodegenError::Malformed { .. }
            | CodegenError::Region { .. }
            | CodegenError::Target { .. }
            | CodegenError::Encode { .. }
            | CodegenError::Excess { .. } => ErrorCode::CodegenBug,
            CodegenError::Host(_) => ErrorCode::UnsupportedMachine,
            CodegenError::Unusable(e) => e.code(),
            CodegenError::Memory(_) => ErrorCode::NoExecutableMemory,
        }
    }
}

impl From<ModuleError> for CodegenError {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Allocation { err } => CodegenError::Memory(err.to_string()),
            ModuleError::Backend(reason) => CodegenError::Memory(format!("{reason:#}")),
            other => CodegenError::Encode {
                function: "the network".to_owned(),
                reason: other.to_string(),
            },
        }
    }
}
