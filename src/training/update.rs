//! How a step changes parameters and running statistics.

use resnetc_ir::{Graph, GraphError, NodeId};

use super::names;
use super::recipe::Optimizer;
use super::scope::{Added, Scope};
use crate::spec::Statistics;

/// The inputs that say how far a step goes, each a single number `[1]`.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    /// The learning rate.
    pub(super) rate: NodeId,
    /// For AdamW after `t` steps, this one included: `1 - beta^t` for both shares.
    pub(super) corrections: Option<[NodeId; 2]>,
}

impl Rates {
    /// The names of the inputs for the corrections.
    pub(super) const CORRECTIONS: [&str; 2] = ["mean_correction", "square_correction"];

    /// Adds the inputs that an optimizer needs.
    pub(super) fn new(graph: &mut Graph, optimizer: Optimizer) -> Self {
        let rate = graph.input(names::RATE, [1]);
        let corrections = match optimizer {
            Optimizer::Sgd { .. } => None,
            Optimizer::AdamW { .. } => Some(Rates::CORRECTIONS.map(|name| graph.input(name, [1]))),
        };
        Rates { rate, corrections }
    }
}

/// Carries the next value of a parameter, and of what the optimizer remembers of it.
pub(super) fn parameter(
    graph: &mut Graph,
    optimizer: Optimizer,
    rates: &Rates,
    decay: f64,
    [weights, gradient]: [NodeId; 2],
) -> Result<(), GraphError> {
    let name = graph.node(weights).name.clone();
    let shape = graph.node(weights).ty.shape.clone();
    let mut memory = |part: &str| graph.input(format!("{name}.{part}"), shape.clone());
    match (optimizer, &rates.corrections) {
        (Optimizer::Sgd { momentum, nesterov }, _) => {
            let velocity = (momentum != 0.0).then(|| memory(VELOCITY));
            let mut scope = Scope { graph, name };
            sgd(&mut scope, rates, decay, [weights, gradient], velocity, (momentum, nesterov))
        }
        (Optimizer::AdamW { betas, epsilon }, &Some(corrections)) => {
            let moments = [memory(MEAN), memory(SQUARE)];
            let mut scope = Scope { graph, name };
            let direction = adam(&mut scope, gradient, moments, (betas, epsilon), corrections)?;
            let shrunk = decayed(&mut scope, weights, rates.rate, decay)?;
            let next = moved(&mut scope, shrunk, direction, rates.rate)?;
            scope.graph.carry(weights, next);
            Ok(())
        }
        (Optimizer::AdamW { .. }, None) => Ok(()),
    }
}

/// What optimizers call what they remember of a parameter, after its name.
const VELOCITY: &str = "velocity";
const MEAN: &str = "gradient_mean";
const SQUARE: &str = "gradient_square";

fn sgd(
    scope: &mut Scope<'_>,
    rates: &Rates,
    decay: f64,
    [weights, gradient]: [NodeId; 2],
    velocity: Option<NodeId>,
    (momentum, nesterov): (f64, bool),
) -> Result<(), GraphError> {
    let mut direction = gradient;
    if decay != 0.0 {
        let pull = scope.times(weights, decay)?;
        direction = scope.sum(direction, pull)?;
    }
    if let Some(velocity) = velocity {
        let kept = scope.times(velocity, momentum)?;
        let next = scope.sum(kept, direction)?;
        scope.graph.carry(velocity, next);
        direction = match nesterov {
            true => {
                let ahead = scope.times(next, momentum)?;
                scope.sum(direction, ahead)?
            }
            false => next,
        };
    }
    let next = moved(scope, weights, direction, rates.rate)?;
    scope.graph.carry(weights, next);
    Ok(())
}

/// `m / c1 / (sqrt(v / c2) + epsilon)` with `m` and `v` the running mean and mean square of the
/// gradient, and `c1` and `c2` their corrections.
fn adam(
    scope: &mut Scope<'_>,
    gradient: NodeId,
    [mean, square]: [NodeId; 2],
    ([keep_mean, keep_square], epsilon): ([f64; 2], f64),
    [of_mean, of_square]: [NodeId; 2],
) -> Added {
    let next_mean = blended(scope, mean, gradient, 1.0 - keep_mean)?;
    let squared = scope.product(gradient, gradient)?;
    let next_square = blended(scope, square, squared, 1.0 - keep_square)?;
    scope.graph.carry(mean, next_mean);
    scope.graph.carry(square, next_square);
    let mean = scope.quotient(next_mean, of_mean)?;
    let square = scope.quotient(next_square, of_square)?;
    let root = scope.root(square)?;
    let root = scope.plus(root, epsilon)?;
    scope.quotient(mean, root)
}

/// `weights * (1 - rate * decay)`
fn decayed(scope: &mut Scope<'_>, weights: NodeId, rate: NodeId, decay: f64) -> Added {
    if decay == 0.0 {
        return Ok(weights);
    }
    let loss = scope.times(rate, -decay)?;
    let kept = scope.plus(loss, 1.0)?;
    scope.product(weights, kept)
}

/// `weights - rate * direction`
fn moved(scope: &mut Scope<'_>, weights: NodeId, direction: NodeId, rate: NodeId) -> Added {
    let step = scope.product(direction, rate)?;
    scope.difference(weights, step)
}

/// `old * (1 - share) + new * share`, in a form in which the two shares add up to 1 although the
/// constant is rounded.
fn blended(scope: &mut Scope<'_>, old: NodeId, new: NodeId, share: f64) -> Added {
    let difference = scope.difference(new, old)?;
    let added = scope.times(difference, share)?;
    scope.sum(old, added)
}

/// Carries the running statistics of a normalization: the mean, and the unbiased variance, which is
/// `n / (n - 1)` times the biased one (PyTorch's `BatchNorm2d`).
pub(super) fn statistics(
    graph: &mut Graph,
    Statistics { running, batch, count }: Statistics,
    share: f64,
) -> Result<(), GraphError> {
    let unbiased = count as f64 / (count - 1) as f64;
    for ((running, batch), scale) in running.into_iter().zip(batch).zip([1.0, unbiased]) {
        let name = graph.node(running).name.clone();
        let mut scope = Scope { graph, name };
        let new = if scale == 1.0 { batch } else { scope.times(batch, scale)? };
        let next = blended(&mut scope, running, new, share)?;
        graph.carry(running, next);
    }
    Ok(())
}
