//! Epoch after epoch.

use std::sync::Arc;
use std::time::Instant;

use resnetc::ErrorCode;
use resnetc::import::safetensors::WeightMap;
use resnetc::one_line::path_line;
use resnetc::spec::{Spec, SpecError, SpecErrorKind, Weights};
use resnetc::training::{Trainer, TrainingError};

use super::args::Args;
use super::checkpoint::{Checkpoint, Note, Part};
use super::data::{Batches, Dataset, Epoch, Normalization, Pace, Recipe, View};
use super::evaluate::{Score, evaluate};
use super::interrupt::Interrupt;
use super::log::{BlockNorms, Line};
use super::outputs::Outputs;
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
    /// The epoch that has begun.
    part: Part,
    /// The epochs that are done.
    lines: Vec<Line>,
    outputs: Outputs,
    interrupt: Interrupt,
    /// The epochs whose weights were written.
    written: usize,
    /// The number of steps before the checkpoint.
    saved: u64,
    /// Whether a training can go on from the state. Between the beginning of a step and the end of
    /// what checks it, it cannot.
    is_sound: bool,
}

impl<'a> Session<'a> {
    /// Compiles a step, and checks that the data set has what it takes.
    pub(super) fn new(
        args: &'a Args,
        spec: Spec,
        [train, test]: [Arc<Dataset>; 2],
        weights: &Weights,
        outputs: Outputs,
    ) -> Result<Self, Failure> {
        let input = &spec.input;
        let at_most = if train.fixed().is_some() { train.len() } else { MEASURED };
        let (normalization, contents) = Normalization::measure(&train, at_most)?;
        let recipe = Recipe {
            view: View::new(input.channels, [input.height, input.width]),
            normalization,
            augmentation: args.augmentation(),
        };
        // Refused before the step is compiled.
        drop(Batches::training(&train, &recipe, pace(args, 0), epoch(args, 0, 0))?);
        drop(Batches::evaluation(&test, &recipe, pace(args, 0))?);
        let plan = args.plan(&spec, [&train, &test], contents);
        let trainer =
            Trainer::new(&spec, &args.recipe(), weights, args.options().memory(args.memory))
                .map_err(|error| unfit(error, args))?;
        let mut session = Session {
            args,
            spec,
            train,
            test,
            recipe,
            schedule: args.schedule(),
            plan,
            trainer,
            part: Part::default(),
            lines: Vec::new(),
            outputs,
            interrupt: Interrupt::listen(),
            written: 0,
            saved: 0,
            is_sound: true,
        };
        if args.resume {
            session.resume()?;
        }
        Ok(session)
    }

