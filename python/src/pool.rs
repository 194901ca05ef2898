//! Contexts that a model keeps for its runs.

use std::sync::{Mutex, PoisonError};

use pyo3::Python;
use resnetc::{Context, Model, RunError};

/// Contexts that no thread is using. There are at most as many as threads were running the model at
/// once.
///
/// Both functions need the interpreter's lock, which a thread that forks holds, too: so no child
/// inherits the lock of this pool in the hands of a thread that it does not have.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Context>>);

impl Pool {
    /// A context; a new one if all are in use.
    pub(crate) fn take(&self, _: Python<'_>, model: &Model) -> Result<Context, RunError> {
        let idle = self.contexts(Vec::pop);
        idle.map_or_else(|| model.context(), Ok)
    }

    /// Takes a context back.
    pub(crate) fn put(&self, _: Python<'_>, context: Context) {
        self.contexts(|contexts| contexts.push(context));
    }

    /// Frees the contexts that are not in use.
    pub(crate) fn trim(&self, _: Python<'_>) {
        drop(self.contexts(std::mem::take));
    }

    /// Nothing panics while the lock is held.
    fn contexts<T>(&self, f: impl FnOnce(&mut Vec<Context>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
