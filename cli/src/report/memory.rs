//! The plan of the arena: where values are stored, and for how long.

use maud::{Markup, html};
use resnetc::report::plan::{MemoryPlan, PlannedBuffer, PlannedValue, Role};

use super::data::Report;
use super::headline::capital;
use super::scale::Scale;
use super::svg::{Plot, columns, extents, percent, px, rows, short, table};
use crate::step;
use crate::units::{bytes, plural};

/// Height of the plot.
const HEIGHT: f64 = 340.0;
/// The minimum width of one step.
const LEAST_WIDTH: usize = 5;
/// Height of the mark of a value that takes over a place.
const MARK: f64 = 10.0;

pub(crate) fn section(report: &Report) -> Markup {
    let memory = &report.memory;
    let aliases = memory.buffers.iter().flat_map(|b| aliases(memory, b)).count();
    let scratch = memory.buffers.iter().filter(|b| b.scratch_of.is_some()).count();
    html! {
        section #memory aria-labelledby="memory-title" {
            h2 #memory-title { "Where every value is stored" }
            p {
                "One arena of " (bytes(memory.peak)) " holds every value. At the busiest step "
                (bytes(memory.lower_bound)) " are live at once, so no plan needs less. "
                (plural(memory.buffers.len(), "buffer")) ", "
                (plural(aliases, "value")) " in the place of an operand, "
                (plural(scratch, "buffer")) " of scratch memory."
                @if let Some(found) = &report.for_gradients {
                    " " (capital(&step::for_gradients(found))) "."
                }
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
            (table("memory plan", &["offset", "bytes", "first step", "last step", "holds"], memory.buffers.iter().map(|b| cells(memory, b))))
        }
    }
}

/// The values in a buffer, in the order in which they are written.
fn values<'a>(
    memory: &'a MemoryPlan,
    buffer: &'a PlannedBuffer,
) -> impl Iterator<Item = &'a PlannedValue> {
    buffer.values.iter().filter_map(|&value| memory.values.get(value))
}

/// Values that take over a place in a buffer, and when.
fn aliases<'a>(
    memory: &'a MemoryPlan,
    buffer: &'a PlannedBuffer,
) -> impl Iterator<Item = usize> + 'a {
    let takes_over = |v: &&PlannedValue| v.in_place_of.or(v.view_of).is_some();
    values(memory, buffer).filter(takes_over).filter_map(|v| v.written)
}

fn plot(memory: &MemoryPlan) -> Markup {
    // Outputs are live after the last step, until they are read.
    let steps = memory.steps.len() + 1;
    let x = Scale::linear((0.0, steps as f64), (0.0, 100.0));
    let top = memory.peak.max(memory.lower_bound).max(1) as f64;
    let y = Scale::linear((0.0, 1.04 * top), (HEIGHT, 0.0));
    let line = |value: usize| px(y.at(value as f64));
    let content = html! {
        (rows(&y, 5, round_bytes))
        (columns(&x, 8, HEIGHT, |v| format!("{v:.0}")))
        @for buffer in &memory.buffers { (rectangle(memory, buffer, &x, &y)) }
        line .peak x1="0" x2="100%" y1=(line(memory.peak)) y2=(line(memory.peak)) {}
        line .bound x1="0" x2="100%" y1=(line(memory.lower_bound)) y2=(line(memory.lower_bound)) {}
        text .tick x="100%" y=(px(HEIGHT + 36.0)) text-anchor="end" { "step" }
    };
    let views = memory.steps.iter().filter(|step| !step.runs).count();
    let description = format!(
        "{} over {} and {}: each spans its first to its last step, and its bytes in the arena. The \
         arena has {}, the lower bound is {}. The table below has all figures.",
        plural(memory.buffers.len(), "rectangle"),
        plural(memory.steps.len() - views, "step"),
        plural(views, "view"),
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

fn rectangle(memory: &MemoryPlan, buffer: &PlannedBuffer, x: &Scale, y: &Scale) -> Markup {
    let (start, end) = (x.at(buffer.live.0 as f64), x.at(buffer.live.1 as f64 + 1.0));
    let (top, bottom) = (y.at((buffer.offset + buffer.bytes) as f64), y.at(buffer.offset as f64));
    let class = if buffer.scratch_of.is_some() { "scratch" } else { "buffer" };
    html! {
        g data-mark {
            title { (tip(memory, buffer)) }
            rect .(class) x=(percent(start)) y=(px(top)) width=(percent(end - start))
                height=(px((bottom - top).max(1.0))) {}
            @for step in aliases(memory, buffer) {
                @let at = percent(x.at(step as f64));
                line .seam x1=(at) x2=(at) y1=(px(top)) y2=(px(bottom)) {}
                use .alias href="#mark-alias" x=(at) y=(px((top + bottom - MARK) / 2.0)) {}
            }
        }
    }
}

fn tip(memory: &MemoryPlan, buffer: &PlannedBuffer) -> String {
    let (first, last) = buffer.live;
    format!(
        "{} at {}, steps {first} to {last}: {}",
        bytes(buffer.bytes),
        bytes(buffer.offset),
        contents(memory, buffer)
    )
}

fn contents(memory: &MemoryPlan, buffer: &PlannedBuffer) -> String {
    if let Some(step) = buffer.scratch_of.and_then(|step| memory.steps.get(step)) {
        let what = buffer.publishes.unwrap_or("scratch");
        return format!("{what} of {}", short(&step.name));
    }
    let one = |value: &PlannedValue| {
        let arrival = match (value.role, value.in_place_of, value.view_of) {
            (Role::Input, ..) => "input ",
            (_, Some(_), _) => "then in place ",
            (_, _, Some(_)) => "then, the same bytes, ",
            _ => "",
        };
        let shape = extents(&value.shape);
        format!("{arrival}{} ({} {shape} {})", short(&value.name), value.op, value.layout)
    };
    values(memory, buffer).map(one).collect::<Vec<_>>().join("; ")
}

fn cells(memory: &MemoryPlan, buffer: &PlannedBuffer) -> Vec<String> {
    let figures = [buffer.offset, buffer.bytes, buffer.live.0, buffer.live.1];
    figures.iter().map(ToString::to_string).chain([contents(memory, buffer)]).collect()
}
