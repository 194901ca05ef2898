//! A setter per option: other crates cannot construct a `#[non_exhaustive]` struct directly.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Engine, Numerics, Options};
use crate::isa::IsaChoice;
use crate::passes::PassSelection;
use crate::plan::Reuse;
use crate::runtime::model::Model;
use crate::runtime::threads::ThreadPool;
use crate::tune::Tuned;

macro_rules! setters {
    ($($field:ident: $value:ty;)*) => {
        impl Options {
            $(
                #[doc = concat!("These options with another [`", stringify!($field), "`](Options#structfield.", stringify!($field), ").")]
                #[must_use]
                #[allow(clippy::useless_conversion, reason = "only options that may be left open are converted")]
                pub fn $field(self, $field: $value) -> Self {
                    Options { $field: $field.into(), ..self }
                }
            )*
        }
    };
}

setters! {
    engine: Engine;
    isa: IsaChoice;
    threads: impl Into<Option<usize>>;
    pool: impl Into<Option<ThreadPool>>;
    numerics: Numerics;
    batch: impl Into<Option<usize>>;
    dims: impl Into<BTreeMap<String, usize>>;
    shapes: impl Into<BTreeMap<String, Vec<usize>>>;
    outputs: Vec<String>;
    weights: impl Into<Option<PathBuf>>;
    seed: u64;
    passes: PassSelection;
    reuse: Reuse;
    memory: impl Into<Option<usize>>;
    share: impl Into<Option<Model>>;
    cache_dir: impl Into<Option<PathBuf>>;
    perf_map: bool;
    tuned: impl Into<Option<Arc<Tuned>>>;
}
