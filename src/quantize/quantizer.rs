//! The builder: what a caller can choose, and the sequence of the steps.

use std::collections::{BTreeMap, BTreeSet};

use resnetc_ir::{Graph, NodeId};

use super::encode::{Encoded, Shifts, encode};
use super::error::QuantizeError;
use super::method::Method;
use super::observe::observe;
use super::prepare::{is_layer, prepare};
use super::probe::{Error, probe, shifts};
use super::rank::Ranking;
use super::report::{Float, Operator, Reason, Report};
use super::samples::{Samples, Stage};
use super::select::{Selection, ends, nameable};
use crate::compiler::Network;
use crate::export::onnx::{self, Encodings};
use crate::nearest::nearest;

/// On how many runs the network's outputs are compared.
const COMPARED: usize = 16;

/// How a network is quantized.
#[derive(Clone, Debug)]
pub struct Quantizer {
    method: Method,
    corrects_bias: bool,
    first: bool,
    last: bool,
    keep: Vec<String>,
    ranks: bool,
}

impl Default for Quantizer {
    /// Ranges from the smallest element to the largest, with bias correction, all layers quantized and
    /// ranked.
    fn default() -> Self {
        let (method, keep) = (Method::default(), Vec::new());
        Quantizer { method, corrects_bias: true, first: true, last: true, keep, ranks: true }
    }
}

/// A quantized network.
#[derive(Clone, Debug)]
pub struct Quantized {
    graph: Graph,
    encodings: Encodings,
    report: Report,
}

