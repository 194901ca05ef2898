//! Choices and memory of a scheduled graph.

use std::collections::HashMap;

use resnetc_ir::{Graph, NodeId};

use super::choose::{Choices, choose};
use crate::kernels;
use crate::kernels::published::Offer;
use crate::kernels::sink::{ALIGN, Machine};
use crate::options::Options;
use crate::plan::{self, Plan, Reuse, Workspace};

/// A scheduled graph with a plan for every convolution and a place for every value.
pub(super) struct Planned {
    pub(super) graph: Graph,
    pub(super) choices: Choices,
    pub(super) plan: Plan,
}

impl Planned {
    /// Chooses algorithms for a scheduled graph, and plans its memory.
    pub(super) fn of(graph: Graph, options: &Options, machine: &Machine) -> Self {
        let choices = choose(&graph, options, machine);
        let plan = plan(&graph, &choices, options.reuse);
        Planned { graph, choices, plan }
    }
}

/// Plans the memory of a scheduled graph, with what the chosen algorithms need besides values.
pub fn plan(graph: &Graph, choices: &Choices, reuse: Reuse) -> Plan {
    let workspace = |node: NodeId| {
        let Some(choice) = choices.get(node) else {
            let types: Vec<_> = graph.operands(node).iter().map(|&o| &graph.node(o).ty).collect();
            let scratch = kernels::scratch_bytes(&graph.node(node).op, &types);
            return Workspace { scratch, ..Workspace::default() };
        };
        let is_read = |offer: &Offer| {
            let reads = |(reader, operand)| Some(choices.get(reader)?.plan.reads(operand));
            graph.users(node).into_iter().any(|user| reads(user).flatten() == Some(offer.fact))
        };
        let published = choice.plan.offers().into_iter().filter(is_read).collect();
        let scratch = choice.plan.scratch_bytes().next_multiple_of(ALIGN);
        Workspace { scratch: scratch + choice.plan.packed_bytes(), published }
    };
    let nodes = graph.topo().into_iter();
    let workspaces: HashMap<_, _> = nodes.map(|node| (node, workspace(node))).collect();
    plan::plan(graph, reuse, &|node| workspaces.get(&node).cloned().unwrap_or_default())
}
