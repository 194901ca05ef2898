//! `resnetc passes`: what the optimizer does, in order.

use std::fmt::Write as _;

use resnetc::passes::{Need, Stage, pipeline};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// List the optimization passes in the order in which they run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    doc: &'static str,
    stage: &'static str,
    optional: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let lines: Vec<Line> = pipeline()
        .iter()
        .map(|step| Line {
            name: step.pass.name,
            doc: step.pass.doc,
            stage: match step.stage {
                Stage::Canonical => "canonical",
                Stage::Fused => "fused",
                Stage::Scheduled => "scheduled",
            },
            optional: step.need == Need::Optional,
        })
        .collect();
    if args.json {
        return output::print_json(&lines);
    }
    let mut text = String::new();
    for line in lines {
        let need = if line.optional { "" } else { " (required)" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<10} {:<20} {}{need}", line.stage, line.name, line.doc);
    }
    output::print(&text)
}
