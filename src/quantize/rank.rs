//! Which operators cost a network the most: what its outputs gain if one of them stays in f32.

use std::collections::{BTreeMap, BTreeSet};

use resnetc_ir::{Graph, NodeId};

use super::encode::Encoded;
use super::error::QuantizeError;
use super::probe::decibels;
use super::runner::Runner;
use super::simulate::simulated;
use crate::export::onnx::Encodings;
use crate::options::Options;

/// The network's outputs on some calibration inputs.
pub(super) struct Ranking<'a> {
    graph: &'a Graph,
    options: &'a Options,
    runs: &'a [Vec<Vec<f32>>],
    /// The outputs in f32, run by run.
    exact: Vec<Vec<f32>>,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        options: &'a Options,
        runs: &'a [Vec<Vec<f32>>],
    ) -> Result<Self, QuantizeError> {
        let ranking = Ranking { graph, options, runs, exact: Vec::new() };
        let exact = ranking.outputs(graph)?;
        Ok(Ranking { exact, ..ranking })
    }

    /// All outputs of each run, one after the other.
    fn outputs(&self, graph: &Graph) -> Result<Vec<Vec<f32>>, QuantizeError> {
        let outputs: Vec<NodeId> = graph.outputs().iter().map(|o| o.node).collect();
        let mut runner = Runner::new(graph, &outputs, self.options)?;
        let mut all = Vec::new();
        for run in self.runs {
            let inputs: Vec<&[f32]> = run.iter().map(Vec::as_slice).collect();
            runner.run(&inputs)?;
            let mut elements = Vec::new();
            for i in 0..outputs.len() {
                elements.extend_from_slice(runner.output(i)?);
            }
            all.push(elements);
        }
        Ok(all)
    }

    /// The ratio of signal to quantization noise of the outputs, in dB.
    pub(super) fn of(&self, encodings: &Encodings) -> Result<f64, QuantizeError> {
        let found = self.outputs(&simulated(self.graph, encodings)?)?;
        let (mut signal, mut noise) = (0.0, 0.0);
        for (exact, found) in self.exact.iter().flatten().zip(found.iter().flatten()) {
            let (exact, found) = (f64::from(*exact), f64::from(*found));
            signal += exact * exact;
            noise += (found - exact) * (found - exact);
        }
        Ok(decibels([signal, noise]))
    }

    /// The ratio for each of these operators, if it stays in f32 in addition to `floats`.
    pub(super) fn without(
        &self,
        quantized: &Encoded,
        floats: &BTreeSet<NodeId>,
        operators: &[NodeId],
        progress: &mut dyn FnMut(usize),
    ) -> Result<BTreeMap<NodeId, f64>, QuantizeError> {
        let mut ratios = BTreeMap::new();
        for (done, &operator) in operators.iter().enumerate() {
            progress(done);
            let mut floats = floats.clone();
            floats.insert(operator);
            let fewer = quantized.without(self.graph, &floats);
            ratios.insert(operator, self.of(&fewer.encodings)?);
        }
        progress(operators.len());
        Ok(ratios)
    }
}
