//! What each optimization buys: the levels, each with a bar as long as its run.

use maud::{Markup, html};

use super::data::Report;
use super::svg::{bar, figure, table};
use crate::bench::survey::Level;
use crate::units::{bytes, plural};

pub(crate) fn section(report: &Report) -> Markup {
    let ladder = &report.ladder;
    let longest = ladder.levels.iter().map(|l| l.median_ms).fold(0.0, f64::max);
    let row = |i: usize, level: &Level| {
        let before = ladder.levels[..i].last().filter(|_| !level.is_aside);
        self::row(level, i == ladder.full, before, report.full(), longest)
    };
    let levels = || ladder.levels.iter().enumerate();
    html! {
        section #ladder aria-labelledby="ladder-title" {
            h2 #ladder-title { "What each optimization buys" }
            p {
                "The same network at every level, run in turns so that a machine that slows down slows all of them. "
                "A level adds one pass to the one above it; levels that change nothing here are left out. "
                "The outputs agree to " (power(report.run.difference))
                " of the largest value; rounding explains " (power(report.run.tolerance)) "."
            }
            div .scroll tabindex="0" role="group" aria-label="Levels, by arrow keys" data-plot="ladder" {
                (heads("times as fast as the level before"))
                ol .levels {
                    @for (i, level) in levels().filter(|(_, l)| !l.is_aside) { (row(i, level)) }
                }
                @if levels().any(|(_, l)| l.is_aside) {
                    h3 { "The full network, with one option changed" }
                    (heads("times as fast as the full network"))
                    ol .levels {
                        @for (i, level) in levels().filter(|(_, l)| l.is_aside) { (row(i, level)) }
                    }
                }
            }
            @for skipped in &ladder.skipped {
                p .note { "Not timed: " (skipped.name) " (" (skipped.reason) ")." }
            }
            (table("levels of optimization", &HEADS, ladder.levels.iter().map(cells)))
        }
    }
}

/// One digit and a power of ten, on one line.
fn power(value: f64) -> Markup {
    html! { span .nowrap { (format!("{value:.0e}")) } }
}

/// The text of the last column.
fn heads(gain: &str) -> Markup {
    html! { p .heads.note { "right: " (gain) } }
}

fn row(level: &Level, is_full: bool, before: Option<&Level>, full: &Level, longest: f64) -> Markup {
    let gain = before.map(|b| b.median_ms / level.median_ms);
    let tip = format!(
        "{}: median {} ms, half of {} between {} and {} ms; {}, arena {}, weights {}, {} moved",
        level.name,
        figure(level.median_ms),
        plural(level.runs, "run"),
        figure(level.q1_ms),
        figure(level.q3_ms),
        plural(level.launches, "launch"),
        bytes(level.arena_bytes),
        bytes(level.weight_bytes),
        bytes(level.moved_bytes),
    );
    html! {
        li .full[is_full] data-mark {
            span .name {
                (level.name)
                @if let Some(rewrites) = level.rewrites {
                    span .note { " " (plural(rewrites, "rewrite")) }
                }
                @if !level.last.is_empty() { span .note { " + " (level.last.join(", ")) } }
            }
            (bar(level.median_ms / longest.max(f64::MIN_POSITIVE), None, "level", &tip))
            span .ms { (figure(level.median_ms)) span .unit { " ms" } }
            span .gain {
                @match gain {
                    Some(gain) => { (format!("{gain:.2}\u{d7}")) },
                    None if level.is_aside => { (format!("{:.2}\u{d7}", full.median_ms / level.median_ms)) },
                    None => { "" },
                }
            }
        }
    }
}

const HEADS: [&str; 12] = [
    "level",
    "ISA",
    "runs",
    "median ms",
    "min ms",
    "25 % ms",
    "75 % ms",
    "90 % ms",
    "compile ms",
    "launches",
    "arena",
    "moved",
];

fn cells(level: &Level) -> Vec<String> {
    let times =
        [level.median_ms, level.min_ms, level.q1_ms, level.q3_ms, level.p90_ms, level.compile_ms];
    let mut cells = vec![level.name.clone(), level.isa.to_owned(), level.runs.to_string()];
    cells.extend(times.map(figure));
    cells.push(level.launches.to_string());
    cells.extend([level.arena_bytes, level.moved_bytes].map(bytes));
    cells
}
