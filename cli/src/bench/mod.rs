//! `resnetc bench`: how long a run takes.

mod ablate;
mod ablation;
mod against;
mod agree;
mod args;
mod compare;
mod crowd;
mod csv;
mod interpreter;
mod ladder;
mod layers;
mod outline;
mod peak;
mod race;
mod report;
mod resident;
mod subject;
pub(crate) mod survey;
mod sweep;
mod table;
mod timing;
mod variant;

use std::path::Path;
use std::time::Duration;

use resnetc::Network;
use resnetc::noise::{Noise, Watch, steadily};
use resnetc::one_line::path_line;
use resnetc::profile::direct_share;
use resnetc::profile::share::ShareOf;

use crate::args::{Common, Values};
use crate::failure::Failure;
use crate::output;
use crate::units::plural;
use against::{Against, Earlier};
use agree::{Agreement, tolerance, widened};
use compare::{Compared, Figures};
use race::Race;
use report::Report;
use sweep::Sweep;
use timing::Plan;
use variant::Variant;

pub(crate) use args::Args;

/// How many times everything is measured, at most, if the machine is busy.
const ATTEMPTS: usize = 3;
/// Time for all runs together, if their number is not given.
const BUDGET: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let sizes = args.sizes();
    args.check(sizes.len())?;
    if args.ablate {
        return ablate::run(args);
    }
    let saved = args.against.as_deref().map(against::read).transpose()?;
    if sizes.len() > 1 {
        // Errors of any of the sizes are reported before the first is measured.
        for common in &sizes {
            common.load(&args.model, Values::Random)?;
        }
    }
    let rows = sizes.iter().map(|common| {
        let mut report = run_one(args, common)?;
        if let (Some(file), Some(saved)) = (&args.against, &saved) {
            report.against = compare_with(file, saved, &report)?;
        }
        Ok(report)
    });
    let rows = rows.collect::<Result<Vec<Report>, Failure>>()?;
    if let [report] = &rows[..] {
        return match args.json {
            true => output::print_json(report),
            false => output::print(&report.text()),
        };
    }
    let sweep = Sweep { rows };
    if let Some(file) = &args.csv {
        output::write_file(file, sweep.csv().as_bytes())?;
    }
    match args.json {
        true => output::print_json(&sweep),
        false => output::print(&sweep.text()),
    }
}

/// Compares this run with an earlier one. If the file has none of this size, that is reported.
fn compare_with(
    file: &Path,
    saved: &[Earlier],
    report: &Report,
) -> Result<Option<Against>, Failure> {
    let now = serde_json::to_value(report).and_then(serde_json::from_value::<Earlier>);
    let now = now.map_err(|e| Failure::new(format!("the report cannot be compared: {e}")))?;
    let found = against::of(file, saved, &now);
    if found.is_none() {
        let (threads, batch) = (report.subtitle.threads, report.subtitle.batch);
        output::warn(&format!(
            "{} has no run on {} with batch {batch}",
            path_line(file),
            plural(threads, "thread")
        ));
    }
    Ok(found)
}

/// The network as the options specify it, and perhaps also the unfused one.
fn run_one(args: &Args, common: &Common) -> Result<Report, Failure> {
    let network = common.load_to_run(&args.model, Values::Random)?;
    let plan =
        Plan { warmup: args.warmup, iterations: args.iters, budget: BUDGET, least_rounds: 10 };
    let mut variants = vec![Variant::of(&network, "full", network.options().clone())];
    variants.extend(args.compare.then(|| Variant::unfused(&network)));
    let mut race = Race::new(variants, common.seed(), plan, usize::MAX)?;
    let attempts = if args.iters.is_some() { 1 } else { ATTEMPTS };
    let (mut report, noise) = steadily(attempts, || attempt(args, &network, &mut race, plan))?;
    output::warn_of(&noise);
    report.noise = Some(noise);
    if let (Some(contexts), Some(subject)) = (args.concurrency, race.subject(0)) {
        let (model, seed) = (&subject.model, common.seed());
        report.concurrency = Some(crowd::measure(&network, model, seed, contexts, args.iters)?);
    }
    Ok(report)
}

/// Measures everything that was requested, once.
fn attempt(
    args: &Args,
    network: &Network,
    race: &mut Race,
    plan: Plan,
) -> Result<(Report, Noise), Failure> {
    let (isa, threads) = (race.compiled(0).isa, race.compiled(0).threads);
    let watch = Watch::start();
    let before = peak::measure(isa, threads)?;
    let (figures, compared) = measure(race, network)?;
    let after = peak::measure(isa, threads)?;
    let peak = before.max(after);
    let layers = match race.subject(0).filter(|_| args.layers) {
        Some(subject) => Some(layers::measure(subject, plan, peak)?),
        None => None,
    };
    let both = [Some(&figures), compared.as_ref().map(|c| &c.unfused)];
    let spreads = both.into_iter().flatten().map(|figures| figures.times.spread());
    let spreads = spreads.chain(layers.as_ref().map(|layers| layers.spread));
    let direct = layers.as_ref().and_then(|layers| direct_share(&layers.layers));
    let noise = Noise::of(watch.load(), threads, spreads, Some([before, after]), direct);
    let share_of = share_of(race);
    let mut report = Report::new(&args.model, network, figures, (peak, share_of));
    report.compare = compared;
    report.layers = layers;
    report.peak_bytes = resident::peak_bytes();
    Ok((report, noise))
}

/// What the speed of the first variant is a share of.
fn share_of(race: &mut Race) -> ShareOf {
    let steps = race.subject(0).map(|subject| subject.model.steps().to_vec()).unwrap_or_default();
    ShareOf::all(
        steps.iter().filter(|s| s.macs > 0).map(|step| ShareOf::of(step.op, step.algorithm)),
    )
}

/// The figures of the first variant, and of the other one if there is one.
fn measure(race: &mut Race, network: &Network) -> Result<(Figures, Option<Compared>), Failure> {
    let agreement = Agreement {
        from: "full".to_owned(),
        expected: widened(race.outputs(0)),
        tolerance: tolerance(network),
    };
    let agreed = race.agree(&agreement)?;
    drop(agreement);
    let stats = race.run()?;
    let mut figures: Vec<Figures> = stats
        .iter()
        .enumerate()
        .map(|(i, &times)| Figures { times, compiled: race.compiled(i).clone() })
        .collect();
    let compared = (figures.len() > 1).then(|| Compared {
        speedup: stats[1].median_ms / stats[0].median_ms,
        outputs_relative_difference: agreed[1].difference,
        unfused: figures.remove(1),
    });
    Ok((figures.remove(0), compared))
}
