//! The network with and without its optional passes, run in turns, so that a machine that slows down slows both.

use resnetc::check::Difference;
use resnetc::{Compiler, Network, Options};
use serde::Serialize;

use super::Subject;
use super::report::Figures;
use super::timing::{Plan, Stats, time, warm_up};
use crate::failure::Failure;

/// Outputs further apart than this (as a part of the greatest value) are not results of the same network.
const TOLERANCE: f64 = 1e-3;

/// The other variant.
#[derive(Serialize)]
pub(super) struct Compared {
    /// Figures without the optional passes.
    pub(super) unfused: Figures,
    /// Median without by median with.
    pub(super) speedup: f64,
    /// The greatest difference of their outputs, as a part of the greatest value.
    pub(super) outputs_relative_difference: f64,
}

/// Checks that both give the same, then times them alternately.
pub(super) fn measure(
    fused: &mut Subject,
    network: &Network,
    seed: u64,
    plan: Plan,
) -> Result<(Stats, Compared), Failure> {
    let options = Options { unfused: true, ..network.options().clone() };
    let network = Compiler::new(options).graph(network.graph().clone());
    let mut unfused = Subject::new(network, seed)?;
    let one = warm_up(fused, plan)? + warm_up(&mut unfused, plan)?;
    let difference = difference(fused, &unfused)?;
    if !(difference <= TOLERANCE) {
        return Err(Failure::new(format!(
            "the outputs with and without optional passes differ by {difference:.1e} of the greatest value"
        ))
        .help("`resnetc check` finds the layer"));
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..plan.iterations(one) {
        with.push(time(fused)?);
        without.push(time(&mut unfused)?);
    }
    let (with, without) = (Stats::of(with), Stats::of(without));
    let compared = Compared {
        unfused: Figures::of(&unfused.model, &without),
        speedup: without.median_ms / with.median_ms,
        outputs_relative_difference: difference,
    };
    Ok((with, compared))
}

fn difference(a: &Subject, b: &Subject) -> Result<f64, Failure> {
    let mut worst = 0f64;
    for i in 0..a.model.outputs().len() {
        let expected = b.context.output(i)?.iter().map(|&x| f64::from(x));
        worst = worst.max(Difference::of(a.context.output(i)?, expected).relative());
    }
    Ok(worst)
}