impl Quantizer {
    /// How the ranges of values are found.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        Quantizer { method, ..self }
    }

    /// Whether biases take back the mean error of their layer; without, they are only rounded.
    #[must_use]
    pub fn bias_correction(self, corrects_bias: bool) -> Self {
        Quantizer { corrects_bias, ..self }
    }

    /// Whether the first layers are quantized: those that read inputs, and no other layer's result.
    #[must_use]
    pub fn first_layers(self, first: bool) -> Self {
        Quantizer { first, ..self }
    }

    /// Whether the last layers are quantized: those whose result no other layer reads.
    #[must_use]
    pub fn last_layers(self, last: bool) -> Self {
        Quantizer { last, ..self }
    }

    /// Operators that stay in f32, by the names of their nodes. A name stands for all nodes that
    /// have it.
    #[must_use]
    pub fn keep(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Quantizer { keep: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether it is measured for each operator what the network's outputs gain if it stays in f32:
    /// [`Operator::outputs_db_without`]. That takes a compilation and a few runs for each.
    #[must_use]
    pub fn rank(self, ranks: bool) -> Self {
        Quantizer { ranks, ..self }
    }

    /// Checks what can be checked before any calibration input is read, and [`Quantizer::quantize`]
    /// checks, too.
    ///
    /// # Errors
    /// If the percentile is none, the network is quantized already, it has no layer to quantize, or
    /// none of a name that is to stay in f32.
    pub fn check(&self, network: &Network) -> Result<(), QuantizeError> {
        self.prepared(network).map(drop)
    }

    /// Quantizes a network, in the batch that it was loaded with.
    ///
    /// # Errors
    /// As [`Quantizer::check`]; also if there are no calibration inputs, they do not fit the
    /// network, a value is not finite for one of them, or the network cannot be compiled.
    pub fn quantize<S: Samples>(
        &self,
        network: &Network,
        samples: &mut S,
    ) -> Result<Quantized, S::Error> {
        let (graph, mut floats) = self.prepared(network)?;
        let options = network.options();
        let selection = Selection::of(&graph, &floats.keys().copied().collect());
        let seen = observe(&graph, &selection, options, self.method, samples, COMPARED)?;
        let plain = encode(&graph, &seen.ranges, &Shifts::new(), &mut floats)?;
        let errors = probe(&graph, &plain, options, samples)?;
        let quantized = match self.corrects_bias {
            true => {
                let shifts = shifts(&graph, &plain, &errors);
                encode(&graph, &seen.ranges, &shifts, &mut floats)?
            }
            false => plain,
        };
        check_rest(&graph, &quantized.selection)?;
        let ranking = Ranking::new(&graph, options, &seen.kept)?;
        let outputs_db = ranking.of(&quantized.encodings)?;
        let own = self.own(&graph, &quantized, &errors);
        let tried: Vec<NodeId> =
            own.iter().map(|&(operator, _)| operator).filter(|_| self.ranks).collect();
        let stay: BTreeSet<NodeId> = floats.keys().copied().collect();
        let without = ranking.without(&quantized, &stay, &tried, &mut |done| {
            samples.progress(Stage::Layers, done, tried.len());
        })?;
        let described =
            own.into_iter().map(|(operator, db)| described(&graph, operator, db, &without));
        let report = Report {
            runs: seen.runs,
            operators: ordered(described.collect()),
            floats: left(&graph, &floats),
            outputs_db,
            outputs_runs: seen.kept.len(),
        };
        Ok(Quantized { graph, encodings: quantized.encodings, report })
    }

    /// The graph that is quantized, and which operators of it stay in f32.
    fn prepared(
        &self,
        network: &Network,
    ) -> Result<(Graph, BTreeMap<NodeId, Reason>), QuantizeError> {
        self.method.check()?;
        let graph = prepare(network.graph(), self.corrects_bias)?;
        let floats = self.floats(&graph)?;
        let selection = Selection::of(&graph, &floats.keys().copied().collect());
        check_rest(&graph, &selection)?;
        Ok((graph, floats))
    }

    fn floats(&self, graph: &Graph) -> Result<BTreeMap<NodeId, Reason>, QuantizeError> {
        let [first, last] = ends(graph);
        let mut floats = BTreeMap::new();
        let ends = [(self.first, first, Reason::First), (self.last, last, Reason::Last)];
        for (is_quantized, layers, reason) in ends {
            if !is_quantized {
                floats.extend(layers.into_iter().map(|layer| (layer, reason)));
            }
        }
        let operators = nameable(graph);
        for name in &self.keep {
            let of_name = |node: &&NodeId| graph.node(**node).name == *name;
            let named: Vec<NodeId> = operators.iter().filter(of_name).copied().collect();
            if named.is_empty() {
                let known: Vec<String> =
                    operators.iter().map(|&n| graph.node(n).name.clone()).collect();
                let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
                return Err(QuantizeError::UnknownLayer { name: name.clone(), near, known });
            }
            floats.extend(named.into_iter().map(|node| (node, Reason::Named)));
        }
        Ok(floats)
    }

    /// The quantized operators that compute something, and the ratios of signal to noise of their own
    /// results, in the order in which they run.
    fn own(
        &self,
        graph: &Graph,
        quantized: &Encoded,
        errors: &BTreeMap<NodeId, Error>,
    ) -> Vec<(NodeId, f64)> {
        let ratio = |&operator: &NodeId| {
            let corrected = self.corrects_bias && is_layer(graph, operator);
            let error = errors.get(&operator);
            (operator, error.map_or(f64::INFINITY, |error| error.decibels(corrected)))
        };
        let Selection { operators, values } = &quantized.selection;
        let is_moved = |node: &&NodeId| values.get(node).is_some_and(|root| root != *node);
        operators.iter().filter(|n| !is_moved(n)).map(ratio).collect()
    }
}

/// How many layers a network has that can be quantized.
fn layers(graph: &Graph) -> usize {
    Selection::of(graph, &BTreeSet::new()).layers(graph).count()
}

/// Checks that a layer remains.
fn check_rest(graph: &Graph, selection: &Selection) -> Result<(), QuantizeError> {
    match selection.layers(graph).next() {
        Some(_) => Ok(()),
        None => Err(QuantizeError::NothingToQuantize { layers: layers(graph) }),
    }
}

fn described(
    graph: &Graph,
    operator: NodeId,
    own_db: f64,
    without: &BTreeMap<NodeId, f64>,
) -> Operator {
    let node = graph.node(operator);
    let weights = graph.operand(operator, 1).filter(|_| is_layer(graph, operator));
    Operator {
        name: node.name.clone(),
        op: node.op.name(),
        weights: weights.map_or(0, |weights| graph.node(weights).ty.elements()),
        own_db,
        outputs_db_without: without.get(&operator).copied(),
    }
}

/// The operators that cost the outputs the most first; then those with the largest errors of their
/// own.
fn ordered(mut operators: Vec<Operator>) -> Vec<Operator> {
    let cost = |operator: &Operator| operator.outputs_db_without.unwrap_or(f64::NEG_INFINITY);
    operators
        .sort_by(|a, b| cost(b).total_cmp(&cost(a)).then_with(|| a.own_db.total_cmp(&b.own_db)));
    operators
}

/// The operators that stay in f32, in the order in which they run.
fn left(graph: &Graph, floats: &BTreeMap<NodeId, Reason>) -> Vec<Float> {
    let left = graph.topo().into_iter().filter_map(|node| Some((node, *floats.get(&node)?)));
    left.map(|(node, reason)| {
        let node = graph.node(node);
        Float { name: node.name.clone(), op: node.op.name(), reason }
    })
    .collect()
}

impl Quantized {
    /// The network as the bytes of an ONNX file, with `QuantizeLinear` and `DequantizeLinear` around
    /// each quantized operator. The same network and calibration inputs give the same bytes on the
    /// same machine.
    ///
    /// # Errors
    /// If it has values that ONNX cannot express, or is too large for a file.
    pub fn to_onnx(&self) -> Result<Vec<u8>, QuantizeError> {
        Ok(onnx::encode_with(&self.graph, &self.encodings)?)
    }

    /// What was quantized, and how well.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
