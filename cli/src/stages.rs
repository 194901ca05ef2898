//! A network's graph between stages, for commands that inspect it.

use resnetc::ir::Graph;
use resnetc::passes::{self, PassOptions, Stage};
use resnetc::{Error, Network, Options};

/// The graph after the fusion passes, without layouts.
pub(crate) fn fused(network: &Network, options: &Options) -> Result<Graph, Error> {
    let mut graph = network.graph().clone();
    let options = PassOptions { until: Some(Stage::Fused), ..options.pass_options() };
    passes::run(&mut graph, &options)?;
    Ok(graph)
}
