//! Contexts that a model keeps for runs without a context of the caller's.

use std::sync::{Mutex, PoisonError};

use resnetc::{Context, Model, RunError};

/// Contexts that no thread is using. There are at most as many as threads were running the model
/// at once.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Context>>);

impl Pool {
    /// Lends a context; a new one if all are lent. A context whose use panics is not taken back.
    pub(crate) fn lend<T, E: From<RunError>>(
        &self,
        model: &Model,
        f: impl FnOnce(&mut Context) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.contexts(Vec::pop);
        let mut context = idle.map_or_else(|| model.context(), Ok)?;
        let result = f(&mut context);
        self.contexts(|contexts| contexts.push(context));
        result
    }

    /// Frees the contexts that are not lent.
    pub(crate) fn trim(&self) {
        drop(self.contexts(std::mem::take));
    }

    /// The lock is held for moments only, and nothing panics while it is.
    fn contexts<T>(&self, f: impl FnOnce(&mut Vec<Context>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
