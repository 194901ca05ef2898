//! `resnetc tune`: which algorithms are the fastest on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use resnetc::advice::OptionName;
use resnetc::kernels::Algorithm;
use resnetc::one_line::path_line;
use resnetc::tune::{self, Cache, CacheError, Layer, MachineKey, cache};
use resnetc::{Error, Numerics};
use serde::Serialize;

use crate::args::{Common, Values};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::tuned::{self, Place};
use crate::units::plural;

/// The help of --tuned, which other commands read.
const TUNED: &str = "Write the times to this file, or nowhere: off [default: the file for this machine in the \
                     cache folder]";

/// Measure which algorithms are the fastest for a network's layers on this machine
///
/// The times are written to a file, --tuned or one in the cache folder ($RESNETC_CACHE_DIR, else
/// resnetc in $XDG_CACHE_HOME or ~/.cache), where all commands look for them. With --tuned off,
/// nothing is written.
#[derive(Debug, clap::Args)]
#[command(mut_arg("tuned", |arg| arg.help(TUNED)))]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    model: String,
    isa: String,
    threads: usize,
    /// Where the times were written.
    file: Option<String>,
    layers: Vec<Line>,
    /// The time of all these layers in one run, with the cost model's choices.
    modelled_us: f64,
    /// The same time with the chosen algorithms.
    chosen_us: f64,
}

#[derive(Serialize)]
struct Line {
    layer: String,
    uses: usize,
    chosen: String,
    modelled: String,
    /// The spread of the times that decide, relative to the median.
    spread: f64,
    /// Whether the choice can be trusted, and was kept.
    kept: bool,
    microseconds: BTreeMap<String, f64>,
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Failure::new(error.to_string())
            .code(error.code())
            .help("name another place with --tuned FILE or $RESNETC_CACHE_DIR, or use --tuned off")
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.common.refuse(&[OptionName::Memory], "layers are measured one by one")?;
    let fixed = args.common.model.numerics.why_untuned();
    if let Some(reason) = fixed {
        args.common.refuse(&[OptionName::Tuned], reason)?;
    }
    let network = args.common.without_tuned().load(&args.model, Values::Given)?;
    let isa = args.common.model.isa.enable().map_err(Error::from)?;
    let precision = network.options().numerics.precision();
    let threads = network.options().thread_count()?;
    let machine = MachineKey { precision, ..MachineKey::of(isa, threads) };
    // Without a choice there is nothing to write.
    let file = match fixed {
        Some(_) => None,
        None => file(&args.common, &machine)?,
    };
    let layers = {
        let mut bar = None;
        tune::measure(&network, &mut |done, total| {
            bar.get_or_insert_with(|| Progress::new("measuring", total)).set(done);
        })?
    };
    let file = file.filter(|_| layers.iter().any(Layer::is_steady));
    if let Some(warning) = warning(&layers) {
        output::warn(&warning);
    }
    if let Some(file) = &file {
        let mut cache = Cache::new(machine.clone());
        cache.add(&layers);
        cache.merge_into(file)?;
    }
    let report = report(args, machine, file, &layers);
    match args.json {
        true => output::print_json(&report),
        false => output::print(&text(&report, args.common.model.numerics)),
    }
}

/// The file for the times, after checking that it can be written.
fn file(common: &Common, machine: &MachineKey) -> Result<Option<PathBuf>, Failure> {
    let file = match Place::of(common.model.tuned.as_deref(), machine) {
        Place::Off => return Ok(None),
        Place::Nowhere => {
            return Err(Failure::new("there is no home folder for the file of times")
                .help("name a place with --tuned FILE or $RESNETC_CACHE_DIR, or use --tuned off"));
        }
        // A file that the user names may be any file, and is not replaced unless it is ours.
        Place::Named(file) => match Cache::read(&file, machine) {
            Err(e) if !e.is_missing => return Err(e.into()),
            _ => file,
        },
        Place::Cached(file) => file,
    };
    cache::prepare(&file)?;
    if let Err(e) = Cache::read(&file, machine)
        && !e.is_missing
    {
        tuned::warn(&e, "it will be replaced");
    }
    Ok(Some(file))
}

/// The warning that layers are left out, if any are.
fn warning(layers: &[Layer]) -> Option<String> {
    let left_out = layers.iter().filter(|layer| !layer.is_steady()).count();
    (left_out > 0).then(|| {
        format!(
            "the machine was busy: the times of {} of {} are too far apart to be kept; run the command again when \
             nothing else runs",
            left_out,
            plural(layers.len(), "layer")
        )
    })
}

fn report(args: &Args, machine: MachineKey, file: Option<PathBuf>, layers: &[Layer]) -> Report {
    let time = |choice: fn(&Layer) -> Algorithm| {
        let times = layers.iter().map(|layer| {
            let chosen = layer.candidates.iter().find(|c| c.algorithm == choice(layer));
            chosen.map_or(0.0, |c| us(c.time)) * layer.uses as f64
        });
        times.sum()
    };
    let line = |layer: &Layer| Line {
        layer: layer.problem.to_string(),
        uses: layer.uses,
        chosen: layer.chosen().to_string(),
        modelled: layer.modelled.to_string(),
        spread: layer.spread(),
        kept: layer.is_steady(),
        microseconds: layer
            .candidates
            .iter()
            .map(|c| (c.algorithm.to_string(), us(c.time)))
            .collect(),
    };
    Report {
        model: path_line(&args.model),
        isa: machine.isa,
        threads: machine.threads,
        file: file.as_deref().map(path_line),
        layers: layers.iter().map(line).collect(),
        modelled_us: time(|layer| layer.modelled),
        chosen_us: time(Layer::chosen),
    }
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn text(report: &Report, numerics: Numerics) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    for line in &report.layers {
        let left_out = match line.kept {
            true => String::new(),
            false => {
                let percent = 100.0 * line.spread;
                format!(
                    "; left out: the middle half of its times spreads over {percent:.0} % of the median"
                )
            }
        };
        let _ = writeln!(text, "{} ({}){left_out}", line.layer, plural(line.uses, "layer"));
        for (algorithm, time) in &line.microseconds {
            let chosen = if *algorithm == line.chosen { "  chosen" } else { "" };
            let modelled = if *algorithm == line.modelled { "  by the model" } else { "" };
            let _ = writeln!(text, "  {algorithm:<26} {time:>10.1} us{chosen}{modelled}");
        }
    }
    if report.layers.is_empty() {
        let why = numerics.why_untuned().unwrap_or("no layer has more than one algorithm");
        let _ = writeln!(text, "nothing to choose: {why}");
    } else {
        let _ = writeln!(
            text,
            "these layers take {:.3} ms per run with the model's choices, {:.3} ms with the chosen ones ({}, {})",
            report.modelled_us / 1e3,
            report.chosen_us / 1e3,
            report.isa,
            plural(report.threads, "thread")
        );
    }
    match &report.file {
        Some(file) => {
            let _ = writeln!(text, "written to {file}");
        }
        None => text += "nothing is written\n",
    }
    text
}
