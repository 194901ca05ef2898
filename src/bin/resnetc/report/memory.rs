//! The plan of the arena: what lies where, and for how long.

use maud::{Markup, html};

use super::data::{Arrival, Buffer, Holds, Memory, Report, Value};
use super::scale::Scale;
use super::svg::{Plot, columns, percent, px, rows, table};
use crate::units::{bytes, plural};

/// Height of the plot.
const HEIGHT: f64 = 340.0;
/// The least width of one step.
const LEAST_WIDTH: usize = 5;
/// Height of the mark of a value that takes over a place.
const MARK: f64 = 10.0;

pub(crate) fn section(report: &Report) -> Markup {
    let memory = &report.memory;
    let aliases = memory.buffers.iter().flat_map(aliases).count();
    let scratch = memory.buffers.iter().filter(|b| matches!(b.holds, Holds::Scratch(_))).count();
    html! {
        section #memory aria-labelledby="memory-title" {
            h2 #memory-title { "Where every value lies" }
            p {
                "One arena of " (bytes(memory.peak)) " holds every value. At the busiest step "
                (bytes(memory.lower_bound)) " are live at once, so no plan takes less. "
                (plural(memory.buffers.len(), "stretch").replace("stretchs", "stretches")) ", "
                (plural(aliases, "value")) " in the place of an operand, "
                (plural(scratch, "stretch").replace("stretchs", "stretches")) " of scratch memory."
            }
            (plot(memory))
            ul .legend {
                li { svg .key width="22" height="16" aria-hidden="true" { rect .buffer width="22" height="16" rx="2" {} } "values" }
                li {
                    svg .key width="22" height="16" aria-hidden="true" {
                        rect .buffer width="22" height="16" rx="2" {}
                        line .seam x1="8" x2="8" y1="0" y2="16" {}
                        use .alias href="#mark-alias" x="8" y="3" {}
                    }
                    "a value takes over the place"
                }
                li { svg .key width="22" height="16" aria-hidden="true" { rect .scratch width="22" height="16" rx="2" {} } "scratch" }
                li { svg .key width="22" height="16" aria-hidden="true" { line .peak x1="0" x2="22" y1="8" y2="8" {} } "arena " (bytes(memory.peak)) }
                li { svg .key width="22" height="16" aria-hidden="true" { line .bound x1="0" x2="22" y1="8" y2="8" {} } "lower bound " (bytes(memory.lower_bound)) }
            }
            (table("memory plan", &["offset", "bytes", "first step", "last step", "holds"], memory.buffers.iter().map(cells)))
        }
    }
}

/// Values that came into a buffer after its first one.
fn aliases(buffer: &Buffer) -> impl Iterator<Item = &Value> {
    let values = match &buffer.holds {
        Holds::Values(values) => values.as_slice(),
        Holds::Scratch(_) => &[],
    };
    values.iter().filter(|v| matches!(v.arrival, Arrival::InPlace | Arrival::View))
}

fn plot(memory: &Memory) -> Markup {
    let steps = memory.steps.max(1);
    let x = Scale::linear((0.0, steps as f64), (0.0, 100.0));
    let top = memory.peak.max(memory.lower_bound).max(1) as f64;
    let y = Scale::linear((0.0, 1.04 * top), (HEIGHT, 0.0));
    let line = |value: usize| px(y.at(value as f64));
    let content = html! {
        (rows(&y, 5, round_bytes))
        (columns(&x, 8, HEIGHT, |v| format!("{v:.0}")))
        @for buffer in &memory.buffers { (rectangle(buffer, &x, &y)) }
        line .peak x1="0" x2="100%" y1=(line(memory.peak)) y2=(line(memory.peak)) {}
        line .bound x1="0" x2="100%" y1=(line(memory.lower_bound)) y2=(line(memory.lower_bound)) {}
        text .tick x="100%" y=(px(HEIGHT + 36.0)) text-anchor="end" { "step" }
    };
    let description = format!(
        "{} over {}: each from its first to its last step, from where it starts in the arena to where it ends. The \
         arena takes {}, the lower bound is {}. The table below has all figures.",
        plural(memory.buffers.len(), "rectangle"),
        plural(steps, "step"),
        bytes(memory.peak),
        bytes(memory.lower_bound)
    );
    Plot {
        id: "memory-plot",
        label: "Memory plan",
        description: &description,
        height: HEIGHT,
        least_width: steps * LEAST_WIDTH,
    }
    .draw(&content)
}

/// `2 MB` for a round number of bytes.
fn round_bytes(value: f64) -> String {
    match value.round() as usize {
        0 => "0".to_owned(),
        value => bytes(value).replace(".00 ", " ").replace(".0 ", " "),
    }
}

fn rectangle(buffer: &Buffer, x: &Scale, y: &Scale) -> Markup {
    let (start, end) = (x.at(buffer.live.0 as f64), x.at(buffer.live.1 as f64 + 1.0));
    let (top, bottom) = (y.at((buffer.offset + buffer.bytes) as f64), y.at(buffer.offset as f64));
    let class = match buffer.holds {
        Holds::Values(_) => "buffer",
        Holds::Scratch(_) => "scratch",
    };
    html! {
        g data-mark {
            title { (tip(buffer)) }
            rect .(class) x=(percent(start)) y=(px(top)) width=(percent(end - start))
                height=(px((bottom - top).max(1.0))) {}
            @for value in aliases(buffer) {
                @let at = percent(x.at(value.step as f64));
                line .seam x1=(at) x2=(at) y1=(px(top)) y2=(px(bottom)) {}
                use .alias href="#mark-alias" x=(at) y=(px((top + bottom - MARK) / 2.0)) {}
            }
        }
    }
}

fn tip(buffer: &Buffer) -> String {
    let (first, last) = buffer.live;
    format!(
        "{} at {}, steps {first} to {last}: {}",
        bytes(buffer.bytes),
        bytes(buffer.offset),
        contents(buffer)
    )
}

fn contents(buffer: &Buffer) -> String {
    let values = match &buffer.holds {
        Holds::Scratch(name) => return format!("scratch of {name}"),
        Holds::Values(values) => values,
    };
    let one = |value: &Value| {
        let arrival = match value.arrival {
            Arrival::Input => "input ",
            Arrival::Result => "",
            Arrival::InPlace => "then in place ",
            Arrival::View => "then, the same bytes, ",
        };
        format!("{arrival}{} ({})", value.name, value.line)
    };
    values.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn cells(buffer: &Buffer) -> Vec<String> {
    let figures = [buffer.offset, buffer.bytes, buffer.live.0, buffer.live.1];
    figures.iter().map(ToString::to_string).chain([contents(buffer)]).collect()
}
