//! Epoch after epoch.

use std::sync::Arc;
use std::time::Instant;

use resnetc::import::safetensors;
use resnetc::one_line::path_line;
use resnetc::spec::{Spec, SpecError, SpecErrorKind, Weights};
use resnetc::training::{Trainer, TrainingError};

use super::args::Args;
use super::checkpoint::{self, Checkpoint, Note};
use super::data::{Batches, Dataset, Epoch, Normalization, Pace, Recipe, View};
use super::evaluate::{Score, Tally, evaluate};
use super::interrupt::Interrupt;
use super::log::{BlockNorms, Line, Log};
use super::plan::Plan;
use super::schedule::Schedule;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::step::about;

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
    plan: Plan,
    trainer: Trainer,
    /// What the steps of the epoch have found so far.
    tally: Tally,
    log: Log,
    interrupt: Interrupt,
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
        drop(Batches::training(&train, &recipe, pace(args, 0), epoch(args, 0, 0))?);
        drop(Batches::evaluation(&test, &recipe, pace(args, 0))?);
        let plan = args.plan(&spec, train.len());
        let trainer =
            Trainer::new(&spec, &args.recipe(), weights, args.options().memory(args.memory))
                .map_err(|error| unfit(error, args))?;
        let (schedule, log) = (args.schedule(), Log::new(args.log.clone(), Vec::new()));
        let (tally, interrupt) = (Tally::default(), Interrupt::listen());
        let mut session = Session {
            args,
            spec,
            train,
            test,
            recipe,
            schedule,
            plan,
            trainer,
            tally,
            log,
            interrupt,
        };
        if args.resume {
            session.resume()?;
        }
        Ok(session)
    }

    /// Goes to where a training was ended.
    fn resume(&mut self) -> Result<(), Failure> {
        let file = checkpoint::beside(&self.args.output);
        let Checkpoint { state, note } = Checkpoint::load(&file, &self.plan)?;
        self.trainer.restore(&state).map_err(|error| Failure::from(error).in_file(&file))?;
        self.tally = note.tally;
        self.log = Log::new(self.args.log.clone(), note.lines);
        Ok(())
    }

    /// Trains to the end. The weights of each epoch replace those before.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        for line in self.log.lines() {
            line.print(self.args.epochs)?;
        }
        while self.log.lines().len() < self.args.epochs {
            let line = self.epoch().map_err(|failure| self.kept(failure))?;
            line.print(self.args.epochs)?;
        }
        // What it has is in the weights now; without it, nothing is left to resume.
        let _ = std::fs::remove_file(checkpoint::beside(&self.args.output));
        let Normalization { mean, deviation } = &self.recipe.normalization;
        output::print(&format!(
            "{}: trained for pictures with mean {} and deviation {}\n",
            path_line(&self.args.output),
            list(mean),
            list(deviation),
        ))
    }

    /// One epoch, or what is left of it: its steps, the measurement, and the files.
    fn epoch(&mut self) -> Result<Line, Failure> {
        let start = Instant::now();
        let (pictures, rate) = self.steps()?;
        let seconds = start.elapsed().as_secs_f64();
        let weights = self.trainer.weights()?;
        let tensors = weights.iter().map(|(name, tensor)| (name.as_str(), &**tensor));
        safetensors::save(&self.args.output, tensors)?;
        let batches = Batches::evaluation(&self.test, &self.recipe, pace(self.args, 1))?;
        let (batch, weights) = (self.args.batch, Weights::Map(weights));
        let test = evaluate(&self.spec, &weights, batch, self.args.options(), batches)?;
        let line = Line {
            epoch: self.log.lines().len() + 1,
            steps: self.trainer.steps(),
            rate,
            train: std::mem::take(&mut self.tally).score(),
            test,
            seconds,
            images_per_second: pictures as f64 / seconds,
            norms: BlockNorms::finite(self.trainer.norms()),
        };
        self.log.add(line.clone())?;
        self.save()?;
        Ok(line)
    }

    /// The steps of an epoch that are left: how many pictures they have, and the rate of the last.
    fn steps(&mut self) -> Result<(usize, f64), Failure> {
        let steps = self.train.len() / self.args.batch;
        let number = self.log.lines().len();
        let skip = (self.trainer.steps() - (number * steps) as u64) as usize;
        let epoch = epoch(self.args, number, skip);
        let mut batches = Batches::training(&self.train, &self.recipe, pace(self.args, 1), epoch)?;
        let mut bar = Progress::counting("training", Some((steps * self.args.batch) as u64));
        let (mut pictures, mut rate) = (0, 0.0);
        while let Some(batch) = batches.next() {
            let batch = batch?;
            rate = self.schedule.at(self.trainer.steps(), steps);
            self.trainer.set_rate(rate);
            let loss = self.trainer.step(&batch.images, &batch.labels)?;
            self.tally.add(f64::from(loss.value), loss.correct, batch.labels.len());
            pictures += batch.labels.len();
            let Score { loss, accuracy } = self.tally.score();
            bar.note(format!("loss {loss:.3}, {:.1} % right", 100.0 * accuracy));
            bar.set((skip * self.args.batch + pictures) as u64);
            batches.recycle(batch);
            if self.interrupt.came() && batches.len() > 0 {
                self.save()?;
                return Err(Failure::new(format!("stopped after step {}", self.trainer.steps()))
                    .help("the same command with --resume goes on"));
            }
        }
        Ok((pictures, rate))
    }

    /// Writes what is needed to go on from here.
    fn save(&self) -> Result<(), Failure> {
        let lines = self.log.lines().to_vec();
        let note = Note { plan: self.plan.clone(), tally: self.tally, lines };
        Checkpoint { state: self.trainer.state()?, note }
            .save(&checkpoint::beside(&self.args.output))
    }

    /// Notes what a failure leaves.
    fn kept(&self, failure: Failure) -> Failure {
        let epochs = self.log.lines().len();
        if epochs > 0 {
            let file = path_line(&self.args.output);
            output::note(&format!("{file} has the weights of epoch {epochs}"));
        }
        failure
    }
}

/// A failure that says what to do about weights of other classes.
fn unfit(error: TrainingError, args: &Args) -> Failure {
    let is_size = matches!(
        &error,
        TrainingError::Spec(SpecError { kind, .. }) if matches!(
            &**kind,
            SpecErrorKind::Weights { missing, unexpected, wrong_shape, .. }
                if missing.is_empty() && unexpected.is_empty() && !wrong_shape.is_empty()
        )
    );
    let failure = about(error, args.from.as_deref());
    match is_size && !args.new_head {
        true => failure.help("--new-head gives the last layer new weights"),
        false => failure,
    }
}

/// How batches are prepared, by this many threads beside those of the step.
fn pace(args: &Args, threads: usize) -> Pace {
    Pace { batch: args.batch, threads }
}

fn epoch(args: &Args, number: usize, skip: usize) -> Epoch {
    Epoch { seed: args.seed, number: number as u64, skip }
}

fn list(numbers: &[f32]) -> String {
    numbers.iter().map(|x| x.to_string()).collect::<Vec<_>>().join(",")
}
