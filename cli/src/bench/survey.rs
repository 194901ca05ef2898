//! Everything that is measured for a report, in one go: the levels of optimization in turns, then
//! the layers of the full network, and what the machine can do before and after.

use std::time::Duration;

use resnetc::compile::run_macs;
use resnetc::noise::{Noise, Watch, steadily};
use resnetc::profile::{StepProfile, direct_share};
use resnetc::runtime::{self, bandwidth};
use resnetc::{Isa, Model, Network};
use serde::Serialize;

use super::agree::{Agreement, tolerance, widened};
use super::ladder::{FULL, Group, Ladder};
use super::race::Race;
use super::subject::{Compiled, Subject};
use super::timing::{Plan, Stats};
use super::{layers, peak};
use crate::failure::Failure;

pub(crate) use super::layers::gflops;

/// Time for all runs of all levels together, if their number is not given.
const BUDGET: Duration = Duration::from_secs(8);
/// How many times everything is measured, at most, if the machine is busy.
const ATTEMPTS: usize = 2;
/// The fewest rounds, if their number is not given.
const LEAST_ROUNDS: usize = 5;
/// Timed runs of the layers together, if their number is not given.
const LAYER_BUDGET: Duration = Duration::from_secs(2);
/// A level is left out if one run of it takes longer than this.
const PATIENCE: Duration = Duration::from_secs(3);
/// The share of its peak that unfused code of the baseline reaches, at least.
const BASELINE_SHARE: f64 = 0.25;
/// How long memory is read in each measurement.
const BANDWIDTH_TIME: Duration = Duration::from_millis(300);

/// What was measured.
pub(crate) struct Survey {
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
    /// From the lowest level to the full network, then those that differ from it in one respect.
    pub(crate) levels: Vec<Level>,
    /// Levels that were not timed, and why.
    pub(crate) skipped: Vec<Skipped>,
    /// Which of the levels is the full network.
    pub(crate) full: usize,
    /// The full network's model.
    pub(crate) model: Model,
    /// The times of its steps, in order.
    pub(crate) steps: Vec<StepProfile>,
    /// Timed runs of the steps.
    pub(crate) step_runs: usize,
    /// The largest difference of a level's outputs from the full network's, relative to the largest
    /// value.
    pub(crate) difference: f64,
    /// The limit for this difference.
    pub(crate) tolerance: f64,
    pub(crate) peak_gflops: f64,
    pub(crate) bandwidth: bandwidth::Bandwidth,
    /// Reasons not to trust the figures.
    pub(crate) noise: Noise,
}

/// One level of optimization.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) name: String,
    /// Whether it differs from the full network in one option, rather than being on the way to it.
    pub(crate) is_aside: bool,
    /// The pass that it adds.
    pub(crate) pass: Option<&'static str>,
    /// What that pass rewrites.
    pub(crate) rewrites: Option<usize>,
    /// Passes that turn the level before it into the full network.
    pub(crate) last: Vec<&'static str>,
    pub(crate) isa: &'static str,
    pub(crate) runs: usize,
    pub(crate) median_ms: f64,
    pub(crate) min_ms: f64,
    pub(crate) q1_ms: f64,
    pub(crate) q3_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) compile_ms: f64,
    pub(crate) arena_bytes: usize,
    pub(crate) weight_bytes: usize,
    pub(crate) code_bytes: usize,
    /// Operands and results of all steps.
    pub(crate) moved_bytes: usize,
    /// Regions that a run calls, one after the other.
    pub(crate) launches: usize,
}

/// A level without figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// What the user requested for the runs.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) warmup: usize,
    pub(crate) iterations: Option<usize>,
    /// Memory for all levels at once; if they need more, each is recompiled for each of its turns.
    pub(crate) most_bytes: usize,
}

impl Runs {
    fn plan(self, budget: Duration) -> Plan {
        let Runs { warmup, iterations, .. } = self;
        Plan { warmup, iterations, budget, least_rounds: LEAST_ROUNDS }
    }
}

/// Measures a network whose options are those of the full level.
///
/// # Errors
/// If it cannot be compiled, or levels do not give the same results.
pub(crate) fn measure(network: &Network, seed: u64, runs: Runs) -> Result<Survey, Failure> {
    let ladder = Ladder::new(network, seed)?;
    let threads = network.options().thread_count()?;
    let (timed, skipped) = wanted(&ladder, network, threads)?;
    let variants = timed.iter().map(|&i| ladder.rungs[i].variant.clone()).collect();
    let mut race = Race::new(variants, seed, runs.plan(BUDGET), runs.most_bytes)?;
    let full = timed.iter().position(|&i| i == ladder.full).unwrap_or(0);
    let isa = race.compiled(full).isa;
    let agreement = Agreement {
        from: FULL.to_owned(),
        expected: widened(race.outputs(full)),
        tolerance: tolerance(network),
    };
    let agreed = race.agree(&agreement)?;
    let attempts = if runs.iterations.is_some() { 1 } else { ATTEMPTS };
    let (measured, noise) = steadily(attempts, || {
        let watch = Watch::start();
        let before = roofs(isa, threads)?;
        let stats = race.run()?;
        let plan = runs.plan(LAYER_BUDGET);
        let (profile, model) = match race.subject(full) {
            Some(kept) => (layers::measure(kept, plan, before.0)?, kept.model.clone()),
            None => {
                let mut subject = Subject::new(network, seed)?;
                (layers::measure(&mut subject, plan, before.0)?, subject.model)
            }
        };
        let after = roofs(isa, threads)?;
        let spreads = stats.iter().map(Stats::spread).chain([profile.spread]);
        let peaks = [before.0, after.0];
        // Shares were computed from the peak before.
        let highest = peaks[0].max(peaks[1]);
        let direct = direct_share(&profile.layers).map(|share| share * peaks[0] / highest);
        let noise = Noise::of(watch.load(), threads, spreads, Some(peaks), direct);
        Ok::<_, Failure>((Measured { stats, profile, model, roofs: [before, after] }, noise))
    })?;
    let Measured { stats, profile, model, roofs: [before, after] } = measured;
    let levels = timed.iter().enumerate();
    let levels = levels
        .map(|(lane, &rung)| Level::new(&ladder, rung, race.compiled(lane), &stats[lane]))
        .collect();
    Ok(Survey {
        isa,
        threads,
        levels,
        skipped,
        full,
        model,
        steps: profile.layers,
        step_runs: profile.layer_iterations,
        difference: agreement.worst(&agreed),
        tolerance: agreement.tolerance,
        peak_gflops: before.0.max(after.0),
        bandwidth: match after.1.gbytes > before.1.gbytes {
            true => after.1,
            false => before.1,
        },
        noise,
    })
}

