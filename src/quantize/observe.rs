//! The ranges of values, seen on calibration inputs.

use std::collections::BTreeSet;

use resnetc_ir::{Graph, NodeId, Op};

use super::encode::Ranges;
use super::error::QuantizeError;
use super::histogram::Histogram;
use super::method::Method;
use super::runner::Runner;
use super::samples::{Samples, Spread, Stage};
use super::select::Selection;
use crate::options::Options;

/// What calibration inputs show.
pub(super) struct Observed {
    pub(super) ranges: Ranges,
    /// How many runs there were.
    pub(super) runs: usize,
    /// Some of them.
    pub(super) kept: Vec<Vec<Vec<f32>>>,
}

/// Runs the network on all calibration inputs, and keeps at most `most` of them.
pub(super) fn observe<S: Samples>(
    graph: &Graph,
    selection: &Selection,
    options: &Options,
    method: Method,
    samples: &mut S,
    most: usize,
) -> Result<Observed, S::Error> {
    let roots: BTreeSet<NodeId> = selection.values.values().copied().collect();
    // In the order in which they are computed: the first that is not finite is the culprit.
    let roots: Vec<NodeId> = graph.topo().into_iter().filter(|n| roots.contains(n)).collect();
    let mut runner = Runner::new(graph, &roots, options)?;
    let mut histograms = vec![Histogram::new(); roots.len()];
    let mut spread = Spread::new(most);
    let mut runs = 0;
    samples.each(Stage::Ranges, &mut |inputs| {
        runner.run(inputs)?;
        for (i, (&root, histogram)) in roots.iter().zip(&mut histograms).enumerate() {
            histogram.add(runner.output(i)?).map_err(|value| {
                let node = graph.node(root);
                let (op, name) = (node.op.name(), node.name.clone());
                QuantizeError::NotFinite { op, name, value, run: runs }
            })?;
        }
        spread.add(inputs);
        runs += 1;
        Ok(())
    })?;
    if runs == 0 {
        return Err(QuantizeError::NoSamples.into());
    }
    let range = |(root, histogram): (NodeId, Histogram)| match graph.node(root).op {
        // What is given, such as pictures, has no outliers.
        Op::Input => (root, Method::MinMax.range(&histogram)),
        _ => (root, method.range(&histogram)),
    };
    let ranges = roots.into_iter().zip(histograms).map(range).collect();
    Ok(Observed { ranges, runs, kept: spread.kept })
}
