//! Whether variants of a network give the same results.

use resnetc::check::Difference;
use resnetc::compile::macs;
use resnetc::ir::op::Unary;
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::{Network, Numerics};

use super::variant::Variant;
use crate::failure::Failure;

/// Half a unit in the last place of f32: the relative error of one rounding.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
/// How many standard deviations an error may have. Beyond six, chance is excluded for any number of
/// outputs.
const DEVIATIONS: f64 = 8.0;
/// How much larger errors of Winograd's algorithm are than those of direct convolution, see
/// [`Numerics`](resnetc::Numerics).
const WINOGRAD: f64 = 2.0;

/// The standard deviation of a rounded weight of 16 bits, relative to the root mean square of all,
/// if the largest is six times that: with the errors of the weights before it, the difference of
/// two errors that are uniform over a unit.
const WEIGHTS: f64 = 6.0 * 0.41 / 32766.0;

/// How far quantizing a value moves it, relative to the largest: with the errors of the values that
/// it is computed from, the difference of two errors that are uniform over one of 255 steps.
const QUANTIZED: f64 = 0.41 / 255.0;

/// What outputs are compared with, and how much they may differ.
pub(super) struct Agreement {
    /// Whose outputs they are.
    pub(super) from: String,
    pub(super) expected: Vec<Vec<f64>>,
    /// Of the network that they are outputs of, see [`tolerance`].
    pub(super) tolerance: f64,
}

/// How much the outputs of a variant differ from the expected ones, relative to the largest value.
#[derive(Clone, Copy)]
pub(super) struct Agreed {
    pub(super) difference: f64,
    /// What rounding explains; `None` for the outputs of another network.
    pub(super) tolerance: Option<f64>,
}

impl Agreement {
    /// The largest difference of a variant's outputs from the expected ones.
    ///
    /// # Errors
    /// If rounding does not explain it.
    pub(super) fn check(&self, variant: &Variant, outputs: &[Vec<f32>]) -> Result<Agreed, Failure> {
        let tolerance = self.tolerance.max(tolerance(&variant.network));
        let explained = Some(tolerance).filter(|_| !variant.is_other);
        let pairs = outputs.iter().zip(&self.expected);
        let relative = |(found, expected): (&Vec<f32>, &Vec<f64>)| {
            Difference::of(found, expected.iter().copied()).relative()
        };
        let difference = pairs.map(relative).fold(0.0, f64::max);
        match explained.is_none_or(|tolerance| difference <= tolerance) {
            true => Ok(Agreed { difference, tolerance: explained }),
            false => Err(Failure::new(format!(
                "the outputs of \"{}\" and of \"{}\" differ by {difference:.1e} of the largest value; \
                 rounding explains {:.1e}",
                variant.name, self.from, tolerance
            ))
            .help("`resnetc check` finds the layer")),
        }
    }

    /// The largest difference of the variants in the network's own numbers.
    pub(super) fn worst(&self, variants: &[Agreed]) -> f64 {
        let is_own = |of: &&Agreed| of.tolerance.is_some_and(|most| most <= self.tolerance);
        let own = variants.iter().filter(is_own);
        own.map(|of| of.difference).fold(0.0, f64::max)
    }
}

/// How much two results of a network may differ, relative to the largest value.
///
/// Rounding errors are nearly independent, so the error of a sum of n products grows with the
/// square root of n (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis",
/// 2019), and error that a layer inherits from the one before counts like more products. The
/// longest path through a network has no more roundings than all layers together have for one
/// element each.
///
/// Weights of 16 bits are rounded after passes have changed them, which differ between variants.
/// Where a network rounds values to integers, two results that differ by a rounding error may be
/// rounded to both sides, and soon all differ about as far as quantizing moves them.
pub(super) fn tolerance(network: &Network) -> f64 {
    let graph = network.graph();
    let roundings = |node| {
        let elements = graph.node(node).ty.elements().max(1) as u64;
        let read = graph.operand(node, 0).map_or(0, |o| graph.node(o).ty.elements() as u64);
        (macs(graph, node) / elements).max(read / elements).max(1) as f64
    };
    let all: f64 = graph.nodes().filter(|&n| graph.node(n).op.is_computed()).map(roundings).sum();
    let weights = match network.options().numerics {
        Numerics::Fast | Numerics::Portable | Numerics::Exact => 0.0,
        Numerics::Half => {
            let layers = graph.nodes().filter(|&n| macs(graph, n) > 0).count();
            WEIGHTS * DEVIATIONS * (layers as f64).sqrt()
        }
    };
    let is_quantizer = |&n: &NodeId| matches!(graph.node(n).op, Op::Unary(Unary::Round));
    let quantizers = graph.nodes().filter(is_quantizer).count();
    let values = QUANTIZED * DEVIATIONS * (quantizers as f64).sqrt();
    WINOGRAD * DEVIATIONS * ROUNDING * all.sqrt() + weights + values
}

/// The positions of the outputs that are compared. The next values of a step's parameters are not:
/// the gradient of a ReLU is that of one side or of the other, and rounding decides which it is where
/// values are nearly 0. `resnetc check` compares them layer by layer.
pub(super) fn results(graph: &Graph) -> Vec<usize> {
    let outputs = graph.outputs().iter().enumerate();
    outputs.filter(|(_, output)| output.next_of.is_none()).map(|(i, _)| i).collect()
}

/// Outputs in the form in which they are compared.
pub(super) fn widened(outputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    outputs.iter().map(|values| values.iter().map(|&x| f64::from(x)).collect()).collect()
}