/// The results of one attempt.
struct Measured {
    stats: Vec<Stats>,
    profile: layers::Layers,
    model: Model,
    roofs: [(f64, bandwidth::Bandwidth); 2],
}

/// The speeds that multiply-adds and memory reads reach.
fn roofs(isa: Isa, threads: usize) -> Result<(f64, bandwidth::Bandwidth), Failure> {
    Ok((peak::measure(isa, threads)?, bandwidth::measure(threads, BANDWIDTH_TIME)?))
}

/// The levels on the way to the full network and those beside it, except those with the code of
/// another level; and the levels that would take too long.
fn wanted(
    ladder: &Ladder,
    network: &Network,
    threads: usize,
) -> Result<(Vec<usize>, Vec<Skipped>), Failure> {
    let work = run_macs(network.graph());
    let baseline = runtime::peak::measure(Isa::Baseline, threads, Duration::ZERO)?.gflops;
    let estimate = 2.0 * work as f64 / (baseline * BASELINE_SHARE * 1e9).max(1.0);
    let is_slow = |rung: usize| {
        ladder.outlines[rung].isa() == Isa::Baseline && estimate > PATIENCE.as_secs_f64()
    };
    let has_place = |rung: usize| {
        matches!(ladder.rungs[rung].group, Group::Level | Group::Added | Group::Choice)
    };
    let (slow, timed): (Vec<usize>, Vec<usize>) = ladder
        .timed()
        .into_iter()
        .filter(|&i| has_place(i))
        .partition(|&i| i != ladder.full && is_slow(i));
    let skipped = slow.into_iter().map(|i| Skipped {
        name: ladder.rungs[i].variant.name.clone(),
        reason: format!("a run may take {estimate:.0} s"),
    });
    Ok((timed, skipped.collect()))
}

impl Ladder {
    /// The passes that rewrite something after the last level that is not yet the full network.
    fn last_passes(&self) -> Vec<&'static str> {
        let added = (0..self.rungs.len()).filter(|&i| self.rungs[i].group == Group::Added);
        let is_full = |&i: &usize| self.owner[i] == self.full;
        let passes = added.filter(is_full).filter_map(|i| self.rungs[i].pass);
        passes.filter(|pass| self.outlines[self.full].remarks.count(pass) > 0).collect()
    }
}

impl Level {
    fn new(ladder: &Ladder, rung: usize, compiled: &Compiled, times: &Stats) -> Self {
        let (found, outline) = (&ladder.rungs[rung], &ladder.outlines[rung]);
        Level {
            name: found.variant.name.clone(),
            is_aside: found.group == Group::Choice,
            pass: found.pass,
            rewrites: found.pass.map(|pass| outline.remarks.count(pass)),
            last: if rung == ladder.full { ladder.last_passes() } else { Vec::new() },
            isa: compiled.isa.name(),
            runs: times.iterations,
            median_ms: times.median_ms,
            min_ms: times.min_ms,
            q1_ms: times.q1_ms,
            q3_ms: times.q3_ms,
            p90_ms: times.p90_ms,
            compile_ms: compiled.compile_ms,
            arena_bytes: compiled.arena_bytes,
            weight_bytes: compiled.weight_bytes,
            code_bytes: compiled.code_bytes,
            moved_bytes: outline.moved_bytes,
            launches: compiled.steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resnetc::{Compiler, Options};

    #[test]
    fn levels_climb_to_the_full_network_and_its_steps_are_measured() {
        let options = Options::default().threads(1);
        let network = Compiler::new(options).load("cifar_resnet20").expect("built in");
        let runs = Runs { warmup: 0, iterations: Some(1), most_bytes: usize::MAX };
        let survey = measure(&network, 0, runs).expect("it can be measured");
        let (climb, aside) = survey.levels.split_at(survey.full + 1);
        assert!(climb.iter().all(|l| !l.is_aside) && aside.iter().all(|l| l.is_aside));
        assert_eq!(survey.levels[survey.full].name, FULL);
        // Every pass on the way does something, and so do the passes that turn the last level into
        // the full one.
        let mut passes: Vec<_> = climb.iter().filter_map(|l| l.pass).collect();
        assert!(climb.iter().all(|l| l.rewrites != Some(0)), "{climb:?}");
        passes.extend(&survey.levels[survey.full].last);
        for pass in ["fold_batch_norm", "fuse_residual", "fuse_activation"] {
            assert!(passes.contains(&pass), "{pass} is not in {passes:?}");
        }
        assert!(survey.skipped.is_empty(), "it is quick on any machine");
        assert_eq!(survey.steps.len(), survey.model.steps().len());
        assert!(survey.difference <= survey.tolerance && survey.peak_gflops > 0.0);
    }
}
