//! A network's graph between stages, for commands that inspect it.

use resnetc::ir::Graph;
use resnetc::passes::{self, PassOptions, Stage};
use resnetc::{Error, Network, Options, PassSelection};

/// Options for the same network without optional passes, to compare with. A limit of memory is for
/// the network itself: unfused code keeps more values, so it may need more.
pub(crate) fn unfused(options: &Options) -> Options {
    options.clone().passes(PassSelection::None).memory(None)
}

/// The graph after the fusion passes, without layouts.
pub(crate) fn fused(network: &Network, options: &Options) -> Result<Graph, Error> {
    let mut graph = network.graph().clone();
    let options = PassOptions { until: Some(Stage::Fused), ..options.pass_options() };
    passes::run(&mut graph, &options)?;
    Ok(graph)
}
