//! Epoch after epoch.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use resnetc::import::safetensors;
use resnetc::one_line::path_line;
use resnetc::spec::{Spec, SpecErrorKind, Weights};
use resnetc::training::{Trainer, TrainingError};

use super::args::Args;
use super::data::{Batches, Dataset, Epoch, Normalization, Pace, Recipe, View};
use super::evaluate::{Score, Tally, evaluate};
use super::log::{Line, Log};
use super::schedule::Schedule;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// At most so many picture files are read to find the mean and the deviation of their pixels.
const MEASURED: usize = 10_000;

/// A network in training.
pub(super) struct Session<'a> {
    args: &'a Args,
    spec: Spec,
    train: Arc<Dataset>,
    test: Arc<Dataset>,
    recipe: Recipe,
    schedule: Schedule,
    trainer: Trainer,
    log: Log,
}

impl<'a> Session<'a> {
    /// Compiles a step, and checks that the data set has what it takes.
    pub(super) fn new(
        args: &'a Args,
        spec: Spec,
        [train, test]: [Arc<Dataset>; 2],
        weights: &Weights,
    ) -> Result<Self, Failure> {
        let input = &spec.input;
        let at_most = if train.fixed().is_some() { train.len() } else { MEASURED };
        let recipe = Recipe {
            view: View::new(input.channels, [input.height, input.width]),
            normalization: Normalization::measure(&train, at_most)?,
            augmentation: args.augmentation(),
        };
        // Refused before the step is compiled.
        drop(Batches::training(&train, &recipe, pace(args, 0), epoch(args, 0))?);
        drop(Batches::evaluation(&test, &recipe, pace(args, 0))?);
        let trainer = Trainer::new(&spec, &args.recipe(), weights, args.options())
            .map_err(|error| about(error, args.from.as_deref()))?;
        let (schedule, log) = (args.schedule(), Log::new(args.log.clone()));
        Ok(Session { args, spec, train, test, recipe, schedule, trainer, log })
    }

    /// Trains to the end. The weights of each epoch replace those before.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        for number in 0..self.args.epochs {
            let line = self.epoch(number).map_err(|failure| self.after(number, failure))?;
            self.log.add(&line, self.args.epochs)?;
        }
        let Normalization { mean, deviation } = &self.recipe.normalization;
        output::print(&format!(
            "{}: trained for pictures with mean {} and deviation {}\n",
            path_line(&self.args.output),
            list(mean),
            list(deviation),
        ))
    }

    /// One epoch: its steps, the measurement, and the weights in their file.
    fn epoch(&mut self, number: usize) -> Result<Line, Failure> {
        let start = Instant::now();
        let (train, rate) = self.steps(number)?;
        let seconds = start.elapsed().as_secs_f64();
        let batch = self.args.batch;
        let pictures = self.train.len() / batch * batch;
        let weights = self.trainer.weights()?;
        safetensors::save(
            &self.args.output,
            weights.iter().map(|(name, tensor)| (name.as_str(), &**tensor)),
        )?;
        let batches = Batches::evaluation(&self.test, &self.recipe, pace(self.args, 1))?;
        let weights = Weights::Map(weights);
        let test = evaluate(&self.spec, &weights, batch, self.args.options(), batches)?;
        Ok(Line {
            epoch: number + 1,
            steps: self.trainer.steps(),
            rate,
            train,
            test,
            seconds,
            images_per_second: pictures as f64 / seconds,
        })
    }

    /// The steps of an epoch: what they found, and the rate of the last.
    fn steps(&mut self, number: usize) -> Result<(Score, f64), Failure> {
        let epoch = epoch(self.args, number);
        let mut batches = Batches::training(&self.train, &self.recipe, pace(self.args, 1), epoch)?;
        let steps = batches.len();
        let mut bar = Progress::counting("training", Some((steps * self.args.batch) as u64));
        let (mut tally, mut rate) = (Tally::default(), 0.0);
        let mut done = 0;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            rate = self.schedule.at(self.trainer.steps(), steps);
            self.trainer.set_rate(rate);
            let loss = self.trainer.step(&batch.images, &batch.labels)?;
            tally.add(f64::from(loss.value), loss.correct, batch.labels.len());
            done += batch.labels.len() as u64;
            bar.set(done);
            batches.recycle(batch);
        }
        Ok((tally.score(), rate))
    }

    /// What a failure leaves behind.
    fn after(&self, epochs: usize, failure: Failure) -> Failure {
        if epochs > 0 {
            output::note(&format!(
                "{} has the weights of epoch {epochs}",
                path_line(&self.args.output)
            ));
        }
        failure
    }
}

/// How batches are prepared, by this many threads beside those of the step.
fn pace(args: &Args, threads: usize) -> Pace {
    Pace { batch: args.batch, threads }
}

fn epoch(args: &Args, number: usize) -> Epoch {
    Epoch { seed: args.seed, number: number as u64, skip: 0 }
}

/// A failure that names the file of weights, if it is about them.
fn about(mut error: TrainingError, weights: Option<&Path>) -> Failure {
    if let (TrainingError::Spec(error), Some(file)) = (&mut error, weights)
        && matches!(*error.kind, SpecErrorKind::Weights { .. })
    {
        error.file.get_or_insert_with(|| file.to_owned());
    }
    error.into()
}

fn list(numbers: &[f32]) -> String {
    numbers.iter().map(|x| x.to_string()).collect::<Vec<_>>().join(",")
}
