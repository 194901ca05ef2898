//! Variants of a network run in turns, so that a machine that slows down slows all of them.

use std::time::Duration;

use resnetc::Network;

use super::agree::Agreement;
use super::subject::{Compiled, Subject};
use super::timing::{Plan, Stats, Turns};
use crate::failure::Failure;
use crate::progress::Progress;

/// A variant to be timed.
pub(super) struct Variant {
    /// What messages call it.
    pub(super) name: String,
    pub(super) network: Network,
}

/// Whether models stay in memory while others are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// All are compiled once.
    All,
    /// Each is compiled anew for each of its turns, and goes with it.
    None,
}

/// A variant that was compiled and run.
struct Lane {
    variant: Variant,
    compiled: Compiled,
    outputs: Vec<Vec<f32>>,
    /// Time of one run.
    one: Duration,
    /// There if all are kept.
    subject: Option<Subject>,
}

/// Variants on the starting line: compiled, warm, and known to give the same.
pub(super) struct Race {
    lanes: Vec<Lane>,
    seed: u64,
    plan: Plan,
    keep: Keep,
}

impl Lane {
    fn new(variant: Variant, seed: u64, warmup: usize) -> Result<Self, Failure> {
        let mut subject = Subject::new(&variant.network, seed)?;
        for _ in 0..warmup {
            subject.run()?;
        }
        let one = subject.time()?;
        let (compiled, outputs) = (Compiled::of(&subject.model), subject.outputs()?);
        Ok(Lane { variant, compiled, outputs, one, subject: Some(subject) })
    }

    fn turn(&mut self, seed: u64, untimed: usize, runs: usize) -> Result<Vec<Duration>, Failure> {
        let mut anew;
        let subject = match &mut self.subject {
            Some(kept) => kept,
            None => {
                anew = Subject::new(&self.variant.network, seed)?;
                // Memory that is touched for the first time.
                anew.run()?;
                &mut anew
            }
        };
        for _ in 0..untimed {
            subject.run()?;
        }
        (0..runs).map(|_| subject.time()).collect()
    }
}

impl Race {
    /// Compiles the variants and runs each. Once the models together take more than `most_bytes`, none of them is
    /// kept, so that all are treated alike.
    pub(super) fn new(
        variants: Vec<Variant>,
        seed: u64,
        plan: Plan,
        most_bytes: usize,
    ) -> Result<Self, Failure> {
        let mut bar = Progress::new("compiling", variants.len() as u64);
        let mut race = Race { lanes: Vec::new(), seed, plan, keep: Keep::All };
        let mut bytes = 0usize;
        for variant in variants {
            let lane = Lane::new(variant, seed, plan.warmup)?;
            bytes = bytes.saturating_add(lane.compiled.bytes());
            race.lanes.push(lane);
            if bytes > most_bytes {
                race.keep = Keep::None;
                race.lanes.iter_mut().for_each(|lane| lane.subject = None);
            }
            bar.set(race.lanes.len() as u64);
        }
        Ok(race)
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    /// What the compilation of a variant gave.
    pub(super) fn compiled(&self, lane: usize) -> &Compiled {
        &self.lanes[lane].compiled
    }

    /// The outputs of a variant.
    pub(super) fn outputs(&self, lane: usize) -> &[Vec<f32>] {
        &self.lanes[lane].outputs
    }

    /// The model of a variant, if models are kept.
    pub(super) fn subject(&mut self, lane: usize) -> Option<&mut Subject> {
        self.lanes[lane].subject.as_mut()
    }

    /// How far the outputs of each variant are from the expected ones.
    ///
    /// # Errors
    /// If one is further off than results of the same network can be.
    pub(super) fn agree(&self, agreement: &Agreement) -> Result<Vec<f64>, Failure> {
        let lanes = self.lanes.iter();
        lanes.map(|lane| agreement.check(&lane.variant.name, &lane.outputs)).collect()
    }

    /// Times all variants. A turn begins with a run that does not count, which brings back into the caches what
    /// the others drove out; every other round goes backwards.
    pub(super) fn run(&mut self) -> Result<Vec<Stats>, Failure> {
        let untimed = usize::from(self.lanes.len() > 1);
        let each: Vec<Duration> = self.lanes.iter().map(|lane| lane.one).collect();
        let Turns { rounds, runs } = self.plan.turns(&each, untimed);
        let mut times = vec![Vec::new(); self.lanes.len()];
        let mut bar = Progress::new("timing", rounds as u64);
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..self.lanes.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for lane in order {
                times[lane].extend(self.lanes[lane].turn(self.seed, untimed, runs[lane])?);
            }
            bar.set(round as u64 + 1);
        }
        Ok(times.into_iter().map(Stats::of).collect())
    }
}
