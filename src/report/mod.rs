//! What the compiler did, as data: every type here can be written by serde.
//!
//! | room | tells |
//! |---|---|
//! | [`explain`] | which rewrites were applied, and which nearly were |
//! | [`convolutions`] | which algorithm computes each convolution, and what else was considered |
//! | [`plan`] | where every value lies, and from when to when |
//! | [`kernels`] | what was compiled, and how often a run uses it |
//! | [`profile`] | what the steps of a run cost |
//! | [`share`] | what a share of the peak is a share of |
//! | [`trace`] | one run as a timeline |
//! | [`class`] | which operators are treated alike |

pub mod class;
pub mod convolutions;
pub mod explain;
pub mod kernels;
pub mod plan;
pub mod profile;
pub mod share;
pub mod trace;

use crate::runtime::model::Model;

use convolutions::ChosenConvolution;
use explain::Explanation;
use kernels::KernelInfo;
use plan::MemoryPlan;

impl Model {
    /// Where every value lies in the arena, and from when to when it is needed.
    pub fn plan(&self) -> &MemoryPlan {
        &self.report.memory
    }

    /// What the passes did, and what they nearly did.
    pub fn explain(&self) -> Explanation {
        Explanation::of(&self.report.remarks)
    }

    /// How each convolution is computed, and what else was considered; nothing where the interpreter runs the network.
    pub fn convolutions(&self) -> &[ChosenConvolution] {
        &self.report.convolutions
    }

    /// The distinct kernels, in the order in which a run first needs them.
    pub fn kernels(&self) -> &[KernelInfo] {
        &self.report.compiled
    }
}
