//! `resnetc info`: what a network is and what it needs to run.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use resnetc::advice::OptionName;
use resnetc::compile::{Stages, run_macs};
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::one_line::path_line;
use resnetc::spec::Spec;
use resnetc::{DType, Error, Isa, Network, Options};
use serde::Serialize;

use crate::args::{Common, Values};
use crate::failure::Failure;
use crate::step::{self, StepArgs};
use crate::units::{bytes, count, name, plural, shape};
use crate::{output, stages};

/// Show a network's inputs, outputs, operators, parameters and memory
#[derive(Debug, clap::Args)]
#[command(mut_arg("perf_map", |arg| arg.hide(true)))]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// List every computed value: --outputs makes one an output by its name, or by that of a module
    /// of the network (layer4)
    #[arg(long)]
    values: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Report {
    model: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    operators: BTreeMap<&'static str, usize>,
    /// Elements of constants, without the statistics of batch normalizations.
    parameters: u64,
    /// Means and variances of batch normalizations.
    statistics: u64,
    macs: u64,
    isa: &'static str,
    threads: usize,
    /// As compiled with the options given.
    compiled: Variant,
    /// As compiled without optional passes.
    unfused: Variant,
    fusions: BTreeMap<&'static str, usize>,
    /// What `--outputs` can name, in the order in which it is computed, if `--values` asks for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    name: String,
    op: &'static str,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Port {
    name: String,
    shape: Vec<usize>,
    dtype: &'static str,
}

#[derive(Serialize)]
struct Variant {
    steps: usize,
    arena_bytes: usize,
    arena_lower_bound: usize,
    weight_bytes: usize,
    kernels: usize,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.common.refuse(&[OptionName::PerfMap], "this command runs no compiled code")?;
    let network = args.common.training(args.step.optimizer()).load(&args.model, Values::Given)?;
    let options = network.options();
    let (isa, compiled, stages) = variant(&network, options)?;
    let (_, unfused, _) = variant(&network, &stages::unfused(options))?;
    let graph = network.graph();
    // Those of a step are no constants of its graph.
    let (parameters, statistics) = match args.step.optimizer() {
        Some(_) => described(&step::spec(&args.model)?)?,
        None => parameters(graph),
    };
    let mut fusions = BTreeMap::new();
    for pass in stages.remarks.passes.iter().filter(|p| p.applied > 0) {
        *fusions.entry(pass.pass).or_default() += pass.applied;
    }
    let port = |name: &str, node: NodeId, dtype: DType| Port {
        name: name.to_owned(),
        shape: graph.node(node).ty.shape.clone(),
        dtype: dtype.name(),
    };
    let input = |&i: &NodeId| port(&graph.node(i).name, i, graph.input_dtype(i));
    let report = Report {
        model: path_line(&args.model),
        inputs: graph.inputs().iter().map(input).collect(),
        outputs: graph.outputs().iter().map(|o| port(&o.name, o.node, o.dtype)).collect(),
        operators: operators(graph),
        parameters,
        statistics,
        macs: run_macs(graph),
        isa: isa.name(),
        threads: options.thread_count()?,
        compiled,
        unfused,
        fusions,
        values: if args.values { values(graph) } else { Vec::new() },
    };
    match args.json {
        true => output::print_json(&report),
        false => output::print(&text(&report)),
    }
}

fn variant(network: &Network, options: &Options) -> Result<(Isa, Variant, Stages), Error> {
    let stages = Stages::of(network.graph().clone(), options)?;
    let (isa, lowered) = (stages.isa, stages.lower()?);
    let variant = Variant {
        steps: stages.steps().count(),
        arena_bytes: stages.plan.peak,
        arena_lower_bound: stages.plan.lower_bound,
        weight_bytes: lowered.weight_bytes,
        kernels: lowered.kernels.len(),
    };
    Ok((isa, variant, stages))
}

/// Each named value once: where an operator of a file became several nodes of its name, the last.
fn values(graph: &Graph) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for node in graph.topo().into_iter().map(|id| graph.node(id)).filter(|n| n.op.is_computed()) {
        values.retain(|value| value.name != node.name);
        let (name, shape) = (node.name.clone(), node.ty.shape.clone());
        values.push(Value { name, op: node.op.name(), shape });
    }
    values
}

fn operators(graph: &Graph) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for op in graph.nodes().map(|n| &graph.node(n).op).filter(|op| op.is_computed()) {
        *kinds.entry(op.name()).or_default() += 1;
    }
    kinds
}

/// The numbers of what a description learns, and of statistics of batch normalizations.
fn described(spec: &Spec) -> Result<(u64, u64), Failure> {
    let (mut learned, mut statistics) = (0, 0);
    for parameter in spec.parameters().map_err(Error::from)? {
        let elements: usize = parameter.shape.iter().product();
        match parameter.role.is_learned() {
            true => learned += elements as u64,
            false => statistics += elements as u64,
        }
    }
    Ok((learned, statistics))
}

/// The numbers of elements of all constants, each counted once: learned parameters, and statistics
/// of batch normalizations.
fn parameters(graph: &Graph) -> (u64, u64) {
    let (mut learned, mut statistics) = (0, 0);
    let mut seen = HashSet::new();
    for node in graph.nodes() {
        let Some(tensor) = graph.constant_of(node) else { continue };
        if !seen.insert(Arc::as_ptr(tensor)) {
            continue;
        }
        let is_statistic = |&(user, position): &(NodeId, usize)| {
            position >= 3 && matches!(graph.node(user).op, Op::BatchNorm { .. })
        };
        let users = graph.users(node);
        let sum = match !users.is_empty() && users.iter().all(is_statistic) {
            true => &mut statistics,
            false => &mut learned,
        };
        *sum += tensor.elements() as u64;
    }
    (learned, statistics)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let list = |map: &BTreeMap<&'static str, usize>| {
        map.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
    };
    // Writing to a string cannot fail, here and below.
    for (what, ports) in [("input", &report.inputs), ("output", &report.outputs)] {
        for port in ports {
            let dtype = match port.dtype {
                "float32" => String::new(),
                other => format!(" {other}"),
            };
            let _ =
                writeln!(text, "{what:<11} \"{}\" {}{dtype}", name(&port.name), shape(&port.shape));
        }
    }
    let _ = writeln!(text, "operators   {}", list(&report.operators));
    let _ = writeln!(
        text,
        "parameters  {} ({}), and {} statistics of batch normalizations",
        report.parameters,
        bytes(4 * report.parameters as usize),
        report.statistics
    );
    let _ = writeln!(text, "work        {} multiply-adds", count(report.macs));
    let _ = writeln!(text, "target      {}, {}", report.isa, plural(report.threads, "thread"));
    for (what, v) in [("compiled", &report.compiled), ("unfused", &report.unfused)] {
        let _ = writeln!(
            text,
            "{what:<11} {} steps, {} kernels, arena {} (at least {} needed), weights {}",
            v.steps,
            v.kernels,
            bytes(v.arena_bytes),
            bytes(v.arena_lower_bound),
            bytes(v.weight_bytes)
        );
    }
    let _ = writeln!(text, "rewrites    {}", list(&report.fusions));
    for Value { name: of, op, shape: size } in &report.values {
        let _ = writeln!(text, "value       \"{}\" {} {op}", name(of), shape(size));
    }
    text
}
