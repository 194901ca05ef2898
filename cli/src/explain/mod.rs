//! `resnetc explain`: what was fused, and what was nearly fused.

mod convolutions;
mod summary;

use std::fmt::Write as _;
use std::path::PathBuf;

use resnetc::advice::OptionName;
use resnetc::compile::Stages;
use resnetc::passes::NodeRef;
use resnetc::report::convolutions::ChosenConvolution;
use resnetc::report::explain::{Explained, Explanation};
use resnetc::report::floats::{FloatOperator, float_operators};
use serde::Serialize;

use crate::args::{Common, Values};
use crate::failure::Failure;
use crate::output;
use crate::step::StepArgs;
use crate::units::name;
use summary::Summary;

/// Show which rewrites the passes applied, which they nearly applied, and how convolutions are
/// computed and why
///
/// The output begins with a summary: what was applied and declined most, how convolutions are
/// computed, and memory.
#[derive(Debug, clap::Args)]
#[command(mut_arg("perf_map", |arg| arg.hide(true)))]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.common.refuse(&[OptionName::PerfMap], "this command runs no compiled code")?;
    let network = args.common.training(args.step.optimizer()).load(&args.model, Values::Given)?;
    let stages = Stages::of(network.graph().clone(), network.options())?;
    let explanation = Explanation::of(&stages.remarks);
    let graph = network.graph();
    let operators = graph.nodes().filter(|&n| graph.node(n).op.is_computed()).count();
    let summary = Summary::of(operators, &stages, &explanation);
    let convolutions = stages.choices.report(&stages.graph);
    let floats = float_operators(&stages.graph, &stages.remarks);
    match args.json {
        true => output::print_json(&Report { summary, explanation, convolutions, floats }),
        false => {
            let choices = convolutions::text(&convolutions);
            let floats = on_floats(&floats);
            output::print(&(summary.text() + &text(&explanation) + &choices + &floats))
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    summary: Summary,
    #[serde(flatten)]
    explanation: Explanation,
    convolutions: Vec<ChosenConvolution>,
    /// The operators of a quantized network that compute on floats.
    floats: Vec<FloatOperator>,
}

/// The operators on floats, if there are any in a quantized network.
fn on_floats(operators: &[FloatOperator]) -> String {
    if operators.is_empty() {
        return String::new();
    }
    let mut text = "\non floats between quantized values:\n".to_owned();
    for FloatOperator { node, reason } in operators {
        let _ = writeln!(text, "  {}: {reason}", name(&node.to_string()));
    }
    text
}

fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let busy = |p: &&Explained| !(p.applied.is_empty() && p.declined.is_empty());
    for pass in explanation.passes.iter().filter(busy) {
        section(&mut text, pass);
    }
    let idle: Vec<&str> = explanation.passes.iter().filter(|p| !busy(p)).map(|p| p.pass).collect();
    // Writing to a string cannot fail, here and below.
    if !idle.is_empty() {
        let _ = writeln!(text, "nothing to do: {}", idle.join(", "));
    }
    let (applied, declined) = (explanation.applied(), explanation.declined());
    let _ = writeln!(text, "{applied} rewrites applied, {declined} nearly");
    text
}

fn section(text: &mut String, pass: &Explained) {
    let (applied, nodes) = (pass.applied.len(), pass.nodes);
    let _ = writeln!(text, "{}: {}", pass.pass, pass.doc);
    let _ = writeln!(text, "  {applied} applied, {nodes} nodes left afterwards");
    for rewritten in &pass.applied {
        let _ = writeln!(text, "  + {}", rewritten.label);
        if !rewritten.before.is_empty() {
            let (before, after) = (names(&rewritten.before), names(&rewritten.after));
            let _ = writeln!(text, "      {before} -> {after}");
        }
    }
    for miss in &pass.declined {
        let _ = writeln!(text, "  - {} {}: {}", miss.op, name(&miss.node), miss.reason);
    }
    text.push('\n');
}

fn names(nodes: &[NodeRef]) -> String {
    match nodes {
        [] => "nothing new".to_owned(),
        _ => nodes.iter().map(|node| name(&node.to_string())).collect::<Vec<_>>().join(", "),
    }
}
