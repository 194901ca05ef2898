//! Every error of the library, and what each carries besides its message.
//!
//! [`Error`] is what most functions return. It says whose fault it is and where: an error in a file
//! names the file, the node, the attribute or the key, and lists all offenders at once. Each error
//! has an [`ErrorCode`], which stays the same when its message is improved; [`Error::advice`] says
//! what to do, with placeholders for the names of options.

pub use resnetc_ir::GraphError;

pub use crate::advice::{Advice, NoEffect, OptionName};
pub use crate::array::ElementError;
pub use crate::check::CheckError;
pub use crate::codegen::error::CodegenError;
pub use crate::error::{Error, RunError};
pub use crate::error_code::{ErrorCode, Fault};
pub use crate::export::{ExportError, RefusedValue};
pub use crate::gradient::GradientError;
pub use crate::host::executable::{Refusal, Setting};
pub use crate::host::features::{Feature, Lack};
pub use crate::import::{ImportError, ImportErrorKind, RefusedNode, UnboundDim};
pub use crate::isa::IsaError;
pub use crate::kernels::{KernelError, NotCompiled};
pub use crate::passes::{Leftover, PassError};
pub use crate::plan::verify::PlanError;
pub use crate::quantize::QuantizeError;
pub use crate::spec::{SpecError, SpecErrorKind, WrongShape, WrongType};
pub use crate::training::TrainingError;
pub use crate::tune::CacheError;
