//! Whether variants of a network give the same results.

use resnetc::check::Difference;
use resnetc::compile::macs;
use resnetc::{Network, Numerics};

use crate::failure::Failure;

/// Half a unit in the last place of f32: the relative error of one rounding.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
/// How many standard deviations an error may have. Beyond six, chance is excluded for any number of
/// outputs.
const DEVIATIONS: f64 = 8.0;
/// How much larger errors of Winograd's algorithm are than those of direct convolution, see
/// [`Numerics`](resnetc::Numerics).
const WINOGRAD: f64 = 2.0;

/// The standard deviation of a rounded weight of 16 bits, relative to the root mean square of all, if
/// the largest is six times that: with the errors of the weights before it, the difference of two
/// errors that are uniform over a unit.
const WEIGHTS: f64 = 6.0 * 0.41 / 32766.0;

/// What outputs are compared with, and how much they may differ.
pub(super) struct Agreement {
    /// Whose outputs they are.
    pub(super) from: String,
    pub(super) expected: Vec<Vec<f64>>,
    /// Relative to the largest value.
    pub(super) tolerance: f64,
}

impl Agreement {
    /// The largest difference of outputs from the expected ones, relative to the largest value.
    ///
    /// # Errors
    /// If it is above the tolerance.
    pub(super) fn check(&self, name: &str, outputs: &[Vec<f32>]) -> Result<f64, Failure> {
        let pairs = outputs.iter().zip(&self.expected);
        let relative = |(found, expected): (&Vec<f32>, &Vec<f64>)| {
            Difference::of(found, expected.iter().copied()).relative()
        };
        let difference = pairs.map(relative).fold(0.0, f64::max);
        match difference <= self.tolerance {
            true => Ok(difference),
            false => Err(Failure::new(format!(
                "the outputs of \"{name}\" and of \"{}\" differ by {difference:.1e} of the largest value; \
                 rounding explains {:.1e}",
                self.from, self.tolerance
            ))
            .help("`resnetc check` finds the layer")),
        }
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
pub(super) fn tolerance(network: &Network) -> f64 {
    let graph = network.graph();
    let roundings = |node| {
        let elements = graph.node(node).ty.elements().max(1) as u64;
        let read = graph.operand(node, 0).map_or(0, |o| graph.node(o).ty.elements() as u64);
        (macs(graph, node) / elements).max(read / elements).max(1) as f64
    };
    let all: f64 = graph.nodes().filter(|&n| graph.node(n).op.is_computed()).map(roundings).sum();
    let weights = match network.options().numerics {
        Numerics::Fast | Numerics::Exact => 0.0,
        Numerics::Half => {
            let layers = graph.nodes().filter(|&n| macs(graph, n) > 0).count();
            WEIGHTS * DEVIATIONS * (layers as f64).sqrt()
        }
    };
    WINOGRAD * DEVIATIONS * ROUNDING * all.sqrt() + weights
}

/// Outputs in the form in which they are compared.
pub(super) fn widened(outputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    outputs.iter().map(|values| values.iter().map(|&x| f64::from(x)).collect()).collect()
}
