//! A compiled network that can be run and timed.

use std::time::{Duration, Instant};

use resnetc::compile::ForGradients;
use resnetc::ir::memory::copied;
use resnetc::{Context, Isa, Model, Network};
use serde::Serialize;

use super::agree::results;
use crate::failure::Failure;
use crate::inputs;
use crate::run::{Phase, phases};

/// A compiled network with its inputs in place.
pub(super) struct Subject {
    pub(super) model: Model,
    pub(super) context: Context,
    results: Vec<usize>,
}

impl Subject {
    /// Compiles a network and fills its inputs with random values.
    pub(super) fn new(network: &Network, seed: u64) -> Result<Self, Failure> {
        let values = inputs::steady(network, seed)?;
        let results = results(network.graph());
        let model = network.clone().compile()?;
        let mut context = model.context()?;
        for (i, tensor) in values.iter().enumerate() {
            context.input_mut(i)?.copy_from_slice(tensor.data());
        }
        Ok(Subject { model, context, results })
    }

    pub(super) fn run(&mut self) -> Result<(), Failure> {
        Ok(self.model.run(&mut self.context)?)
    }

    /// One timed run.
    pub(super) fn time(&mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        self.run()?;
        Ok(start.elapsed())
    }

    /// The outputs of the last run that are compared.
    pub(super) fn outputs(&self) -> Result<Vec<Vec<f32>>, Failure> {
        let copy =
            |&i: &usize| copied(self.context.output::<f32>(i)?).map_err(Failure::memory("outputs"));
        self.results.iter().map(copy).collect()
    }
}

/// The result of a compilation.
#[derive(Clone, Serialize)]
pub(super) struct Compiled {
    pub(super) compile_ms: f64,
    pub(super) phases: Vec<Phase>,
    pub(super) arena_bytes: usize,
    /// In addition to the arena, for each thread.
    pub(super) thread_bytes: usize,
    pub(super) weight_bytes: usize,
    pub(super) code_bytes: usize,
    pub(super) kernels: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) for_gradients: Option<ForGradients>,
    /// Regions that a run calls, one after the other.
    pub(super) steps: usize,
    /// Layers whose algorithm was chosen by measured times.
    pub(super) tuned: usize,
    #[serde(skip)]
    pub(super) isa: Isa,
    #[serde(skip)]
    pub(super) threads: usize,
}

impl Compiled {
    pub(super) fn of(model: &Model) -> Self {
        let report = model.report();
        Compiled {
            compile_ms: report.total().as_secs_f64() * 1e3,
            phases: phases(model),
            arena_bytes: report.arena_bytes,
            thread_bytes: report.thread_bytes,
            weight_bytes: report.weight_bytes,
            code_bytes: report.code_bytes,
            kernels: report.kernels,
            for_gradients: report.for_gradients,
            steps: model.steps().len(),
            tuned: report.tuned,
            isa: report.isa,
            threads: model.threads(),
        }
    }

    /// Memory of the model and a context.
    pub(super) fn bytes(&self) -> usize {
        self.weight_bytes + self.arena_bytes + self.threads * self.thread_bytes + self.code_bytes
    }
}
