//! `resnetc bench`: how long a run takes.

mod ablate;
mod ablation;
mod against;
mod agree;
mod compare;
mod crowd;
mod csv;
mod interpreter;
mod ladder;
mod layers;
mod outline;
mod race;
mod report;
mod subject;
pub(crate) mod survey;
mod sweep;
mod table;
mod timing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use resnetc::noise::{Noise, Watch, steadily};
use resnetc::profile::direct_share;
use resnetc::profile::share::ShareOf;
use resnetc::runtime::peak;
use resnetc::{Isa, Network};

use crate::args::{Common, ModelOptions, Values, positive, threads};
use crate::failure::Failure;
use crate::output;
use crate::units::plural;
use against::{Against, Earlier};
use agree::{Agreement, tolerance, widened};
use compare::{Compared, Figures};
use race::{Race, Variant};
use report::Report;
use sweep::Sweep;
use timing::Plan;

/// Measure how long a run takes
///
/// The peak is what a loop of multiply-adds reaches on the same threads, measured before and after; GFLOP/s count
/// two operations for each multiply-add of direct convolution. Where an algorithm does fewer of them, or others, the share
/// is one of direct convolution at the peak, and may be above 100 %.
///
/// Where the times or the peaks show that the machine is busy, all is measured again, three times at most, unless --iters
/// gives the number of runs.
///
/// Several numbers of --threads and of --batch are all combined, one row each. --against sets the median beside that of an
/// earlier run and says what was not the same: CPU, instruction set, threads, batch or model. --concurrency runs so many
/// contexts of the model at once, each on a thread of its own: where one run uses the model's threads, the others use
/// their own only.
///
/// --ablate says what each optimization brings: it times the network without optimizations and with more and more of
/// them, and without each of them alone. All variants give the same results, which is checked first, and take turns.
/// Measured choices of `resnetc tune` are left out, as they are for the layers of the full network only.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Timed runs [default: about two seconds of them, twenty of all variants, at least 10]
    #[arg(long, value_name = "K", value_parser = positive)]
    iters: Option<usize>,
    /// Runs before the first that counts
    #[arg(long, value_name = "W", default_value_t = 3)]
    warmup: usize,
    /// Time the network without its optional passes too, alternating
    #[arg(long, conflicts_with_all = ["unfused", "ablate"])]
    compare: bool,
    /// Time each layer too, in runs of their own
    #[arg(long, conflicts_with = "ablate")]
    layers: bool,
    /// Time the network with more and more optimizations, and without each of them
    #[arg(long, conflicts_with_all = ["unfused", "no_pass", "only_pass"])]
    ablate: bool,
    /// Run the interpreter too, however long it takes [default: if it takes less than a minute]
    #[arg(long, requires = "ablate")]
    interpreter: bool,
    /// Write the rows of --ablate, or of several --threads or --batch, as CSV too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Memory for all variants at once; if they need more, each is compiled anew for each of its turns
    #[arg(long, value_name = "MB", requires = "ablate", default_value_t = 4000)]
    hold: usize,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Run so many contexts at once too, and tell throughput and tail latency
    #[arg(long, value_name = "N", value_parser = threads, conflicts_with = "ablate")]
    concurrency: Option<usize>,
    /// Compare with what an earlier run printed with --json
    #[arg(long, value_name = "FILE.json", conflicts_with = "ablate")]
    against: Option<PathBuf>,
    /// Threads of a run; several, as in 1,2, are measured one after the other [default: as many as the process may use]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = threads)]
    threads: Vec<usize>,
    /// Pictures in one run; several, as in 1,8, are measured one after the other [default: as many as the model says, or 1]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = positive)]
    batch: Vec<usize>,
    #[command(flatten)]
    options: ModelOptions,
}

impl Args {
    /// The combinations of threads and batch; a single one has the first place alone.
    fn sizes(&self) -> Vec<Common> {
        let each = |given: &[usize]| -> Vec<Option<usize>> {
            if given.is_empty() { vec![None] } else { given.iter().copied().map(Some).collect() }
        };
        let batches = each(&self.batch);
        let threads = each(&self.threads).into_iter();
        threads
            .flat_map(|threads| batches.iter().map(move |&batch| (threads, batch)))
            .map(|(threads, batch)| Common { threads, batch, model: self.options.clone() })
            .collect()
    }

