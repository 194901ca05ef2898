//! Panics as errors: a bug in the library must not end the interpreter.

use std::panic::{AssertUnwindSafe, catch_unwind};

use resnetc::ErrorCode;

use crate::failure::Failure;

/// What `f` returns. Whatever it was changing when it panicked must not be used again.
pub(crate) fn caught<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        let message = format!("bug in resnetc: {text}");
        Err(Failure::new(ErrorCode::Panic, message).help("please report it"))
    })
}
