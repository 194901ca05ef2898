//! The table of an ablation: Markdown, aligned so that it can be read on a terminal too.

use std::fmt::Write as _;

use super::ablation::{Ablation, Code, Row};
use super::ladder::Group;
use super::report::share_text;
use crate::units::bytes;

/// Headings, and whether the column holds numbers.
const COLUMNS: [(&str, bool); 10] = [
    ("variant", false),
    ("rewrites", true),
    ("ms", true),
    ("quartiles", true),
    ("x full", true),
    ("x before", true),
    ("arena", true),
    ("moved", true),
    ("launches", true),
    ("", false),
];

/// What the columns mean.
const LEGEND: &str = "ms: median of a run. x full, x before: its ratio to the median of the full network and of the \
row before.\nmoved: operands and results of all steps. launches: regions that a run calls, one after the other.\n\
\"+\" rows have one pass more than the row before, \"-\" rows all passes but one.\n";

pub(super) fn text(ablation: &Ablation) -> String {
    let mut text = String::new();
    let subtitle = &ablation.subtitle;
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{}", subtitle.text());
    let _ = writeln!(
        text,
        "full: {:.1} GFLOP/s, {}",
        ablation.gflops,
        share_text(ablation.share_of, ablation.share_of_peak, ablation.peak_gflops)
    );
    let how = match ablation.all_in_memory {
        true => "taking turns, all in memory",
        false => "taking turns, recompiled for each",
    };
    let _ = writeln!(
        text,
        "variants run {how}; outputs agree to {:.1e} (rounding explains {:.1e})\n",
        ablation.difference, ablation.tolerance
    );
    let is_idle = |row: &&Row| row.same_as.is_some() && row.rewrites == Some(0);
    let (idle, telling): (Vec<&Row>, Vec<&Row>) = ablation.rows.iter().partition(is_idle);
    text += &table(&telling, ablation.tolerance);
    let idle: Vec<&str> =
        idle.iter().filter(|r| r.group == Group::Added).filter_map(|r| r.pass).collect();
    if !idle.is_empty() {
        let _ = writeln!(text, "\nnothing to do in this network: {}", idle.join(", "));
    }
    text.push('\n');
    text + LEGEND
}

fn table(rows: &[&Row], tolerance: f64) -> String {
    let headings = COLUMNS.map(|(heading, _)| heading.to_owned());
    let mut lines: Vec<[String; COLUMNS.len()]> = vec![headings];
    lines.extend(rows.iter().map(|row| cells(row, tolerance)));
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    let mut text = String::new();
    for (i, line) in lines.iter().enumerate() {
        for ((cell, &width), (_, is_figure)) in line.iter().zip(&widths).zip(COLUMNS) {
            let _ = match is_figure {
                true => write!(text, "| {cell:>width$} "),
                false => write!(text, "| {cell:width$} "),
            };
        }
        text += "|\n";
        if i == 0 {
            for (&width, (_, is_figure)) in widths.iter().zip(COLUMNS) {
                let _ = write!(
                    text,
                    "| {}{} ",
                    "-".repeat(width - 1),
                    if is_figure { ":" } else { "-" }
                );
            }
            text += "|\n";
        }
    }
    text
}

fn cells(row: &Row, tolerance: f64) -> [String; COLUMNS.len()] {
    let or_nothing = |cell: Option<String>| cell.unwrap_or_default();
    let ratio = |ratio: Option<f64>| or_nothing(ratio.map(|r| format!("{r:.3}")));
    let code = |of: &dyn Fn(&Code) -> String| or_nothing(row.code.as_ref().map(of));
    [
        row.name.clone(),
        or_nothing(row.rewrites.map(|n| n.to_string())),
        or_nothing(row.times.map(|t| format!("{:.3}", t.median_ms))),
        or_nothing(row.times.map(|t| format!("{:.3}-{:.3}", t.q1_ms, t.q3_ms))),
        ratio(row.ratio),
        ratio(row.ratio_before),
        code(&|c| bytes(c.arena_bytes)),
        code(&|c| bytes(c.moved_bytes)),
        code(&|c| c.launches.to_string()),
        note(row, tolerance),
    ]
}

/// What is to be said of a row beside its figures; `tolerance` is that of the network's own
/// numbers.
fn note(row: &Row, tolerance: f64) -> String {
    let other_numbers = row.tolerance.is_none_or(|of| of > tolerance);
    match (&row.skipped, &row.same_as) {
        (Some(why), _) => format!("skipped: {why}"),
        (_, Some(same)) => format!("= {same}"),
        _ if row.group == Group::Again => "what noise does".to_owned(),
        _ => match row.relative_difference.filter(|&of| other_numbers && of > 0.0) {
            Some(difference) => format!("outputs change by {difference:.1e}"),
            None => String::new(),
        },
    }
}
