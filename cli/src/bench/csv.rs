//! The figures of an ablation as CSV: a header line, then one line per row.

use super::ablation::{Ablation, Code, Row};
use super::timing::Stats;

/// The columns and their values.
type Column = (&'static str, fn(&Ablation, &Row) -> Option<String>);

const COLUMNS: &[Column] = &[
    ("model", |a, _| Some(quoted(&a.subtitle.model))),
    ("isa", |_, row| Some(row.code?.isa.to_owned())),
    ("threads", |a, _| Some(a.subtitle.threads.to_string())),
    ("batch", |a, _| Some(a.subtitle.batch.to_string())),
    ("variant", |_, row| Some(quoted(&row.name))),
    ("pass", |_, row| Some(row.pass?.to_owned())),
    ("rewrites", |_, row| Some(row.rewrites?.to_string())),
    ("same_as", |_, row| Some(quoted(row.same_as.as_ref()?))),
    ("iterations", |_, row| Some(row.times?.iterations.to_string())),
    ("median_ms", |_, row| time(row, |t| t.median_ms)),
    ("q1_ms", |_, row| time(row, |t| t.q1_ms)),
    ("q3_ms", |_, row| time(row, |t| t.q3_ms)),
    ("min_ms", |_, row| time(row, |t| t.min_ms)),
    ("ratio", |_, row| Some(figure(row.ratio?))),
    ("ratio_before", |_, row| Some(figure(row.ratio_before?))),
    ("arena_bytes", |_, row| code(row, |c| c.arena_bytes)),
    ("weight_bytes", |_, row| code(row, |c| c.weight_bytes)),
    ("moved_bytes", |_, row| code(row, |c| c.moved_bytes)),
    ("launches", |_, row| code(row, |c| c.launches)),
    ("relative_difference", |_, row| Some(format!("{:.3e}", row.relative_difference?))),
    ("tolerance", |_, row| Some(format!("{:.3e}", row.tolerance?))),
    ("skipped", |_, row| Some(quoted(row.skipped.as_ref()?))),
];

/// Clocks have nanosecond resolution.
fn figure(ms: f64) -> String {
    format!("{ms:.6}")
}

fn time(row: &Row, of: fn(&Stats) -> f64) -> Option<String> {
    row.times.as_ref().map(|times| figure(of(times)))
}

fn code(row: &Row, of: fn(&Code) -> usize) -> Option<String> {
    row.code.as_ref().map(|code| of(code).to_string())
}

/// Quotes text as one field (RFC 4180).
pub(super) fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// The whole file.
pub(super) fn text(ablation: &Ablation) -> String {
    let mut text = COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",") + "\n";
    for row in &ablation.rows {
        let fields = COLUMNS.iter().map(|(_, field)| field(ablation, row).unwrap_or_default());
        text += &(fields.collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_stay_one_field() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a, b"), "\"a, b\"");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
    }
}
