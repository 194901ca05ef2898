//! `bench --threads 1,2 --batch 1,8`: a row for each combination.

use std::fmt::Write as _;

use serde::Serialize;

use super::csv::quoted;
use super::report::Report;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Sweep {
    pub(super) rows: Vec<Report>,
}

/// A column of the CSV file.
type Column = (&'static str, fn(&Report) -> String);

const COLUMNS: [Column; 12] = [
    ("model", |r| quoted(&r.subtitle.model)),
    ("isa", |r| r.subtitle.isa.to_owned()),
    ("threads", |r| r.subtitle.threads.to_string()),
    ("batch", |r| r.subtitle.batch.to_string()),
    ("iterations", |r| r.figures.times.iterations.to_string()),
    ("median_ms", |r| format!("{:.6}", r.figures.times.median_ms)),
    ("q1_ms", |r| format!("{:.6}", r.figures.times.q1_ms)),
    ("q3_ms", |r| format!("{:.6}", r.figures.times.q3_ms)),
    ("min_ms", |r| format!("{:.6}", r.figures.times.min_ms)),
    ("p90_ms", |r| format!("{:.6}", r.figures.times.p90_ms)),
    ("pictures_per_second", |r| format!("{:.3}", r.pictures_per_second())),
    ("gflops", |r| format!("{:.3}", r.gflops)),
];

impl Sweep {
    /// For a file; the first line has the column names.
    pub(super) fn csv(&self) -> String {
        let mut text = COLUMNS.map(|(name, _)| name).join(",") + "\n";
        for row in &self.rows {
            text += &(COLUMNS.map(|(_, field)| field(row)).join(",") + "\n");
        }
        text
    }

    /// For people: a table, and a line for each combination that was compared or run in many
    /// contexts at once.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        if let Some(first) = self.rows.first() {
            let _ = writeln!(text, "{}: {}", first.subtitle.model, first.subtitle.isa);
        }
        let _ = writeln!(
            text,
            "{:>7} {:>5} {:>10} {:>17} {:>13} {:>9}",
            "threads", "batch", "median ms", "ms per image", "images/s", "GFLOP/s"
        );
        for row in &self.rows {
            let (median, batch) = (row.figures.times.median_ms, row.subtitle.batch);
            let _ = writeln!(
                text,
                "{:>7} {batch:>5} {median:>10.3} {:>17.3} {:>13.1} {:>9.1}",
                row.subtitle.threads,
                median / batch.max(1) as f64,
                row.pictures_per_second(),
                row.gflops
            );
        }
        for row in &self.rows {
            let more: String = row.more().collect();
            if !more.is_empty() {
                let _ = write!(
                    text,
                    "\nthreads {}, batch {}\n{more}",
                    row.subtitle.threads, row.subtitle.batch
                );
            }
        }
        text
    }
}