    /// Trains to the end. The weights of each epoch replace those before.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        for line in &self.lines {
            line.print(self.args.epochs)?;
        }
        if self.args.resume {
            output::print(&format!("going on after step {}\n", self.saved))?;
        }
        match () {
            () if !self.args.resume => self.begin()?,
            // The weights of the last epoch may not be here, if the checkpoint was moved.
            () if self.lines.len() == self.args.epochs => {
                self.outputs.save_weights(&self.trainer.weights()?)?;
            }
            () => {}
        }
        while self.lines.len() < self.args.epochs {
            if let Err(failure) = self.epoch() {
                self.keep();
                return Err(failure);
            }
        }
        // What it has is in the weights now; without it, nothing is left to resume.
        self.outputs.remove_checkpoint();
        output::print(&self.usage())
    }

    /// Takes the place, and writes a checkpoint: a full disk is noticed at once.
    fn begin(&mut self) -> Result<(), Failure> {
        self.outputs.claim()?;
        self.save().inspect_err(|_| self.outputs.remove_checkpoint())
    }

    /// Goes to where a run was stopped.
    fn resume(&mut self) -> Result<(), Failure> {
        let Checkpoint { state, note } = self.outputs.checkpoint(&self.plan)?;
        let restored = self.trainer.restore(&state);
        restored.map_err(|error| Failure::from(error).in_file(self.outputs.checkpoint_file()))?;
        (self.part, self.lines, self.saved) = (note.part, note.lines, state.steps);
        self.written = self.lines.len();
        Ok(())
    }

    /// One epoch, or what is left of it: its steps, the measurement, and the files.
    fn epoch(&mut self) -> Result<(), Failure> {
        self.steps()?;
        let weights = self.trainer.weights()?;
        let test = self.measure(&weights)?;
        self.outputs.save_weights(&weights)?;
        self.written = self.lines.len() + 1;
        let Part { tally, seconds, norms } = self.part.clone();
        let line = Line {
            epoch: self.lines.len() + 1,
            steps: self.trainer.steps(),
            rate: self.schedule.at(self.trainer.steps() - 1, self.steps_of_an_epoch()),
            train: tally.score(),
            test,
            seconds,
            images_per_second: tally.pictures() as f64 / seconds,
            norms,
        };
        let lines: Vec<Line> = self.lines.iter().cloned().chain([line.clone()]).collect();
        self.outputs.save_log(&lines)?;
        (self.lines, self.part) = (lines, Part::default());
        self.save()?;
        line.print(self.args.epochs)?;
        match self.interrupt.came() && self.lines.len() < self.args.epochs {
            true => Err(self.stopped()),
            false => Ok(()),
        }
    }

    /// How right the network is about the test pictures.
    fn measure(&mut self, weights: &WeightMap) -> Result<Score, Failure> {
        let batches = Batches::evaluation(&self.test, &self.recipe, pace(self.args, 1))?;
        // Cheap: the tensors are shared.
        let weights = Weights::Map(weights.clone());
        let test = evaluate(&self.spec, &weights, self.args.batch, self.args.options(), batches)?;
        self.is_sound = test.loss.is_finite();
        match self.is_sound {
            true => Ok(test),
            false => Err(Failure::new(format!(
                "the loss of the test pictures is {} after epoch {}; lower the learning rate, or warm it up",
                test.loss,
                self.lines.len() + 1
            ))
            .code(ErrorCode::Diverged)),
        }
    }

    fn steps_of_an_epoch(&self) -> usize {
        self.train.len() / self.args.batch
    }

    /// The steps of an epoch that are left.
    fn steps(&mut self) -> Result<(), Failure> {
        let (steps, number) = (self.steps_of_an_epoch(), self.lines.len());
        let skip = (self.trainer.steps() - (number * steps) as u64) as usize;
        let epoch = epoch(self.args, number, skip);
        let mut batches = Batches::training(&self.train, &self.recipe, pace(self.args, 1), epoch)?;
        let mut bar = Progress::counting("training", Some((steps * self.args.batch) as u64));
        let mut since = Instant::now();
        while let Some(batch) = batches.next() {
            let batch = batch?;
            self.trainer.set_rate(self.schedule.at(self.trainer.steps(), steps));
            self.is_sound = false;
            let loss = self.trainer.step(&batch.images, &batch.labels)?;
            if batches.len() == 0 {
                // No step of this epoch shows what this one did.
                self.trainer.check_finite()?;
            }
            self.is_sound = true;
            let Part { tally, seconds, norms } = &mut self.part;
            tally.add(f64::from(loss.value), loss.correct, batch.labels.len());
            *seconds += std::mem::replace(&mut since, Instant::now()).elapsed().as_secs_f64();
            let Score { loss, accuracy } = tally.score();
            bar.note(format!("loss {loss:.3}, {:.1} % right", 100.0 * accuracy));
            bar.set(tally.pictures() as u64);
            if batches.len() == 0 {
                *norms = BlockNorms::finite(self.trainer.norms());
            }
            batches.recycle(batch);
            // After the last step, the epoch is measured first.
            if self.interrupt.came() && batches.len() > 0 {
                return Err(self.stopped());
            }
        }
        Ok(())
    }

    fn stopped(&self) -> Failure {
        Failure::new(format!("stopped after step {}", self.trainer.steps()))
    }

    /// Writes what is needed to go on from here.
    fn save(&mut self) -> Result<(), Failure> {
        let note = Note {
            plan: self.plan.clone(),
            part: self.part.clone(),
            lines: self.lines.clone(),
            old_log: self.outputs.old_log(),
        };
        self.outputs.save_checkpoint(&Checkpoint { state: self.trainer.state()?, note })?;
        self.saved = self.trainer.steps();
        Ok(())
    }

    /// Keeps what a training that fails has, as far as it can go on from there, and says so.
    fn keep(&mut self) {
        if self.written > 0 {
            let (file, epoch) = (path_line(&self.args.output), self.written);
            output::note(&format!("{file} has the weights of epoch {epoch}"));
        }
        if self.is_sound
            && self.trainer.steps() > self.saved
            && let Err(failure) = self.save()
        {
            output::note(&format!("the last steps are lost: {}", failure.message()));
        }
        match self.saved {
            // What began the training is no loss, and would be in the way of another try.
            0 => self.outputs.remove_checkpoint(),
            steps if self.is_sound && self.outputs.has_checkpoint() => {
                let file = path_line(self.outputs.checkpoint_file());
                output::note(&format!(
                    "{file} has the training after step {steps}: the same command with --resume goes on"
                ));
            }
            _ => {}
        }
    }

    /// What to do with the weights.
    fn usage(&self) -> String {
        let [model, weights] = [&self.args.model, &self.args.output].map(path_line);
        let Normalization { mean, deviation } = &self.recipe.normalization;
        let (mean, deviation) = (list(mean), list(deviation));
        let channels = if self.spec.input.channels == 1 { " --channels grey" } else { "" };
        format!(
            "{weights}: trained for pictures with mean {mean} and deviation {deviation}\n\
             resnetc classify {model} PICTURE --weights {weights}{channels} --crop-pct 1 --mean {mean} \
             --std {deviation}\n"
        )
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
