//! `resnetc check`: the compiled network against the interpreter.

use std::fmt::Write as _;
use std::path::PathBuf;

use resnetc::check::{CheckError, CheckReport, Compared, check};
use resnetc::ir::Tensor;
use serde::Serialize;

use crate::args::Common;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::units::shape;
use crate::{inputs, output};

/// Compare every layer of the compiled network with the interpreter in f64
///
/// Fails if a value is further off than the tolerance, and names the first one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// The most that a value may be off, as a part of the greatest value of its layer
    #[arg(long, value_name = "T", default_value_t = 1e-4, value_parser = tolerance)]
    tolerance: f64,
    /// Values for the inputs, .npy or .safetensors [default: random]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if t >= 0.0 => Ok(t),
        _ => Err("it must be a number of 0 or more".to_owned()),
    }
}

#[derive(Serialize)]
struct Report {
    model: String,
    isa: &'static str,
    tolerance: f64,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_above: Option<String>,
    layers: Vec<Line>,
    outputs: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    op: &'static str,
    shape: Vec<usize>,
    max_abs: f64,
    relative: f64,
    largest: f64,
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Compile(e) => e.into(),
            other => Failure::new(other.to_string()),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let loaded = inputs::load(&args.model, args.input.as_deref(), &args.common)?;
    let values: Vec<Tensor> = loaded.inputs.iter().map(|t| (**t).clone()).collect();
    let found = {
        let mut bar = None;
        check(&loaded.network, &values, &mut |done, total| {
            bar.get_or_insert_with(|| Progress::new("interpreting", total)).set(done);
        })?
    };
    let first = found.first_above(args.tolerance).cloned();
    let report = report(args, &found, first.as_ref());
    match args.json {
        true => output::print_json(&report)?,
        false => output::print(&text(&report))?,
    }
    match first {
        None => Ok(()),
        Some(bad) => Err(Failure::new(format!(
            "{} \"{}\" is off by {:.2e} of its greatest value, more than the tolerance {:.0e}",
            bad.op,
            bad.name,
            bad.difference.relative(),
            args.tolerance
        ))
        .help("try --isa baseline, or --no-pass to find the pass that makes the difference")),
    }
}

fn report(args: &Args, found: &CheckReport, first: Option<&Compared>) -> Report {
    let line = |c: &Compared| Line {
        name: c.name.clone(),
        op: c.op,
        shape: c.shape.clone(),
        max_abs: c.difference.max_abs,
        relative: c.difference.relative(),
        largest: c.difference.largest,
    };
    Report {
        model: args.model.display().to_string(),
        isa: found.isa.name(),
        tolerance: args.tolerance,
        passed: first.is_none(),
        first_above: first.map(|c| c.name.clone()),
        layers: found.layers.iter().map(line).collect(),
        outputs: found.outputs.iter().map(line).collect(),
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{:>9} {:>9} {:>9}  layer", "max abs", "relative", "greatest");
    let mut line = |what: &str, l: &Line| {
        let mark = if l.relative <= report.tolerance { "" } else { "  <-- above the tolerance" };
        let _ = writeln!(
            text,
            "{:>9.2e} {:>9.2e} {:>9.2e}  {what}{} \"{}\" {}{mark}",
            l.max_abs,
            l.relative,
            l.largest,
            l.op,
            l.name,
            shape(&l.shape)
        );
    };
    report.layers.iter().for_each(|l| line("", l));
    report.outputs.iter().for_each(|l| line("output of the whole: ", l));
    if report.passed {
        let _ = writeln!(
            text,
            "all {} layers and {} outputs within {:.0e} ({})",
            report.layers.len(),
            report.outputs.len(),
            report.tolerance,
            report.isa
        );
    }
    text
}
