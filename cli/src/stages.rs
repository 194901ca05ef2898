//! A network's stages before code: for commands that look at them.

use resnetc::compile::{self, Algorithms, Lowered};
use resnetc::ir::{Graph, NodeId};
use resnetc::kernels::Algorithm;
use resnetc::kernels::sink::Machine;
use resnetc::passes::{self, PassOptions, Remarks, Stage};
use resnetc::plan::Plan;
use resnetc::{Error, Isa, Network, Options};

/// The graph behind all passes and its plan.
pub(crate) struct Stages {
    pub(crate) graph: Graph,
    pub(crate) plan: Plan,
    pub(crate) remarks: Remarks,
    pub(crate) isa: Isa,
    algorithms: Algorithms,
    machine: Machine,
}

impl Stages {
    /// Schedules and plans a network.
    pub(crate) fn of(network: &Network, options: &Options) -> Result<Self, Error> {
        let mut graph = network.graph().clone();
        let remarks = compile::schedule(&mut graph, options)?;
        let (isa, machine) = compile::machine(options)?;
        let algorithms = compile::choose(&graph, options, &machine);
        let plan = compile::plan(&graph, &algorithms, options.reuse, &machine);
        Ok(Stages { graph, plan, remarks, algorithms, isa, machine })
    }

    /// How a node is computed.
    pub(crate) fn algorithm(&self, node: NodeId) -> Algorithm {
        self.algorithms.get(node)
    }

    /// Kernels, regions and packed constants.
    pub(crate) fn lower(&self) -> Result<(Isa, Lowered), Error> {
        let lowered = compile::lower(&self.graph, &self.plan, &self.algorithms, self.machine)?;
        Ok((self.isa, lowered))
    }

    /// The nodes of the steps that run anything, in order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.plan.steps.iter().filter(|s| !s.is_view).map(|s| s.node)
    }
}

/// The graph behind the fusion passes, with no layouts yet.
pub(crate) fn fused(network: &Network, options: &Options) -> Result<Graph, Error> {
    let mut graph = network.graph().clone();
    let options = PassOptions { until: Some(Stage::Fused), ..options.pass_options() };
    passes::run(&mut graph, &options)?;
    Ok(graph)
}
