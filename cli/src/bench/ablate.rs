//! `resnetc bench --ablate`: what each optimization brings.

use std::time::Duration;

use resnetc::Network;
use resnetc::advice::OptionName;
use resnetc::noise::{Noise, Watch, steadily};

use super::ablation::{Ablation, Code, Row};
use super::agree::{Agreed, Agreement, tolerance, widened};
use super::args::Args;
use super::interpreter::{self, Interpreted, PATIENCE};
use super::ladder::{FULL, Group, Ladder};
use super::layers::gflops;
use super::race::{Keep, Race};
use super::report::Subtitle;
use super::subject::Compiled;
use super::timing::{Plan, Stats};
use super::{csv, peak, table};
use crate::args::Values;
use crate::failure::Failure;
use crate::output;

/// Time for all runs of all variants together, if their number is not given.
const BUDGET: Duration = Duration::from_secs(20);
/// How many times everything is timed, at most, if the machine is busy.
const ATTEMPTS: usize = 2;
/// The fewest rounds, if their number is not given.
const LEAST_ROUNDS: usize = 5;
/// The name of the row for the interpreter.
const INTERPRETER: &str = "interpreter";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    check(args)?;
    let network = args.common().without_tuned().load_to_run(&args.model, Values::Random)?;
    let ablation = measure(args, &network)?;
    if let Some(file) = &args.csv {
        output::write_file(file, csv::text(&ablation).as_bytes())?;
    }
    match args.json {
        true => output::print_json(&ablation),
        false => output::print(&table::text(&ablation)),
    }
}

fn measure(args: &Args, network: &Network) -> Result<Ablation, Failure> {
    let ladder = Ladder::new(network, args.common().seed())?;
    let interpreted = Interpretation::of(args, network)?;
    let (warmup, iterations) = (args.warmup, args.iters);
    let plan = Plan { warmup, iterations, budget: BUDGET, least_rounds: LEAST_ROUNDS };
    let timed = ladder.timed();
    let variants = timed.iter().map(|&i| ladder.rungs[i].variant.clone()).collect();
    let most_bytes = args.hold.saturating_mul(1_000_000);
    let mut race = Race::new(variants, args.common().seed(), plan, most_bytes)?;
    let lane = |rung: usize| timed.iter().position(|&t| t == ladder.owner[rung]).unwrap_or(0);
    let full = lane(ladder.full);
    let agreement = interpreted.agreement(network, race.outputs(full));
    let agreed = race.agree(&agreement)?;
    let (isa, threads) = (race.compiled(full).isa, race.compiled(full).threads);
    let attempts = if args.iters.is_some() { 1 } else { ATTEMPTS };
    let ((stats, peak), noise) = steadily(attempts, || {
        let watch = Watch::start();
        let before = peak::measure(isa, threads)?;
        let stats = race.run()?;
        let after = peak::measure(isa, threads)?;
        let spreads = stats.iter().map(Stats::spread);
        let noise = Noise::of(watch.load(), threads, spreads, Some([before, after]), None);
        Ok::<_, Failure>(((stats, before.max(after)), noise))
    })?;
    output::warn_of(&noise);
    let share_of = ladder.outlines[ladder.full].share_of();
    let mut rows = vec![interpreted.row()];
    rows.extend((0..ladder.rungs.len()).map(|rung| {
        let lane = lane(rung);
        row(&ladder, rung, race.compiled(lane), stats[lane], agreed[lane])
    }));
    add_ratios(&mut rows, stats[full].median_ms);
    let subtitle = Subtitle::new(&args.model, network, isa, threads);
    let gflops = gflops(subtitle.macs, stats[full].median_ms);
    Ok(Ablation {
        subtitle,
        gflops,
        peak_gflops: peak,
        share_of_peak: gflops / peak,
        share_of,
        noise,
        difference: agreement.worst(&agreed),
        tolerance: agreement.tolerance,
        all_in_memory: race.keep() == Keep::All,
        rows,
    })
}

