//! Why the passes cannot be run to the end.

use resnetc_ir::PatchError;
use resnetc_ir::verify::VerifyErrors;

use crate::error_code::ErrorCode;

/// Why the passes cannot be run to the end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// No pass has this name.
    #[error("there is no pass \"{name}\"; optional are {}", .valid.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names that can be chosen.
        valid: Vec<&'static str>,
    },
    /// A pass that later stages rely on, and that always runs, was to be left out or chosen.
    #[error("the pass \"{name}\" is required and always runs; optional are {}", .valid.join(", "))]
    Required {
        /// The pass.
        name: String,
        /// The names that can be chosen.
        valid: Vec<&'static str>,
    },
    /// An operator has no lowering in this form.
    #[error("{op} \"{node}\" cannot be compiled: {reason}")]
    NotLowered {
        /// The name of the node.
        node: String,
        /// Its operator.
        op: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// A pass proposed a patch that does not fit. An error in the pass; if that is optional, it is
    /// looked for where the graph is verified, and costs the patch alone elsewhere.
    #[error("pass \"{pass}\" proposes what does not fit")]
    Patch {
        /// The pass.
        pass: &'static str,
        /// What does not fit.
        source: PatchError,
    },
    /// A pass broke an invariant of the graph. An error in the pass.
    #[error("the graph is invalid after pass \"{pass}\", patch \"{patch}\"")]
    Invalid {
        /// The pass.
        pass: &'static str,
        /// The last patch applied.
        patch: String,
        /// The broken invariants.
        source: VerifyErrors,
    },
    /// A patch did not make smaller what each patch of its pass makes smaller
    /// ([`Pass::measure`](super::Pass::measure)). An error in the pass, which is looked for where
    /// the graph is verified.
    #[error("pass \"{pass}\" comes no nearer to its end, patch \"{patch}\"")]
    NoProgress {
        /// The pass.
        pass: &'static str,
        /// The last patch applied.
        patch: String,
    },
}

impl PassError {
    /// What went wrong, by a name that stays the same.
    pub fn code(&self) -> ErrorCode {
        match self {
            PassError::Unknown { .. } => ErrorCode::UnknownPass,
            PassError::Required { .. } => ErrorCode::RequiredPass,
            PassError::NotLowered { .. } => ErrorCode::NotCompiled,
            PassError::Patch { .. } | PassError::Invalid { .. } | PassError::NoProgress { .. } => {
                ErrorCode::PassBug
            }
        }
    }
}
