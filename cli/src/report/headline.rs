//! The main results, in four figures.

use maud::{Markup, html};
use resnetc::profile::share::ShareOf;

use super::data::Report;
use super::svg::{extents, figure, share};
use crate::units::{bytes, count, plural};

pub(crate) fn section(report: &Report) -> Markup {
    let (run, full, memory) = (&report.run, report.full(), &report.memory);
    let inputs = run.inputs.iter().map(|i| extents(i)).collect::<Vec<_>>().join(", ");
    html! {
        header {
            p .brand { "resnetc report" }
            h1 { (report.model) }
            p .lead {
                (inputs) ", " (count(run.macs)) " multiply-adds, "
                (plural(run.threads, "thread")) ", " (run.isa)
                @if let Some(cpu) = report.machine.cpu_name() { ", " (cpu) }
            }
            dl .tiles {
                (tile("one run", &figure(full.median_ms), "ms", html! {
                    "median of " (plural(full.runs, "run")) ", 90 % within " (figure(full.p90_ms)) " ms"
                }))
                @if let (Some(speedup), Some(unfused)) = (run.speedup, report.ladder.unfused) {
                    @let unfused = &report.ladder.levels[unfused];
                    (tile("against unfused", &format!("{speedup:.2}"), "\u{d7}", html! {
                        "as fast as without optional passes, which takes " (figure(unfused.median_ms)) " ms"
                    }))
                }
                (tile(run.share_of.title(), share(run.share_of_peak).trim_end_matches(" %"), "%", html! {
                    (figure(run.gflops)) " by " (figure(report.roofs.gflops))
                    " GFLOP/s, counted as direct convolution"
                }))
                (tile("arena", &split(memory.peak).0, &split(memory.peak).1, html! {
                    @if memory.peak == memory.lower_bound {
                        "the minimum that live values allow"
                    } @else {
                        (excess(memory.peak, memory.lower_bound)) " above the minimum that live values allow, "
                        (bytes(memory.lower_bound))
                    }
                }))
            }
            @if let Some(warning) = report.noise.warning() {
                p .warning { (capital(&warning)) "." }
            }
            @if report.machine.debug {
                p .warning { "Measured with a debug build, whose checks take time. Build with --release." }
            }
        }
    }
}

/// Capitalizes the first letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The title of a figure that is a share of something.
trait Title {
    fn title(self) -> &'static str;
}

impl Title for ShareOf {
    fn title(self) -> &'static str {
        match self {
            ShareOf::Peak => "share of peak",
            ShareOf::Direct => "of direct convolution at peak",
        }
    }
}

fn tile(name: &str, value: &str, unit: &str, note: Markup) -> Markup {
    html! {
        div {
            dt { (name) }
            dd {
                span .value { (value) } " " span .unit { (unit) }
                span .note { (note) }
            }
        }
    }
}

/// By how much one size exceeds another.
fn excess(size: usize, least: usize) -> String {
    let more = 100.0 * (size as f64 / least.max(1) as f64 - 1.0);
    if more < 0.01 { "less than 0.01 %".to_owned() } else { format!("{more:.2} %") }
}

/// Number and unit.
fn split(size: usize) -> (String, String) {
    let text = bytes(size);
    let (value, unit) = text.split_once(' ').unwrap_or((&text, ""));
    (value.to_owned(), unit.to_owned())
}
