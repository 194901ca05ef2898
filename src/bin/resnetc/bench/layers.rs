//! Where the time goes, step by step and class by class.

use std::time::{Duration, Instant};

use resnetc::{Model, Network};
use serde::Serialize;

use super::class::class;
use super::subject::Subject;
use super::timing::{Plan, Stats, Turns};
use crate::failure::Failure;
use crate::stages::Stages;

/// Time of one step.
#[derive(Serialize)]
pub(super) struct Layer {
    pub(super) name: String,
    op: &'static str,
    pub(super) class: String,
    pub(super) kernel: String,
    shape: Vec<usize>,
    macs: u64,
    chunks: u64,
    #[serde(flatten)]
    pub(super) figures: Share,
}

/// Time of all steps of a class together.
#[derive(Serialize)]
pub(super) struct Class {
    pub(super) class: String,
    pub(super) steps: usize,
    macs: u64,
    #[serde(flatten)]
    pub(super) figures: Share,
}

/// A part of the run.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Share {
    /// Median; of a class, the sum of its steps' medians.
    pub(super) median_ms: f64,
    /// Of the sum of all steps.
    pub(super) share_of_time: f64,
    pub(super) gflops: f64,
    pub(super) share_of_peak: f64,
}

/// Both lists, the classes with the most time first.
#[derive(Serialize)]
pub(super) struct Layers {
    /// Sum of the steps' medians.
    pub(super) layers_ms: f64,
    pub(super) layer_iterations: usize,
    pub(super) classes: Vec<Class>,
    pub(super) layers: Vec<Layer>,
}

/// The times of each step in each run.
pub(super) fn measure(subject: &mut Subject, plan: Plan) -> Result<Vec<Vec<Duration>>, Failure> {
    let mut times = vec![Duration::ZERO; subject.model.steps().len()];
    let start = Instant::now();
    subject.model.run_timed(&mut subject.context, &mut times)?;
    let Turns { rounds, runs } = plan.turns(&[start.elapsed()], 0);
    let iterations = rounds * runs.iter().sum::<usize>();
    let mut steps = vec![Vec::with_capacity(iterations); times.len()];
    for _ in 0..iterations {
        subject.model.run_timed(&mut subject.context, &mut times)?;
        steps.iter_mut().zip(&times).for_each(|(step, &time)| step.push(time));
    }
    Ok(steps)
}

/// What the times come to.
pub(super) fn report(
    network: &Network,
    model: &Model,
    times: &[Vec<Duration>],
    peak: f64,
) -> Result<Layers, Failure> {
    let stages = Stages::of(network, network.options())?;
    let stats: Vec<Stats> = times.iter().map(|t| Stats::of(t.clone())).collect();
    let total: f64 = stats.iter().map(|s| s.median_ms).sum();
    let share = |ms: f64, macs: u64| {
        let gflops = gflops(macs, ms);
        Share {
            median_ms: ms,
            share_of_time: if total > 0.0 { ms / total } else { 0.0 },
            gflops,
            share_of_peak: gflops / peak,
        }
    };
    let nodes: Vec<_> = stages.steps().collect();
    let steps = model.steps().iter().map(|s| (s, nodes[s.operator])).zip(&stats);
    let layers: Vec<Layer> = steps
        .map(|((step, node), stats)| Layer {
            name: step.name.clone(),
            op: step.op,
            class: class(&stages.graph, node),
            kernel: step.kernel.clone(),
            shape: stages.graph.node(node).ty.shape.clone(),
            macs: step.macs,
            chunks: step.chunks,
            figures: share(stats.median_ms, step.macs),
        })
        .collect();
    let mut classes: Vec<Class> = Vec::new();
    for layer in &layers {
        match classes.iter_mut().find(|c| c.class == layer.class) {
            Some(class) => {
                class.steps += 1;
                class.macs += layer.macs;
                class.figures =
                    share(class.figures.median_ms + layer.figures.median_ms, class.macs);
            }
            None => classes.push(Class {
                class: layer.class.clone(),
                steps: 1,
                macs: layer.macs,
                figures: layer.figures,
            }),
        }
    }
    classes.sort_by(|a, b| b.figures.median_ms.total_cmp(&a.figures.median_ms));
    let layer_iterations = times.first().map_or(0, Vec::len);
    Ok(Layers { layers_ms: total, layer_iterations, classes, layers })
}

/// Billions of operations a second.
pub(super) fn gflops(macs: u64, ms: f64) -> f64 {
    if ms > 0.0 { 2.0 * macs as f64 / (ms * 1e6) } else { 0.0 }
}
