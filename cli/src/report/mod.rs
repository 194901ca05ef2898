//! `resnetc report`: one page with everything about a network on this machine.
//!
//! | module | holds |
//! |---|---|
//! | `data` | what is shown, as plain data |
//! | `collect` | fills it from the compiler's stages and from what `bench::survey` measures |
//! | `page` | the page; below it one file per section, each a function of the data alone |
//! | `svg`, `scale`, `palette` | marks, axes, colours |

mod collect;
mod data;
mod fusions;
mod graphs;
mod headline;
mod ladder;
mod layers;
mod machine;
mod memory;
pub(crate) mod page;
mod palette;
mod roofline;
pub(crate) mod scale;
pub(crate) mod svg;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use resnetc::advice::OptionName;
use resnetc::profile::share::ShareOf;
use resnetc::{ErrorCode, Network, PassSelection};

use crate::args::{Common, Values, positive, whole};
use crate::bench::survey::{self, Runs};
use crate::failure::Failure;
use crate::output;
use crate::step::StepArgs;
use data::Report;

/// Write a page about a network: what each optimization buys, time by layer, roofline, memory plan,
/// graphs
///
/// The page is one HTML file that needs nothing else. All levels of optimization are timed in
/// turns, then the layers of the full network. The machine's speeds of multiply-adds and of reading
/// memory are measured before and after. Measured choices of `resnetc tune` are ignored, as they
/// apply to the layers of the full network only.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("no_pass", |arg| arg.hide(true)),
    mut_arg("only_pass", |arg| arg.hide(true)),
    mut_arg("unfused", |arg| arg.hide(true)),
    mut_arg("tuned", |arg| arg.hide(true)),
)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// The page to write
    #[arg(short, long, value_name = "FILE.html", required_unless_present = "json")]
    output: Option<PathBuf>,
    /// Timed runs of each level and of the layers [default: about ten seconds in all]
    #[arg(long, value_name = "K", value_parser = positive)]
    iters: Option<usize>,
    /// Warm-up runs before the first timed one
    #[arg(long, value_name = "W", default_value_t = 2, value_parser = whole::<usize>)]
    warmup: usize,
    /// Memory for all levels at once; if they need more, each is recompiled for each of its turns
    #[arg(long, value_name = "MB", default_value_t = 3000, value_parser = whole::<usize>)]
    hold: usize,
    /// Print the data of the page as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    check(args)?;
    let common = args.common.without_tuned().training(args.step.optimizer());
    let network = common.load_to_run(&args.model, Values::Random)?;
    let most_bytes = args.hold.saturating_mul(1_000_000);
    let runs = Runs { warmup: args.warmup, iterations: args.iters, most_bytes };
    let survey = survey::measure(&network, common.seed(), runs)?;
    output::warn_of(&survey.noise);
    let report = collect::report(&args.model, &network, survey)?;
    if let Some(file) = &args.output {
        output::write_file(file, page::render(&report).as_bytes())?;
    }
    match args.json {
        true => output::print_json(&report),
        false => output::print(&summary(&report)),
    }
}

/// The page of `resnetc report` for a network that is called `model`, with `iterations` timed runs,
/// or about ten seconds of them. The passes and measured choices of its options are ignored.
///
/// # Errors
/// If it cannot be compiled or run: the message, and its code.
pub fn report_page(
    network: &Network,
    model: &Path,
    iterations: Option<usize>,
) -> Result<String, (String, ErrorCode)> {
    /// As the command's options are by default.
    const RUNS: Runs = Runs { warmup: 2, iterations: None, most_bytes: 3_000_000_000 };
    let options = network.options().clone().tuned(None).passes(PassSelection::All);
    let network = network.with_options(options.cache_dir(None));
    let seed = network.options().seed;
    let page = || {
        let survey = survey::measure(&network, seed, Runs { iterations, ..RUNS })?;
        Ok(page::render(&collect::report(model, &network, survey)?))
    };
    page().map_err(|failure: Failure| failure.into_parts())
}

/// The headline, for the terminal.
fn summary(report: &Report) -> String {
    let faster = report.run.speedup.map(|by| format!(", {by:.2} times as fast as unfused"));
    format!(
        "{}: {:.3} ms{}, {:.0} % of {}\n",
        report.model,
        report.full().median_ms,
        faster.unwrap_or_default(),
        100.0 * report.run.share_of_peak,
        match report.run.share_of {
            ShareOf::Peak => "peak",
            ShareOf::Direct => "direct convolution at peak",
        }
    )
}

/// Refuses what can be refused before the work.
fn check(args: &Args) -> Result<(), Failure> {
    args.common.refuse(&[OptionName::Passes], "a report compares all levels of passes")?;
    args.common.refuse(&[OptionName::Memory], "levels need different amounts of memory")?;
    args.common.refuse(&[OptionName::Tuned], "measured choices apply to the full network only")?;
    match &args.output {
        Some(path) => output::check_text(path, &args.common.reads(&args.model)),
        None => Ok(()),
    }
}
