//! The network with and without its optional passes: the shortest ladder.

use serde::Serialize;

use super::subject::Compiled;
use super::timing::Stats;

/// The figures of one compiled variant.
#[derive(Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) times: Stats,
    #[serde(flatten)]
    pub(super) compiled: Compiled,
}

/// The other variant.
#[derive(Serialize)]
pub(super) struct Compared {
    /// Figures without the optional passes.
    pub(super) unfused: Figures,
    /// Median without the passes divided by median with them.
    pub(super) speedup: f64,
    /// The largest difference of their outputs, relative to the largest value.
    pub(super) outputs_relative_difference: f64,
}
