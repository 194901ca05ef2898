//! What can go wrong between a program and machine code.

use cranelift_module::ModuleError;

/// Why there is no machine code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodegenError {
    /// A program breaks its own rules: a bug of whoever built it.
    #[error("kernel {program} is malformed: {what}")]
    Malformed {
        /// Name of the program.
        program: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A region breaks its own rules: a bug of whoever built it.
    #[error("region {region} is malformed: {what}")]
    Region {
        /// Name of the region.
        region: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The back end does not encode such programs.
    #[error("kernel {program} has {lanes} lanes, which {backend} does not encode")]
    Width {
        /// Name of the program.
        program: String,
        /// Its lanes.
        lanes: usize,
        /// The back end.
        backend: &'static str,
    },
    /// The code generator refused a function.
    #[error("cannot encode {function}: {reason}")]
    Encode {
        /// Name of the kernel or region.
        function: String,
        /// What the code generator said.
        reason: String,
    },
    /// This CPU or system cannot run what was to be compiled.
    #[error("this machine cannot run the code: {0}")]
    Host(String),
    /// The system gives no executable memory.
    #[error("the system allows no executable memory: {0}")]
    Memory(String),
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
