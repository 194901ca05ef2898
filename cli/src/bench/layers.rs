//! Where the time goes, step by step and class by class.

use resnetc::profile::{ClassProfile, StepProfile};
use serde::Serialize;

use super::subject::Subject;
use super::timing::{Plan, Turns};
use crate::failure::Failure;

/// What `--layers` adds to the figures.
#[derive(Serialize)]
pub(super) struct Layers {
    /// Sum of the steps' medians.
    pub(super) layers_ms: f64,
    pub(super) layer_iterations: usize,
    /// The spread of the middle half of the profiled runs, relative to their median.
    #[serde(rename = "layers_spread")]
    pub(super) spread: f64,
    pub(super) classes: Vec<ClassProfile>,
    pub(super) layers: Vec<StepProfile>,
}

/// Profiles a network in separate runs.
pub(super) fn measure(subject: &mut Subject, plan: Plan, peak: f64) -> Result<Layers, Failure> {
    let Turns { rounds, runs } = plan.turns(&[subject.time()?], 0);
    let runs = rounds * runs.iter().sum::<usize>();
    let profile = subject.model.profile(&mut subject.context, runs, peak)?;
    Ok(Layers {
        layers_ms: profile.milliseconds,
        layer_iterations: profile.runs,
        spread: profile.spread,
        classes: profile.classes,
        layers: profile.steps,
    })
}

/// Billions of operations a second.
pub(crate) fn gflops(macs: u64, ms: f64) -> f64 {
    if ms > 0.0 { 2.0 * macs as f64 / (ms * 1e6) } else { 0.0 }
}
