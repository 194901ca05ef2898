//! What the passes did, and what they nearly did.

use maud::{Markup, html};

use super::data::{Declined, Pass, Report};
use crate::units::plural;

pub(crate) fn section(report: &Report) -> Markup {
    let (done, idle): (Vec<&Pass>, Vec<&Pass>) =
        report.passes.iter().partition(|p| !p.rewrites.is_empty());
    html! {
        section #fusions aria-labelledby="fusions-title" {
            h2 #fusions-title { "What was fused, and what was not" }
            div .scroll tabindex="0" role="group" aria-label="Passes" {
                table .passes {
                    caption { "Passes in the order in which they run" }
                    thead { tr {
                        th scope="col" { "pass" }
                        th .number scope="col" { "rewrites" }
                        th scope="col" { "does" }
                    } }
                    tbody { @for pass in &done { (line(pass)) } }
                }
            }
            @if !idle.is_empty() {
                p .note {
                    "Found nothing to do: "
                    @for (i, pass) in idle.iter().enumerate() {
                        @if i > 0 { ", " }
                        (pass.name)
                    }
                    "."
                }
            }
            h3 { "Declined" }
            (declined(&report.declined))
        }
    }
}

fn line(pass: &Pass) -> Markup {
    html! {
        tr {
            th .name scope="row" { (pass.name) @if !pass.optional { span .note { " required" } } }
            td .number { (pass.rewrites.len()) }
            td {
                details {
                    summary { (pass.doc) }
                    ul .rewrites { @for rewrite in &pass.rewrites { li { (rewrite) } } }
                }
            }
        }
    }
}

fn declined(declined: &[Declined]) -> Markup {
    html! {
        @if declined.is_empty() {
            p { "No rewrite failed on one condition alone." }
        } @else {
            p { "Rewrites that failed on one condition alone, and on which." }
            ul .declined {
                @for reason in declined {
                    li {
                        details {
                            summary {
                                span .name { (reason.pass) } " "
                                (reason.reason) span .note { " " (plural(reason.nodes.len(), "node")) }
                            }
                            ul .rewrites { @for node in &reason.nodes { li { (node) } } }
                        }
                    }
                }
            }
        }
    }
}
