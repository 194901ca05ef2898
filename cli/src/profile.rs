//! `resnetc profile`: what each step of a run costs.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use resnetc::noise::{Noise, Watch, steadily};
use resnetc::profile::share::ShareOf;
use resnetc::profile::timeline::Timeline;
use resnetc::profile::{ClassProfile, Profile, StepProfile, direct_share};
use resnetc::runtime::peak;
use resnetc::{Context, Model};
use serde::Serialize;

use crate::args::{Common, Values, positive};
use crate::failure::Failure;
use crate::step::StepArgs;
use crate::units::{bytes, count, name, plural};
use crate::{inputs, output};

/// Measure what each step of a run costs
///
/// GFLOP/s count two operations for each multiply-add of direct convolution; their share is of the
/// peak, which is what a loop of multiply-adds reaches. Where an algorithm does fewer multiply-adds
/// than are counted, or a different kind, the share is of direct convolution at the peak
/// ("direct"), and may be above 100 %. GB/s count operands and results, each once. Imbalance is the
/// busiest thread's time divided by the mean of all threads.
///
/// The peak is measured before and after. Where the peaks or the times show that the machine is
/// busy, everything is measured again, at most three times, unless --iters gives the number of
/// runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Measured runs [default: about a second of them, at least 10]
    #[arg(long, value_name = "K", value_parser = positive)]
    iters: Option<usize>,
    /// Write one run as a timeline, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    common: Common,
}

/// How many times everything is measured, at most, if the machine is busy.
const ATTEMPTS: usize = 3;
/// How long the peak is measured, before and after.
const PEAK_TIME: Duration = Duration::from_millis(150);
/// Time for all runs together, if their number is not given.
const BUDGET: Duration = Duration::from_secs(1);
/// The minimum and maximum number of runs.
const RUNS: (f64, f64) = (10.0, 1_000.0);

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    noise: &'a Noise,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(path) = &args.trace {
        output::check_text(path, &args.common.reads(&args.model))?;
    }
    let network =
        args.common.training(args.step.optimizer()).load_to_run(&args.model, Values::Random)?;
    let values = inputs::steady(&network, args.common.seed())?;
    let model = network.compile()?;
    let mut context = model.context()?;
    for (i, tensor) in values.iter().enumerate() {
        context.input_mut(i)?.copy_from_slice(tensor.data());
    }
    model.run(&mut context)?;
    let start = Instant::now();
    model.run(&mut context)?;
    let fitting = BUDGET.as_secs_f64() / start.elapsed().as_secs_f64();
    let runs = args.iters.unwrap_or(fitting.clamp(RUNS.0, RUNS.1) as usize);
    let attempts = if args.iters.is_some() { 1 } else { ATTEMPTS };
    let (profile, noise) = steadily(attempts, || measure(&model, &mut context, runs))?;
    output::warn_of(&noise);
    if let Some(path) = &args.trace {
        let timeline = Timeline::of(&model, &model.run_traced(&mut context)?);
        let json = serde_json::to_vec(&timeline)
            .map_err(|e| Failure::new(format!("the timeline cannot be written as JSON: {e}")))?;
        output::write_file(path, &json)?;
    }
    match args.json {
        true => output::print_json(&Report { profile: &profile, noise: &noise }),
        false => output::print(&text(&profile)),
    }
}

/// A profile between two measurements of the peak.
fn measure(model: &Model, context: &mut Context, runs: usize) -> Result<(Profile, Noise), Failure> {
    let watch = Watch::start();
    let peak = || peak::measure(model.report().isa, model.threads(), PEAK_TIME);
    let before = peak()?.gflops;
    let profile = model.profile(context, runs, before)?;
    let after = peak()?.gflops;
    let profile = profile.against(before.max(after));
    let direct = direct_share(&profile.steps);
    let load = watch.load();
    let noise = Noise::of(load, model.threads(), [profile.spread], Some([before, after]), direct);
    Ok((profile, noise))
}

fn text(profile: &Profile) -> String {
    let (threads, runs) = (plural(profile.threads, "thread"), profile.runs);
    format!(
        "{}, {threads}: launches take {:.3} ms in all, medians of {runs} runs; peak {:.1} GFLOP/s\n{}",
        profile.isa,
        profile.milliseconds,
        profile.peak_gflops,
        tables(&profile.classes, &profile.steps)
    )
}

/// Classes, then steps.
pub(crate) fn tables(classes: &[ClassProfile], steps: &[StepProfile]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "\n{FIGURES}  class");
    for c in classes {
        let share = (c.share_of, c.share_of_peak);
        let figures = figures(c.median_ms, c.share_of_time, c.gflops, share, c.gbytes);
        let (launches, macs) = (plural(c.steps, "launch"), count(c.macs));
        let moved = bytes(c.bytes as usize);
        let _ =
            writeln!(text, "{figures}  {} ({launches}, {macs} multiply-adds, {moved})", c.class);
    }
    let _ = writeln!(text, "\n{FIGURES} {:>7} {:>7} {:>5}  launch", "chunks", "imbal.", "tile");
    for s in steps {
        let share = (s.share_of, s.share_of_peak);
        let figures = figures(s.median_ms, s.share_of_time, s.gflops, share, s.gbytes);
        let tile = s.tile.map_or("-".to_owned(), |[pixels, vectors]| format!("{pixels}x{vectors}"));
        let what = if s.kernel.is_empty() { &s.class } else { &s.kernel };
        let _ = writeln!(
            text,
            "{figures} {:>7} {:>7.2} {tile:>5}  {}: {what}",
            s.chunks,
            s.imbalance,
            name(&s.name)
        );
    }
    text
}

/// The headings of [`figures`].
const FIGURES: &str = "       ms   time  GFLOP/s    peak  direct    GB/s";

/// The share is in one of two columns: of the peak, or of direct convolution at the peak.
fn figures(ms: f64, time: f64, gflops: f64, share: (ShareOf, f64), gbytes: f64) -> String {
    let time = format!("{ms:9.4} {:5.1}%", 100.0 * time);
    let moved = if gbytes > 0.0 { format!("{gbytes:7.1}") } else { format!("{:>7}", "-") };
    let percent = format!("{:6.1}%", 100.0 * share.1);
    let (peak, direct) = match share.0 {
        ShareOf::Peak => (percent.as_str(), "-"),
        ShareOf::Direct => ("-", percent.as_str()),
    };
    match gflops > 0.0 {
        true => format!("{time} {gflops:8.1} {peak:>7} {direct:>7} {moved}"),
        false => format!("{time} {:>8} {:>7} {:>7} {moved}", "-", "-", "-"),
    }
}
