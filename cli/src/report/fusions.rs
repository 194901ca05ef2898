//! What the passes did, and what they nearly did.

use maud::{Markup, html};
use resnetc::passes::NodeRef;
use resnetc::report::explain::{Explained, Explanation, Rewritten};

use super::data::Report;
use super::svg::short;
use crate::units::plural;

pub(crate) fn section(report: &Report) -> Markup {
    let passes = &report.explanation.passes;
    let idle: Vec<&str> = names(passes.iter().filter(|p| !has_work(passes, p.pass)));
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
                    tbody { @for pass in passes.iter().filter(|p| !p.applied.is_empty()) { (line(pass)) } }
                }
            }
            @if !idle.is_empty() { p .note { "Found nothing to do: " (idle.join(", ")) "." } }
            h3 { "Declined" }
            (declined(&report.explanation))
        }
    }
}

/// Whether a pass rewrote anything in one of its turns.
fn has_work(passes: &[Explained], name: &str) -> bool {
    passes.iter().any(|p| p.pass == name && !p.applied.is_empty())
}

/// The names of passes, each once.
fn names<'a>(passes: impl Iterator<Item = &'a Explained>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for pass in passes {
        if !names.contains(&pass.pass) {
            names.push(pass.pass);
        }
    }
    names
}

fn line(pass: &Explained) -> Markup {
    html! {
        tr {
            th .name scope="row" { (pass.pass) @if !pass.optional { span .note { " required" } } }
            td .number { (pass.applied.len()) }
            td {
                details {
                    summary { (pass.doc) }
                    ul .rewrites { @for rewrite in &pass.applied { li { (told(rewrite)) } } }
                }
            }
        }
    }
}

/// The nodes before and after, or the label of a rewrite that only marks nodes.
fn told(rewrite: &Rewritten) -> Markup {
    let list = |nodes: &[NodeRef]| {
        nodes.iter().map(|n| short(&n.to_string())).collect::<Vec<_>>().join(", ")
    };
    html! {
        @if rewrite.before.is_empty() && rewrite.after.is_empty() {
            (short(&rewrite.label))
        } @else {
            (list(&rewrite.before)) " \u{2192} " (list(&rewrite.after))
        }
    }
}

/// The nodes whose rewrite failed on one condition.
struct Reason<'a> {
    pass: &'a str,
    reason: &'a str,
    nodes: Vec<String>,
}

/// Near misses by pass and reason, in the order in which they first came up.
fn reasons(explanation: &Explanation) -> Vec<Reason<'_>> {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for (pass, miss) in
        explanation.passes.iter().flat_map(|p| p.declined.iter().map(move |d| (p.pass, d)))
    {
        let known = reasons.iter().position(|r| (r.pass, r.reason) == (pass, miss.reason.as_str()));
        let at = known.unwrap_or_else(|| {
            reasons.push(Reason { pass, reason: &miss.reason, nodes: Vec::new() });
            reasons.len() - 1
        });
        reasons[at].nodes.push(format!("{} {}", miss.op, short(&miss.node)));
    }
    reasons
}

fn declined(explanation: &Explanation) -> Markup {
    let reasons = reasons(explanation);
    html! {
        @if reasons.is_empty() {
            p { "No rewrite failed on one condition alone." }
        } @else {
            p { "Rewrites that failed on one condition alone, and on which." }
            ul .declined {
                @for reason in &reasons {
                    li {
                        details {
                            summary {
                                span .name { (reason.pass) } " "
                                (short(reason.reason)) span .note { " " (plural(reason.nodes.len(), "node")) }
                            }
                            ul .rewrites { @for node in &reason.nodes { li { (node) } } }
                        }
                    }
                }
            }
        }
    }
}
