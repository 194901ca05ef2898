//! Why the passes could not run to completion.

use std::fmt;
use std::path::PathBuf;

use resnetc_ir::PatchError;
use resnetc_ir::verify::VerifyErrors;

use crate::error_code::ErrorCode;
use crate::one_line::{name_line, not_compiled};

/// Why the passes could not run to completion.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// No pass has this name.
    #[error("there is no pass \"{name}\"; the optional passes are {}", .valid.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names that can be chosen.
        valid: Vec<&'static str>,
    },
    /// The options select or leave out a pass that always runs because later stages rely on it.
    #[error("the pass \"{name}\" is required and always runs; the optional passes are {}", .valid.join(", "))]
    Required {
        /// The pass.
        name: String,
        /// The names that can be chosen.
        valid: Vec<&'static str>,
    },
    /// Operators have no lowering in this form.
    #[error("{}", not_compiled(.file.as_deref(), .nodes))]
    NotLowered {
        /// The file that describes the network, if it came from one.
        file: Option<PathBuf>,
        /// All of them.
        nodes: Vec<Leftover>,
    },
    /// The system does not have enough memory for a constant that is computed from others.
    #[error("not enough memory for {bytes} bytes of constants, at {op} \"{}\"", name_line(.node))]
    Memory {
        /// The node's name, or its id if it has none.
        node: String,
        /// Its operator.
        op: &'static str,
        /// How much was requested.
        bytes: usize,
    },
    /// A pass proposed a patch that does not fit the graph: a bug in the pass. For an optional pass
    /// this is only reported where the graph is verified; elsewhere the patch is dropped.
    #[error("pass \"{pass}\" proposed a patch that does not fit the graph")]
    Patch {
        /// The pass.
        pass: &'static str,
        /// Why it does not fit.
        source: PatchError,
    },
    /// A pass broke an invariant of the graph: a bug in the pass.
    #[error("the graph is invalid after pass \"{pass}\", patch \"{patch}\"")]
    Invalid {
        /// The pass.
        pass: &'static str,
        /// The last patch applied.
        patch: String,
        /// The broken invariants.
        source: VerifyErrors,
    },
    /// A patch did not decrease the measure of its pass ([`Pass::measure`](super::Pass::measure)):
    /// a bug in the pass, which is checked where the graph is verified.
    #[error("pass \"{pass}\" made no progress with patch \"{patch}\"")]
    NoProgress {
        /// The pass.
        pass: &'static str,
        /// The last patch applied.
        patch: String,
    },
}

/// An operator that has no lowering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The name of the node.
    pub node: String,
    /// Its operator.
    pub op: &'static str,
    /// Why it has none.
    pub reason: &'static str,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leftover { node, op, reason } = self;
        write!(f, "{op} \"{}\" cannot be compiled: {reason}", name_line(node))
    }
}

impl PassError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            PassError::Unknown { .. } => ErrorCode::UnknownPass,
            PassError::Required { .. } => ErrorCode::RequiredPass,
            PassError::NotLowered { .. } => ErrorCode::NotCompiled,
            PassError::Memory { .. } => ErrorCode::OutOfMemory,
            PassError::Patch { .. } | PassError::Invalid { .. } | PassError::NoProgress { .. } => {
                ErrorCode::PassBug
            }
        }
    }
}