/// A level and its measurements, without ratios yet.
fn row(ladder: &Ladder, i: usize, compiled: &Compiled, times: Stats, agreed: Agreed) -> Row {
    let (rung, owner) = (&ladder.rungs[i], ladder.owner[i]);
    let told = if rung.group == Group::Removed { ladder.full } else { i };
    Row {
        name: rung.variant.name.clone(),
        group: rung.group,
        pass: rung.pass,
        rewrites: rung.pass.map(|pass| ladder.outlines[told].remarks.count(pass)),
        same_as: (owner != i).then(|| ladder.rungs[owner].variant.name.clone()),
        skipped: None,
        times: Some(times),
        ratio: None,
        ratio_before: None,
        relative_difference: Some(agreed.difference),
        tolerance: agreed.tolerance,
        code: Some(Code {
            isa: compiled.isa.name(),
            arena_bytes: compiled.arena_bytes,
            weight_bytes: compiled.weight_bytes,
            moved_bytes: ladder.outlines[i].moved_bytes,
            launches: compiled.steps,
        }),
    }
}

/// Refuses what can be refused before the work.
fn check(args: &Args) -> Result<(), Failure> {
    args.common().refuse(&[OptionName::Memory], "levels need different amounts of memory")?;
    args.common().refuse(&[OptionName::Tuned], "measured choices apply to the full network only")
}

/// Whether the interpreter ran.
struct Interpretation {
    run: Option<Interpreted>,
    estimate: Duration,
}

impl Interpretation {
    fn of(args: &Args, network: &Network) -> Result<Self, Failure> {
        let estimate = interpreter::estimate(network.graph())?;
        let run = (args.interpreter || estimate <= PATIENCE)
            .then(|| interpreter::run(network, args.common().seed()))
            .transpose()?;
        Ok(Interpretation { run, estimate })
    }

    /// The outputs that all others are compared with: the interpreter's, or the full network's if
    /// the interpreter did not run.
    fn agreement(&self, network: &Network, full: &[Vec<f32>]) -> Agreement {
        let (from, expected) = match &self.run {
            Some(run) => (INTERPRETER, run.outputs.clone()),
            None => (FULL, widened(full)),
        };
        Agreement { from: from.to_owned(), expected, tolerance: tolerance(network) }
    }

    fn row(&self) -> Row {
        let seconds = self.estimate.as_secs_f64();
        Row {
            name: INTERPRETER.to_owned(),
            group: Group::Level,
            pass: None,
            rewrites: None,
            same_as: None,
            skipped: match self.run {
                Some(_) => None,
                None => Some(format!("about {seconds:.0} s; --interpreter runs it anyway")),
            },
            times: self.run.as_ref().map(|run| Stats::of(vec![run.time])),
            ratio: None,
            ratio_before: None,
            relative_difference: self.run.as_ref().map(|_| 0.0),
            tolerance: None,
            code: None,
        }
    }
}

/// Computes the ratio of every time to that of the full network, and of each level to the one
/// before.
fn add_ratios(rows: &mut [Row], full_ms: f64) {
    let mut before = None;
    for row in rows {
        let ms = row.times.map(|times| times.median_ms);
        row.ratio = ms.map(|ms| ms / full_ms);
        if matches!(row.group, Group::Level | Group::Added) {
            row.ratio_before = ms.zip(before).map(|(ms, before)| ms / before);
            before = ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: Group, median_ms: Option<f64>) -> Row {
        let run = median_ms
            .map(|ms| Interpreted { time: Duration::from_secs_f64(ms / 1e3), outputs: Vec::new() });
        Row { group, ..Interpretation { run, estimate: Duration::from_secs(75) }.row() }
    }

    #[test]
    fn an_interpreter_that_is_left_out_says_why_and_has_no_figures() {
        let skipped = row(Group::Level, None);
        assert!(skipped.times.is_none() && skipped.relative_difference.is_none());
        let why = skipped.skipped.expect("it says why");
        assert!(why.contains("75 s") && why.contains("--interpreter"), "{why}");
        assert_eq!(row(Group::Level, Some(2.0)).skipped, None);
    }

    #[test]
    fn levels_are_put_beside_the_level_before_and_all_beside_the_full_one() {
        let mut rows = vec![
            row(Group::Level, None),
            row(Group::Level, Some(8.0)),
            row(Group::Added, Some(4.0)),
            row(Group::Level, Some(2.0)),
            row(Group::Removed, Some(3.0)),
        ];
        add_ratios(&mut rows, 2.0);
        let ratios: Vec<_> = rows.iter().map(|r| r.ratio).collect();
        assert_eq!(ratios, [None, Some(4.0), Some(2.0), Some(1.0), Some(1.5)]);
        let before: Vec<_> = rows.iter().map(|r| r.ratio_before).collect();
        assert_eq!(before, [None, None, Some(0.5), Some(0.5), None]);
    }
}
