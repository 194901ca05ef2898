//! Variants of a network run in turns, so that a machine that slows down slows all of them.

use std::time::Duration;

use super::agree::{Agreed, Agreement};
use super::subject::{Compiled, Subject};
use super::timing::{Plan, Stats, Turns};
use super::variant::Variant;
use crate::failure::Failure;
use crate::progress::Progress;

/// Uncounted runs at the beginning of a turn. After the first one, part of the weights is back in
/// the shared cache; after the second one, all that fits.
const UNTIMED: usize = 2;

/// How many times all variants are recompiled along the way. The system places a model's pages at
/// random, and they stay there for the life of the model; this makes two models of the same network
/// differ in time by up to 4 % (measured on ResNet-18).
const SITTINGS: usize = 5;

/// Whether models stay in memory while others are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// All variants are in memory at the same time.
    All,
    /// Each is recompiled for each of its turns, and dropped after it.
    None,
}

/// A variant that was compiled and run.
struct Lane {
    variant: Variant,
    compiled: Compiled,
    /// To be compared with those of the others, if there are any.
    outputs: Vec<Vec<f32>>,
    /// Time of one run.
    one: Duration,
    /// Present if all are kept.
    subject: Option<Subject>,
}

/// Variants on the starting line: compiled, warm, and known to give the same results.
pub(super) struct Race {
    lanes: Vec<Lane>,
    seed: u64,
    plan: Plan,
    keep: Keep,
}

impl Lane {
    fn new(variant: Variant, seed: u64, warmup: usize, others: bool) -> Result<Self, Failure> {
        let mut subject = Subject::new(&variant.network, seed)?;
        subject.run()?;
        // Of the first run: what a step of training remembers changes its outputs.
        let outputs = if others { subject.outputs()? } else { Vec::new() };
        for _ in 1..warmup {
            subject.run()?;
        }
        let (one, compiled) = (subject.time()?, Compiled::of(&subject.model));
        Ok(Lane { variant, compiled, outputs, one, subject: Some(subject) })
    }

    /// A separate model whose memory was touched once.
    fn anew(&self, seed: u64) -> Result<Subject, Failure> {
        let mut subject = Subject::new(&self.variant.network, seed)?;
        subject.run()?;
        Ok(subject)
    }

    fn turn(&mut self, seed: u64, untimed: usize, runs: usize) -> Result<Vec<Duration>, Failure> {
        let mut anew;
        let subject = match &mut self.subject {
            Some(kept) => kept,
            None => {
                anew = self.anew(seed)?;
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
    /// Compiles the variants and runs each. Once the models together need more than `most_bytes`,
    /// none of them is kept, so that all are treated alike.
    pub(super) fn new(
        variants: Vec<Variant>,
        seed: u64,
        plan: Plan,
        most_bytes: usize,
    ) -> Result<Self, Failure> {
        let mut bar = Progress::new("compiling", variants.len() as u64);
        let mut race = Race { lanes: Vec::new(), seed, plan, keep: Keep::All };
        let (mut bytes, others) = (0usize, variants.len() > 1);
        for variant in variants {
            let lane = Lane::new(variant, seed, plan.warmup, others)?;
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

    /// The result of compiling a variant.
    pub(super) fn compiled(&self, lane: usize) -> &Compiled {
        &self.lanes[lane].compiled
    }

    /// The outputs of a variant, if there are others.
    pub(super) fn outputs(&self, lane: usize) -> &[Vec<f32>] {
        &self.lanes[lane].outputs
    }

    /// The model of a variant, if models are kept.
    pub(super) fn subject(&mut self, lane: usize) -> Option<&mut Subject> {
        self.lanes[lane].subject.as_mut()
    }

    /// How much the outputs of each variant differ from the expected ones.
    ///
    /// # Errors
    /// If one differs by more than results of the same network can.
    pub(super) fn agree(&self, agreement: &Agreement) -> Result<Vec<Agreed>, Failure> {
        let lanes = self.lanes.iter();
        lanes.map(|lane| agreement.check(&lane.variant, &lane.outputs)).collect()
    }

    /// Recompiles all variants, if they are kept. All old models are dropped first, so that memory
    /// is allocated afresh.
    fn sit_anew(&mut self, order: &[usize]) -> Result<(), Failure> {
        if self.keep == Keep::All {
            self.lanes.iter_mut().for_each(|lane| lane.subject = None);
            for &lane in order {
                self.lanes[lane].subject = Some(self.lanes[lane].anew(self.seed)?);
            }
        }
        Ok(())
    }

    /// Times all variants. A turn begins with uncounted runs, which bring back into the caches what
    /// the others evicted. The order changes in each round, so that no variant always follows the
    /// same one.
    pub(super) fn run(&mut self) -> Result<Vec<Stats>, Failure> {
        let untimed = if self.lanes.len() > 1 { UNTIMED } else { 0 };
        let each: Vec<Duration> = self.lanes.iter().map(|lane| lane.one).collect();
        let Turns { rounds, runs } = self.plan.turns(&each, untimed);
        let mut times = vec![Vec::new(); self.lanes.len()];
        let sitting = rounds.div_ceil(SITTINGS).max(1);
        let mut bar = Progress::new("timing", rounds as u64);
        for round in 0..rounds {
            let order = order(self.lanes.len(), round);
            if round > 0 && round % sitting == 0 && self.lanes.len() > 1 {
                self.sit_anew(&order)?;
            }
            for lane in order {
                times[lane].extend(self.lanes[lane].turn(self.seed, untimed, runs[lane])?);
            }
            bar.set(round as u64 + 1);
        }
        Ok(times.into_iter().map(Stats::of).collect())
    }
}

/// A pseudo-random order for a round, the same on every call.
fn order(lanes: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lanes).collect();
    // Fisher and Yates, with numbers of Knuth's linear congruential generator.
    let mut state = round as u64;
    for last in (1..lanes).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (state >> 33) as usize % (last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_run_in_each_round_and_follow_one_another_in_many_ways() {
        let mut followed = BTreeSet::new();
        for round in 0..200 {
            let order = order(6, round);
            let all: BTreeSet<usize> = order.iter().copied().collect();
            assert_eq!((all.len(), order.len()), (6, 6), "{order:?}");
            followed.extend(order.windows(2).map(|pair| (pair[0], pair[1])));
        }
        assert_eq!(followed.len(), 6 * 5, "every pair comes up");
        assert_eq!((order(1, 3), order(0, 3)), (vec![0], vec![]));
    }
}
