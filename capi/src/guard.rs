//! The border that no panic crosses: unwinding into a caller's frames would be undefined there.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `f` returns, or the message of its panic. Whatever it was changing is only reachable by
/// locks, which report the panic, or belongs to the call.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

/// As [`caught`], for calls that report no errors.
pub(crate) fn caught_or<T>(otherwise: T, f: impl FnOnce() -> T) -> T {
    caught(f).unwrap_or(otherwise)
}
