//! The compiled network against the interpreter, layer by layer.
//!
//! Every value of the scheduled graph becomes an output, that graph is compiled and run, and each value is compared
//! with what the interpreter computes in f64. As outputs keep their place, nothing is computed in place there; so
//! the network as it stands is compiled and compared too, with the interpreter on the graph before any pass.

use std::collections::BTreeMap;

use resnetc_ir::eval::{EvalError, Value, eval_each};
use resnetc_ir::{Graph, GraphError, Layout, NodeId, Op, Tensor};

use crate::compile::{compile_scheduled, macs, schedule};
use crate::compiler::Network;
use crate::cpu::Isa;
use crate::error::{Error, RunError};
use crate::options::Options;
use crate::runtime::model::{Context, Model};

/// Why a network cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It cannot be compiled or run.
    #[error(transparent)]
    Compile(#[from] Error),
    /// It cannot be interpreted.
    #[error("the interpreter cannot run the network: {0}")]
    Eval(#[from] EvalError),
    /// A value cannot be made an output; a bug.
    #[error("a value cannot be looked at: {0}")]
    Expose(#[from] GraphError),
    /// The values given are not what the network takes.
    #[error("input \"{name}\" is {wanted:?}, the values given are {given:?}")]
    Input {
        /// The input.
        name: String,
        /// Its shape.
        wanted: Vec<usize>,
        /// The shape given; empty if there is none.
        given: Vec<usize>,
    },
}

impl From<RunError> for CheckError {
    fn from(error: RunError) -> Self {
        CheckError::Compile(error.into())
    }
}

/// How far computed values are from the expected ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// The greatest difference of two elements. NaN differs from NaN by 0 and from all else by infinity.
    pub max_abs: f64,
    /// The greatest finite magnitude expected.
    pub largest: f64,
}

/// One value that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The node's name, or the output's.
    pub name: String,
    /// The operator's name.
    pub op: &'static str,
    /// The value's shape.
    pub shape: Vec<usize>,
    /// How far it is from what the interpreter says.
    pub difference: Difference,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckReport {
    /// What was compiled for.
    pub isa: Isa,
    /// The values of the scheduled graph, in the interpreter's order.
    pub layers: Vec<Compared>,
    /// The outputs of the network as it stands, compared with the graph before any pass.
    pub outputs: Vec<Compared>,
}

impl CheckReport {
    /// The first value whose relative difference is above the tolerance; a layer if there is one, else an output.
    pub fn first_above(&self, tolerance: f64) -> Option<&Compared> {
        let above = |c: &&Compared| c.difference.relative() > tolerance;
        self.layers.iter().chain(&self.outputs).find(above)
    }
}

impl Difference {
    /// Compares element by element.
    pub fn of(found: &[f32], expected: impl IntoIterator<Item = f64>) -> Self {
        let mut difference = Difference::default();
        for (&found, expected) in found.iter().zip(expected) {
            difference.add(f64::from(found), expected);
        }
        difference
    }

    fn add(&mut self, found: f64, expected: f64) {
        let same = found == expected || found.is_nan() && expected.is_nan();
        let gap = (found - expected).abs();
        if !same {
            self.max_abs = self.max_abs.max(if gap.is_nan() { f64::INFINITY } else { gap });
        }
        if expected.is_finite() {
            self.largest = self.largest.max(expected.abs());
        }
    }

    /// The greatest difference as a part of the greatest magnitude.
    pub fn relative(&self) -> f64 {
        if self.max_abs == 0.0 { 0.0 } else { self.max_abs / self.largest }
    }
}

/// Random values for every input of a graph: evenly spread over -1..1, the same for the same seed.
pub fn random_values(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut state = seed;
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 24 bits, as many as an f32 holds.
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let shapes = graph.inputs().iter().map(|&id| graph.node(id).ty.shape.clone());
    shapes
        .filter_map(|shape| {
            let data = (0..shape.iter().product()).map(|_| next()).collect();
            Tensor::new(shape, data)
        })
        .collect()
}

/// Compiles a network, runs it on `inputs` and compares every value with the interpreter. `progress` is told how
/// much of the interpreter's work is done, and of how much.
///
/// # Errors
/// If the network cannot be compiled or interpreted, or the inputs are not what it takes.
pub fn check(
    network: &Network,
    inputs: &[Tensor],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CheckReport, CheckError> {
    check_inputs(network.graph(), inputs)?;
    let values: Vec<Value> = inputs.iter().map(Value::from).collect();
    let mut scheduled = network.graph().clone();
    schedule(&mut scheduled, network.options())?;
    let mut work = Work { done: 0, total: cost(&scheduled) + cost(network.graph()), progress };
    let (isa, layers) = check_layers(&scheduled, network.options(), inputs, &values, &mut work)?;
    let outputs = check_outputs(network, inputs, &values, &mut work)?;
    Ok(CheckReport { isa, layers, outputs })
}

/// The interpreter's work, counted in multiply-adds and elements.
struct Work<'a> {
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Work<'_> {
    fn did(&mut self, graph: &Graph, node: NodeId) {
        self.done += node_cost(graph, node);
        (self.progress)(self.done, self.total);
    }
}

fn cost(graph: &Graph) -> u64 {
    graph.nodes().map(|n| node_cost(graph, n)).sum()
}

fn node_cost(graph: &Graph, node: NodeId) -> u64 {
    macs(graph, node).saturating_add(graph.node(node).ty.elements() as u64)
}

fn check_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<(), CheckError> {
    for (i, &id) in graph.inputs().iter().enumerate() {
        let node = graph.node(id);
        let given = inputs.get(i).map_or(Vec::new(), |t| t.shape().to_vec());
        if inputs.get(i).is_none() || given != node.ty.shape {
            let (name, wanted) = (node.name.clone(), node.ty.shape.clone());
            return Err(CheckError::Input { name, wanted, given });
        }
    }
    Ok(())
}

/// Every computed value of the scheduled graph.
fn check_layers(
    scheduled: &Graph,
    options: &Options,
    inputs: &[Tensor],
    values: &[Value],
    work: &mut Work<'_>,
) -> Result<(Isa, Vec<Compared>), CheckError> {
    let (exposed, position) = expose(scheduled)?;
    let model = compile_scheduled(exposed, options)?;
    let context = run(&model, inputs)?;
    let (mut layers, mut failed) = (Vec::new(), None);
    eval_each(scheduled, values, &mut |node, value| {
        work.did(scheduled, node);
        let Some(&output) = position.get(&node) else { return };
        match context.output(output) {
            Ok(found) => layers.push(compared(scheduled, node, found, value)),
            Err(e) => failed = Some(e),
        }
    })?;
    match failed {
        Some(e) => Err(e.into()),
        None => Ok((model.report().isa, layers)),
    }
}

/// The graph with every computed value as an output, and which output each is.
fn expose(graph: &Graph) -> Result<(Graph, BTreeMap<NodeId, usize>), GraphError> {
    let mut exposed = graph.clone();
    let mut position = BTreeMap::new();
    let computed = |n: &NodeId| graph.node(*n).op.is_computed();
    for node in graph.topo().into_iter().filter(computed) {
        // A planar copy that a padded convolution reads has a border, which an output cannot have.
        let found = graph.node(node);
        let value = match (found.ty.layout, &found.op) {
            (Layout::Blocked, _) | (_, Op::Reorder(_)) => {
                exposed.add("check", Op::Reorder(Layout::Planar), &[node])?
            }
            (Layout::Planar, _) => node,
        };
        position.insert(node, exposed.outputs().len());
        exposed.output(node.to_string(), value);
    }
    Ok((exposed, position))
}

/// The network as it stands.
fn check_outputs(
    network: &Network,
    inputs: &[Tensor],
    values: &[Value],
    work: &mut Work<'_>,
) -> Result<Vec<Compared>, CheckError> {
    let graph = network.graph();
    let model = network.clone().compile()?;
    let context = run(&model, inputs)?;
    let expected = eval_each(graph, values, &mut |node, _| work.did(graph, node))?;
    let outputs = graph.outputs().iter().zip(&expected).enumerate();
    outputs
        .map(|(i, (output, value))| {
            let compared = compared(graph, output.node, context.output(i)?, value);
            Ok(Compared { name: output.name.clone(), ..compared })
        })
        .collect()
}

fn run(model: &Model, inputs: &[Tensor]) -> Result<Context, RunError> {
    let mut context = model.context()?;
    for (i, tensor) in inputs.iter().enumerate() {
        context.input_mut(i)?.copy_from_slice(tensor.data());
    }
    context.poison();
    model.run(&mut context)?;
    Ok(context)
}

fn compared(graph: &Graph, node: NodeId, found: &[f32], expected: &Value) -> Compared {
    let n = graph.node(node);
    Compared {
        name: n.name.clone(),
        op: n.op.name(),
        shape: n.ty.shape.clone(),
        difference: Difference::of(found, expected.data.iter().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_relative_to_the_greatest_value_expected() {
        let difference = Difference::of(&[1.0, -3.5], [1.25, -4.0]);
        assert_eq!((difference.max_abs, difference.largest), (0.5, 4.0));
        assert_eq!(difference.relative(), 0.125);
        assert_eq!(Difference::of(&[0.0], [0.0]).relative(), 0.0);
        assert_eq!(Difference::of(&[1.0], [0.0]).relative(), f64::INFINITY);
    }

    #[test]
    fn what_is_no_number_must_be_none_on_both_sides() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let relative =
            |found, expected: f64| Difference::of(&[1.0, found], [1.0, expected]).relative();
        assert_eq!(relative(nan, f64::NAN), 0.0);
        assert_eq!(relative(inf, f64::INFINITY), 0.0);
        assert_eq!(relative(nan, 1.0), f64::INFINITY);
        assert_eq!(relative(1.0, f64::NAN), f64::INFINITY);
        assert_eq!(relative(inf, f64::NEG_INFINITY), f64::INFINITY);
    }

    #[test]
    fn random_values_are_spread_and_the_same_for_a_seed() {
        let mut graph = Graph::new();
        graph.input("x", [1000]);
        let values = random_values(&graph, 7);
        assert_eq!(values, random_values(&graph, 7));
        assert_ne!(values, random_values(&graph, 8));
        let data = values[0].data();
        assert!(data.iter().all(|x| (-1.0..1.0).contains(x)));
        let mean = data.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.1 && data.iter().any(|x| x.abs() > 0.9), "{mean}");
    }
}
