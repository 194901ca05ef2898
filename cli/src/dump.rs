//! `resnetc dump`: a network at any stage of its compilation, as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use resnetc::advice::OptionName;
use resnetc::codegen::image::{Image, Options as CodegenOptions};
use resnetc::codegen::listing;
use resnetc::codegen::machine::{Compiled, Cranelift};
use resnetc::codegen::vir::Program;
use resnetc::compile::{Lowered, Stages};
use resnetc::ir::{Graph, dot, text};
use resnetc::plan::table;
use resnetc::{Error, Isa, Network};

use crate::args::{Common, Values};
use crate::disassembly::Instructions;
use crate::failure::Failure;
use crate::nearest::nearest;
use crate::output;
use crate::stages;
use crate::step::StepArgs;
use crate::units::{self, plural};

/// Print a network at one stage of its compilation
#[derive(Debug, clap::Args)]
#[command(mut_arg("perf_map", |arg| arg.hide(true)))]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Which stage
    #[arg(long, value_enum, default_value = "scheduled")]
    stage: Dump,
    /// Print only the lines about this node; not for --stage dot
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dump {
    /// The graph as described, before any pass
    Graph,
    /// The graph after the fusion passes
    Fused,
    /// The graph after all passes, with layouts
    Scheduled,
    /// Where every value is stored and how long it lives
    Plan,
    /// The vector programs of the kernels
    Program,
    /// Cranelift's code of the drivers, and of the kernels of --isa baseline
    Clif,
    /// Machine code, with the lines of the vector programs that it was made from
    Asm,
    /// The graph after the fusion passes, for Graphviz
    Dot,
}

impl Dump {
    /// The options that have no effect on a stage.
    fn ignores(self, is_limited: bool) -> &'static [OptionName] {
        use OptionName::{Isa, Memory, Numerics, Passes, PerfMap, Reuse, Threads, Tuned};
        match self {
            Dump::Graph => &[Passes, Isa, Threads, Numerics, Reuse, Memory, Tuned, PerfMap],
            Dump::Fused | Dump::Dot => &[Isa, Threads, Numerics, Reuse, Memory, Tuned, PerfMap],
            // What is computed again depends on the plan.
            Dump::Scheduled if is_limited => &[PerfMap],
            Dump::Scheduled => &[Isa, Threads, Numerics, Reuse, Tuned, PerfMap],
            Dump::Plan | Dump::Program | Dump::Clif | Dump::Asm => &[PerfMap],
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.stage == Dump::Dot && args.node.is_some() {
        return Err(Failure::usage("--node is not for --stage dot")
            .help("--stage fused --node NAME prints the node's lines"));
    }
    if let Some(path) = &args.output {
        output::check_text(path, &args.common.reads(&args.model))?;
    }
    args.common.refuse(
        args.stage.ignores(args.common.limits_memory()),
        "this stage does not depend on it",
    )?;
    let network = args.common.training(args.step.optimizer()).load(&args.model, Values::Given)?;
    let text = match args.stage {
        Dump::Graph => graph_text(args, network.graph())?,
        Dump::Fused => graph_text(args, &stages::fused(&network, network.options())?)?,
        Dump::Scheduled => {
            graph_text(args, &Stages::of(network.graph().clone(), network.options())?.graph)?
        }
        Dump::Plan => {
            let stages = Stages::of(network.graph().clone(), network.options())?;
            lines_of(args, &stages.graph, table::table(&stages.graph, &stages.plan))?
        }
        Dump::Dot => dot::dot(&stages::fused(&network, network.options())?),
        Dump::Program | Dump::Clif | Dump::Asm => functions(args, &network)?,
    };
    match &args.output {
        Some(path) => output::write_file(path, text.as_bytes()),
        None => output::print(&text),
    }
}

/// A graph in the text form that [`text::parse_with`] reads.
fn graph_text(args: &Args, graph: &Graph) -> Result<String, Failure> {
    let text = text::print(graph);
    let hashed = text.lines().filter(|line| line.contains(" = constant fnv=")).count();
    let lines = lines_of(args, graph, text)?;
    match (hashed, &args.node) {
        (1.., None) => Ok(format!(
            "# the elements of {} are not in this text: fnv is their hash\n{lines}",
            plural(hashed, "constant")
        )),
        _ => Ok(lines),
    }
}

/// The lines that name the node, if one was given.
fn lines_of(args: &Args, graph: &Graph, text: String) -> Result<String, Failure> {
    let Some(name) = &args.node else { return Ok(text) };
    // As tables and as the text form of graphs show it.
    let shown = [format!("\"{}\"", units::name(name)), text::quote(name)];
    let about = |line: &&str| {
        shown.iter().any(|name| line.contains(name)) || line.split_whitespace().any(|w| w == name)
    };
    let lines: Vec<&str> = text.lines().filter(about).collect();
    match lines.is_empty() {
        true => Err(no_such_node(name, graph.nodes().map(|n| graph.node(n).name.as_str()))),
        false => Ok(lines.join("\n") + "\n"),
    }
}

fn no_such_node<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    let near: Vec<String> =
        nearest(name, names).iter().map(|n| format!("\"{}\"", units::name(n))).collect();
    let failure = Failure::new(format!("this stage has no node \"{}\"", units::name(name)));
    match near.is_empty() {
        true => failure.help("leave out --node to see all names"),
        false => failure.help(format!("similar names are {}", near.join(", "))),
    }
}