    /// The options, with the first of the combinations.
    fn common(&self) -> Common {
        let first = |given: &[usize]| given.first().copied();
        Common {
            threads: first(&self.threads),
            batch: first(&self.batch),
            model: self.options.clone(),
        }
    }

    /// What can be refused before the work.
    fn check(&self, sizes: usize) -> Result<(), Failure> {
        let one_size =
            [(self.ablate, "--ablate"), (self.layers, "--layers"), (self.compare, "--compare")];
        if let Some((_, flag)) = one_size.into_iter().find(|(given, _)| *given && sizes > 1) {
            return Err(Failure::usage(format!(
                "{flag} goes with one number of threads and one batch"
            )));
        }
        if self.csv.is_some() && !self.ablate && sizes == 1 {
            return Err(Failure::no_effect(
                "--csv",
                "it writes the rows of --ablate, or of several --threads or --batch",
            ));
        }
        match &self.csv {
            Some(path) => output::check_text(path, &self.common().reads(&self.model)),
            None => Ok(()),
        }
    }
}

/// How long the peak is measured, each time.
const PEAK_TIME: Duration = Duration::from_millis(150);
/// How often all is measured, at most, if the machine is busy.
const ATTEMPTS: usize = 3;
/// All timed runs together, if their number is not given.
const BUDGET: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let sizes = args.sizes();
    args.check(sizes.len())?;
    if args.ablate {
        return ablate::run(args);
    }
    let saved = args.against.as_deref().map(against::read).transpose()?;
    if sizes.len() > 1 {
        // What cannot be had in one of the sizes is said before the first is measured.
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

/// An earlier run beside this one. If the file has none of this size, that is said.
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
            "{} has no run on {} of batch {batch}",
            file.display(),
            plural(threads, "thread")
        ));
    }
    Ok(found)
}

/// What a loop of multiply-adds reaches, in GFLOP/s.
fn measure_peak(isa: Isa, threads: usize) -> Result<f64, Failure> {
    Ok(peak::measure(isa, threads, PEAK_TIME)?.gflops)
}

/// The network as the options want it, and perhaps the unfused one beside it.
fn run_one(args: &Args, common: &Common) -> Result<Report, Failure> {
    let network = common.load_to_run(&args.model, Values::Random)?;
    let plan =
        Plan { warmup: args.warmup, iterations: args.iters, budget: BUDGET, least_rounds: 10 };
    let mut variants = vec![Variant { name: "full".to_owned(), network: network.clone() }];
    variants.extend(args.compare.then(|| compare::unfused(&network)));
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

/// All that is asked for, measured once.
fn attempt(
    args: &Args,
    network: &Network,
    race: &mut Race,
    plan: Plan,
) -> Result<(Report, Noise), Failure> {
    let (isa, threads) = (race.compiled(0).isa, race.compiled(0).threads);
    let watch = Watch::start();
    let before = measure_peak(isa, threads)?;
    let (figures, compared) = measure(race, network)?;
    let after = measure_peak(isa, threads)?;
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
    Ok((report, noise))
}

/// What a speed of the first variant is a share of.
fn share_of(race: &mut Race) -> ShareOf {
    let steps = race.subject(0).map(|subject| subject.model.steps().to_vec()).unwrap_or_default();
    ShareOf::all(steps.iter().filter(|s| s.macs > 0).map(|step| ShareOf::of(step.algorithm)))
}

/// The figures of the first variant, and of the other one if there is one.
fn measure(race: &mut Race, network: &Network) -> Result<(Figures, Option<Compared>), Failure> {
    let agreement = Agreement {
        from: "full".to_owned(),
        expected: widened(race.outputs(0)),
        tolerance: tolerance(network.graph()),
    };
    let differences = race.agree(&agreement)?;
    let stats = race.run()?;
    let mut figures: Vec<Figures> = stats
        .iter()
        .enumerate()
        .map(|(i, &times)| Figures { times, compiled: race.compiled(i).clone() })
        .collect();
    let compared = (figures.len() > 1).then(|| Compared {
        speedup: stats[1].median_ms / stats[0].median_ms,
        outputs_relative_difference: differences[1],
        unfused: figures.remove(1),
    });
    Ok((figures.remove(0), compared))
}
