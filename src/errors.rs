//! Every error of the library, and what they tell beside their message.
//!
//! [`Error`] is what most functions return. It says whose fault it is and where: what came from a
//! file names the file, the node, the attribute or the key, and all offenders at once. Each error
//! has an [`ErrorCode`], which stays the same when its message becomes a better one;
//! [`Error::advice`] is what to do, with a place for the names of options.

pub use resnetc_ir::GraphError;

pub use crate::advice::{Advice, NoEffect, OptionName};
pub use crate::array::ElementError;
pub use crate::check::CheckError;
pub use crate::codegen::error::CodegenError;
pub use crate::error::{Error, RunError};
pub use crate::error_code::{ErrorCode, Fault};
pub use crate::export::{ExportError, RefusedValue};
pub use crate::host::executable::{Refusal, Setting};
pub use crate::host::features::{Feature, Lack};
pub use crate::import::{ImportError, ImportErrorKind, RefusedNode, UnboundDim};
pub use crate::isa::IsaError;
pub use crate::kernels::KernelError;
pub use crate::passes::PassError;
pub use crate::plan::verify::PlanError;
pub use crate::spec::{SpecError, WrongShape};
pub use crate::tune::CacheError;
