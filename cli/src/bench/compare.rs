//! The network with and without its optional passes: the shortest ladder.

use resnetc::{Network, Options, PassSelection};
use serde::Serialize;

use super::race::Variant;
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

/// The same network under other options.
pub(super) fn variant(network: &Network, name: &str, options: Options) -> Variant {
    Variant { name: name.to_owned(), network: network.with_options(options) }
}

/// The network without its optional passes.
pub(super) fn unfused(network: &Network) -> Variant {
    let options = network.options().clone().passes(PassSelection::None);
    variant(network, "unfused", options)
}
