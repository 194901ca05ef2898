//! `resnetc zoo`: the built-in networks, ONNX files of them for other programs, and the schema of
//! specs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use resnetc::export::onnx::{Existing, check_target, write};
use resnetc::ir::Graph;
use resnetc::one_line::path_line;
use resnetc::spec::{Spec, SpecError};
use resnetc::{Compiler, Error, Options};
use serde::Serialize;

use crate::args::{positive, whole};
use crate::failure::Failure;
use crate::output;
use crate::units::{bytes, count, plural};

/// List the built-in networks, or write one as an ONNX file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Make(Make),
    /// Print the JSON Schema of specs
    Schema,
}

/// List the built-in networks
#[derive(Debug, clap::Args)]
struct List {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// Write a network as an ONNX file
///
/// The file has only standard operators of opset 17, as an exporter writes them: nothing is fused.
/// The same network and seed give the same bytes.
#[derive(Debug, clap::Args)]
struct Make {
    /// Built-in network, .toml or .json
    network: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE.onnx")]
    output: PathBuf,
    /// Weights under PyTorch's names [default: random]
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
    /// Seed of random weights [default: 0]
    #[arg(long, value_name = "N", value_parser = whole::<u64>, conflicts_with = "weights")]
    seed: Option<u64>,
    /// Images per run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    batch: usize,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// One built-in network.
#[derive(Serialize)]
struct Line {
    name: String,
    parameters: usize,
    /// Channels, rows, columns.
    input: [usize; 3],
    classes: usize,
}

/// A report of the written file.
#[derive(Serialize)]
struct Report {
    file: String,
    bytes: u64,
    operators: usize,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Make(args) => make(args),
        Command::Schema => output::print_json(&Spec::json_schema()),
    }
}

fn list(args: &List) -> Result<(), Failure> {
    let specs = Spec::builtin_names().filter_map(Spec::builtin);
    let lines = specs.map(line).collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
    if args.json {
        return output::print_json(&lines);
    }
    let mut text = String::new();
    for Line { name, parameters, input: [channels, height, width], classes } in lines {
        let parameters = count(parameters as u64);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<18} {parameters:>7} parameters  {channels}x{height}x{width} to {classes} classes"
        );
    }
    output::print(&text)
}

fn line(spec: Spec) -> Result<Line, SpecError> {
    let input = [spec.input.channels, spec.input.height, spec.input.width];
    let parameters = spec.parameter_count()?;
    Ok(Line { name: spec.name, parameters, input, classes: spec.classes })
}

fn make(args: &Make) -> Result<(), Failure> {
    let has_extension = |path: &Path, wanted| path.extension().is_some_and(|e| e == wanted);
    if !has_extension(&args.output, "onnx") {
        let message = format!("--output {}: it must end in .onnx", path_line(&args.output));
        return Err(Failure::usage(message));
    }
    if has_extension(&args.network, "onnx") {
        let message = format!("{}: this is an ONNX file already", path_line(&args.network));
        return Err(Failure::usage(message));
    }
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    // Checked before the weights are read or drawn.
    check_target(&args.output, existing)?;
    let options = Options::default()
        .batch(args.batch)
        .weights(args.weights.clone())
        .seed(args.seed.unwrap_or(0));
    let network = Compiler::new(options).load(&args.network)?;
    let written = write(network.graph(), &args.output, existing)?;
    let report = Report {
        file: path_line(&args.output),
        bytes: written,
        operators: operators(network.graph()),
    };
    match args.json {
        true => output::print_json(&report),
        false => output::print(&format!(
            "{}: {}, {}\n",
            report.file,
            plural(report.operators, "operator"),
            bytes(report.bytes as usize)
        )),
    }
}

fn operators(graph: &Graph) -> usize {
    graph.nodes().filter(|&n| graph.node(n).op.is_computed()).count()
}
