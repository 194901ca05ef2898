//! Which algorithm computes each convolution of a scheduled graph.

use std::collections::HashMap;

use resnetc_ir::{Graph, NodeId, Op, Tensor, TensorType};

use crate::kernels::Algorithm;
use crate::kernels::algorithm::{Choice, Considered};
use crate::kernels::problem::ConvProblem;
use crate::kernels::sink::Machine;
use crate::kernels::site::{Site, convolution};
use crate::options::{Numerics, Options};
use crate::report::convolutions::{ChosenConvolution, Verdict};

/// The plans of the convolutions of a network.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    chosen: HashMap<NodeId, Choice>,
    considered: HashMap<NodeId, Vec<Considered>>,
    /// How many plans were chosen by measured times.
    pub tuned: usize,
}

impl Choices {
    /// Keeps what the cost model said of a node's algorithms, and returns its choice.
    fn consider(
        &mut self,
        node: NodeId,
        (choice, considered): (Choice, Vec<Considered>),
    ) -> Choice {
        self.considered.insert(node, considered);
        choice
    }

    /// How a convolution is computed.
    pub fn get(&self, node: NodeId) -> Option<&Choice> {
        self.chosen.get(&node)
    }

    /// The algorithm that computes a node; operators without a choice are computed as they are
    /// defined.
    pub fn algorithm(&self, node: NodeId) -> Algorithm {
        self.get(node).map_or(Algorithm::DIRECT, |choice| choice.algorithm)
    }

    /// What the cost model said of each algorithm; empty where it did not choose.
    pub fn considered(&self, node: NodeId) -> &[Considered] {
        self.considered.get(&node).map_or(&[], Vec::as_slice)
    }

    /// All convolutions of the graph for which the choices were made, operands first.
    pub fn report(&self, graph: &Graph) -> Vec<ChosenConvolution> {
        let chosen = |node| {
            let choice = self.get(node)?;
            Some(ChosenConvolution {
                name: graph.node(node).name.clone(),
                problem: ConvProblem::of(graph, node)?.to_string(),
                algorithm: choice.algorithm.name(),
                weight_bits: choice.plan.weight_bits(),
                considered: self.considered(node).iter().map(Verdict::from).collect(),
            })
        };
        graph.topo().into_iter().filter_map(chosen).collect()
    }
}

/// Choices made by the caller, which do not count as measured.
impl FromIterator<(NodeId, Choice)> for Choices {
    fn from_iter<I: IntoIterator<Item = (NodeId, Choice)>>(chosen: I) -> Self {
        Choices { chosen: chosen.into_iter().collect(), ..Choices::default() }
    }
}

/// Chooses an algorithm for each convolution, among those that the options allow.
pub fn choose(graph: &Graph, options: &Options, machine: &Machine) -> Choices {
    let mut choices = Choices::default();
    for node in graph.topo() {
        let Some(operator) = Convolution::of(graph, node) else { continue };
        let Some(site) = operator.site(machine) else { continue };
        let choice = match options.numerics {
            Numerics::Exact => Choice::direct(&site),
            Numerics::Fast | Numerics::Portable | Numerics::Half => {
                match tuned(graph, node, options, &site) {
                    Some(choice) => {
                        choices.tuned += 1;
                        choice
                    }
                    None => choices.consider(node, Choice::cheapest(&site, &machine.rounding())),
                }
            }
        };
        choices.chosen.insert(node, choice);
    }
    choices
}

/// The measured choice for an operator, if there is one and it can compute the operator.
fn tuned(graph: &Graph, node: NodeId, options: &Options, site: &Site<'_>) -> Option<Choice> {
    let algorithm = options.tuned.as_ref()?.choice(graph, node)?;
    Some(Choice { algorithm, plan: algorithm.plan(site).ok()? })
}

/// The algorithms that can compute an operator of a scheduled graph on a machine; empty if it is
/// not a convolution.
pub fn candidates(graph: &Graph, node: NodeId, machine: &Machine) -> Vec<Choice> {
    let operator = Convolution::of(graph, node);
    operator.and_then(|o| Some(Choice::candidates(&o.site(machine)?))).unwrap_or_default()
}

/// A convolution of a graph, with the data that its site borrows.
struct Convolution<'a> {
    op: &'a Op,
    operands: Vec<&'a TensorType>,
    weights: Vec<&'a Tensor>,
    result: &'a TensorType,
}

impl<'a> Convolution<'a> {
    fn of(graph: &'a Graph, node: NodeId) -> Option<Self> {
        let found = graph.node(node);
        let conv = convolution(&found.op)?;
        let operands = graph.operands(node).into_iter().map(|o| &graph.node(o).ty).collect();
        let is_turned = matches!(found.op, Op::ConvSource(_));
        let weights =
            [(!is_turned).then_some(1), conv.projected_operand().map(|operand| operand + 1)];
        let constant = |at| Some(graph.f32_constant_of(graph.operand(node, at)?)?.as_ref());
        let weights = weights.into_iter().flatten().filter_map(constant).collect();
        Some(Convolution { op: &found.op, operands, weights, result: &found.ty })
    }

    fn site(&self, machine: &Machine) -> Option<Site<'_>> {
        Site::of(self.op, &self.operands, &self.weights, self.result, *machine)
    }
}
