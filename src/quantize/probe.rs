//! The error that each quantized operator makes alone: on the exact values of its operands, rounded
//! to bytes, with its weights and bias as integers, before its result becomes bytes.

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId, Patch};

use super::encode::{Encoded, Shifts};
use super::error::QuantizeError;
use super::runner::Runner;
use super::samples::{Samples, Stage};
use super::simulate::encoded;
use crate::options::Options;

/// The difference of an operator's result from the exact one, over all calibration inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Error {
    /// The sum of the differences, by channel (axis 1).
    sums: Vec<f64>,
    /// How many elements a channel had.
    count: f64,
    squares: f64,
    /// The sum of the squares of the exact result.
    signal: f64,
}

impl Error {
    fn add(&mut self, shape: &[usize], exact: &[f32], found: &[f32]) {
        let channels = shape.get(1).copied().unwrap_or(1).max(1);
        let inner = shape.iter().skip(2).product::<usize>().max(1);
        self.sums.resize(channels, 0.0);
        self.count += (exact.len() / channels) as f64;
        let planes = exact.chunks(inner).zip(found.chunks(inner));
        for (plane, (exact, found)) in planes.enumerate() {
            let mut sum = 0.0;
            for (&exact, &found) in exact.iter().zip(found) {
                let (exact, difference) = (f64::from(exact), f64::from(found) - f64::from(exact));
                sum += difference;
                self.squares += difference * difference;
                self.signal += exact * exact;
            }
            self.sums[plane % channels] += sum;
        }
    }

    /// The mean difference of each channel.
    fn means(&self) -> impl Iterator<Item = f64> + '_ {
        self.sums.iter().map(|sum| sum / self.count.max(1.0))
    }

    /// The signal and what differs from it, as sums of squares; `corrected` means that the mean
    /// difference of each channel is subtracted.
    fn powers(&self, corrected: bool) -> [f64; 2] {
        let means: f64 = self.means().map(|mean| mean * mean * self.count).sum();
        let noise = if corrected { self.squares - means } else { self.squares };
        [self.signal, noise.max(0.0)]
    }

    /// The ratio of signal to noise, in dB.
    pub(super) fn decibels(&self, corrected: bool) -> f64 {
        decibels(self.powers(corrected))
    }
}

/// A ratio of powers in dB: infinite without noise.
pub(super) fn decibels([signal, noise]: [f64; 2]) -> f64 {
    match (signal, noise) {
        (_, 0.0) => f64::INFINITY,
        (signal, noise) => 10.0 * (signal / noise).log10(),
    }
}

/// The errors of all quantized operators, and the shifts of biases that remove their means.
///
/// Source of the correction: Nagel et al., "Data-Free Quantization Through Weight Equalization and
/// Bias Correction", 2019, section 4.2: weights that are off by a rounding error shift the mean of a
/// layer's result by a number for each channel, which its bias can take back. Here that shift is
/// measured on the calibration inputs, as in the paper's appendix D; each layer reads exact values
/// rounded to bytes, so shifts of the layers before it are not taken back twice.
pub(super) fn probe<S: Samples>(
    graph: &Graph,
    quantized: &Encoded,
    options: &Options,
    samples: &mut S,
) -> Result<BTreeMap<NodeId, Error>, S::Error> {
    let (probed, pairs) = shadows(graph, quantized)?;
    let outputs: Vec<NodeId> = pairs.iter().flat_map(|&(exact, found)| [exact, found]).collect();
    let mut runner = Runner::new(&probed, &outputs, options)?;
    let mut errors: BTreeMap<NodeId, Error> = BTreeMap::new();
    samples.each(Stage::Errors, &mut |inputs| {
        runner.run(inputs)?;
        for (i, &(operator, _)) in pairs.iter().enumerate() {
            let shape = &probed.node(operator).ty.shape;
            let (exact, found) = (runner.output(2 * i)?, runner.output(2 * i + 1)?);
            errors.entry(operator).or_default().add(shape, exact, found);
        }
        Ok(())
    })?;
    Ok(errors)
}

/// What removes the mean errors of layers that have a bias.
pub(super) fn shifts(
    graph: &Graph,
    quantized: &Encoded,
    errors: &BTreeMap<NodeId, Error>,
) -> Shifts {
    let layers = quantized.selection.layers(graph).filter(|&n| graph.operand(n, 2).is_some());
    let shift = |layer: NodeId| {
        errors.get(&layer).map(|error| (layer, error.means().map(|mean| -mean).collect()))
    };
    layers.filter_map(shift).collect()
}

/// The graph with a second copy of each quantized operator, on rounded operands: for each, the
/// operator and its copy there. Ids of the graph stay valid.
fn shadows(
    graph: &Graph,
    quantized: &Encoded,
) -> Result<(Graph, Vec<(NodeId, NodeId)>), QuantizeError> {
    let mut probed = graph.clone();
    // Operands that are rounded already.
    let mut rounded: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut pairs = Vec::new();
    for &operator in &quantized.selection.operators {
        let mut operands = Vec::new();
        for operand in graph.operands(operator) {
            let Some(encoding) = quantized.encodings.get(operand) else {
                operands.push(operand);
                continue;
            };
            let own = match rounded.get(&operand) {
                Some(&own) => own,
                None => {
                    let mut patch = Patch::new("round an operand");
                    encoded(&mut patch, graph, operand, encoding)?;
                    let change = probed.apply(patch)?;
                    let own = change.added[change.added.len() - 1];
                    rounded.insert(operand, own);
                    own
                }
            };
            operands.push(own);
        }
        let node = graph.node(operator).clone();
        let copy = probed.add(node.name, node.op, &operands)?;
        pairs.push((operator, copy));
    }
    Ok((probed, pairs))
}