/// The kernels and regions that were requested, by position.
struct Selection {
    kernels: BTreeSet<usize>,
    regions: Vec<usize>,
}

impl Selection {
    fn of(args: &Args, lowered: &Lowered) -> Result<Self, Failure> {
        let wanted = |name: &str| args.node.as_ref().is_none_or(|n| n == name);
        let regions: Vec<usize> =
            (0..lowered.regions.len()).filter(|&r| wanted(&lowered.regions[r].name)).collect();
        if let (true, Some(name)) = (regions.is_empty(), &args.node) {
            return Err(no_such_node(name, lowered.regions.iter().map(|r| r.name.as_str())));
        }
        let pieces = regions.iter().flat_map(|&r| &lowered.regions[r].pieces);
        let calls = pieces.flat_map(|piece| piece.calls());
        Ok(Selection { kernels: calls.map(|call| call.kernel).collect(), regions })
    }
}

fn functions(args: &Args, network: &Network) -> Result<String, Failure> {
    let stages = Stages::of(network.graph().clone(), network.options())?;
    let lowered = stages.lower()?;
    let selection = Selection::of(args, &lowered)?;
    if args.stage == Dump::Program {
        return Ok(selection
            .kernels
            .iter()
            .map(|&k| format!("{}\n", lowered.kernels[k]))
            .collect());
    }
    let image = image(stages.isa, &lowered)?;
    let kernel = |&k: &usize| ("kernel", &image.kernels[k], Some(&lowered.kernels[k]));
    let region = |&r: &usize| ("region", &image.regions[r], None);
    let kernels = selection.kernels.iter().map(kernel);
    let functions = kernels.chain(selection.regions.iter().map(region));
    match args.stage {
        Dump::Clif => Ok(functions.filter_map(|(what, f, _)| clif(what, f)).collect()),
        _ => match Instructions::host() {
            Some(instructions) => {
                let text = |(what, f, program)| asm(instructions, what, f, program);
                Ok(functions.map(text).collect())
            }
            None => {
                let what = "machine code can be shown on x86-64 and 64-bit Arm only";
                Err(Failure::new(what).help("use --stage clif"))
            }
        },
    }
}

fn image(isa: Isa, lowered: &Lowered) -> Result<Image, Error> {
    let cranelift = Cranelift::host()?;
    let options = CodegenOptions { keep_ir: true, ..CodegenOptions::default() };
    Ok(Image::compile(&cranelift, isa, &lowered.kernels, &lowered.regions, options)?)
}

fn clif(what: &str, function: &Compiled) -> Option<String> {
    function.ir.as_ref().map(|ir| format!("; {what} \"{}\"\n{ir}\n", units::name(&function.name)))
}

fn asm(
    instructions: Instructions,
    what: &str,
    function: &Compiled,
    program: Option<&Program>,
) -> String {
    let mut text =
        format!("; {what} \"{}\", {} bytes\n", units::name(&function.name), function.code);
    let instructions = instructions.disassemble(&function.bytes[..function.code]);
    let lines = match program {
        Some(program) => listing::interleave(instructions, program, &function.lines),
        None => instructions.into_iter().map(|(_, line)| line).collect(),
    };
    for line in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    text.push('\n');
    text
}
