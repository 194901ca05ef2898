//! What `quantize` prints.

use std::fmt::Write as _;

use resnetc::one_line::path_line;
use resnetc::quantize;
use serde::Serialize;

use super::accuracy::Accuracy;
use super::args::{Args, Ranges};
use crate::units::{bytes, name, plural};

/// At most this many operators are printed as text.
const SHOWN: usize = 10;

/// The file that was written.
pub(super) struct Written {
    pub(super) file: String,
    pub(super) bytes: usize,
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    model: String,
    file: String,
    bytes: usize,
    method: &'static str,
    bias_correction: bool,
    runs: usize,
    /// The signal of the outputs to their quantization noise, on `outputs_runs` of the runs; `null`
    /// without noise.
    outputs_db: Option<f64>,
    outputs_runs: usize,
    operators: Vec<Operator>,
    floats: Vec<Float>,
    /// An operator whose staying in f32 would help.
    keep: Option<String>,
    top1: Option<Accuracy>,
}

/// A quantized operator; those that cost the outputs the most come first.
#[derive(Serialize)]
struct Operator {
    name: String,
    op: &'static str,
    weights: usize,
    /// Signal to noise of its own result if only this operator is quantized.
    own_db: Option<f64>,
    /// Signal to noise of the outputs if only this operator is not.
    outputs_db_without: Option<f64>,
}

#[derive(Serialize)]
struct Float {
    name: String,
    op: &'static str,
    reason: &'static str,
}

impl Report {
    pub(super) fn new(
        args: &Args,
        report: &quantize::Report,
        top1: Option<Accuracy>,
        written: Written,
    ) -> Self {
        let operator = |operator: &quantize::Operator| Operator {
            name: operator.name.clone(),
            op: operator.op,
            weights: operator.weights,
            own_db: finite(operator.own_db),
            outputs_db_without: operator.outputs_db_without.and_then(finite),
        };
        let float = |float: &quantize::Float| Float {
            name: float.name.clone(),
            op: float.op,
            reason: float.reason.words(),
        };
        Report {
            model: path_line(&args.model),
            file: written.file,
            bytes: written.bytes,
            method: match args.method {
                Ranges::Minmax => "minmax",
                Ranges::Percentile => "percentile",
                Ranges::Entropy => "entropy",
            },
            bias_correction: !args.no_bias_correction,
            runs: report.runs,
            outputs_db: finite(report.outputs_db),
            outputs_runs: report.outputs_runs,
            operators: report.operators.iter().map(operator).collect(),
            floats: report.floats.iter().map(float).collect(),
            keep: report.hint().map(|operator| operator.name.clone()),
            top1,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let layers = self.operators.iter().filter(|operator| operator.weights > 0).count();
        let biases = if self.bias_correction { "corrected" } else { "rounded" };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "quantized  {}, {}; ranges: {} over {}; biases {biases}",
            plural(layers, "layer"),
            plural(self.operators.len() - layers, "other operator"),
            self.method,
            plural(self.runs, "run")
        );
        let _ = writeln!(
            text,
            "outputs    {} dB signal to quantization noise ({})",
            decibels(self.outputs_db),
            plural(self.outputs_runs, "run")
        );
        if let Some(top1) = &self.top1 {
            top1.write(&mut text);
        }
        for float in &self.floats {
            let _ = writeln!(
                text,
                "f32        {} \"{}\": {}",
                float.op,
                name(&float.name),
                float.reason
            );
        }
        self.table(&mut text);
        if let Some(keep) = &self.keep {
            let _ = writeln!(
                text,
                "hint: --keep \"{}\" would raise the outputs' dB the most",
                name(keep)
            );
        }
        let _ = writeln!(text, "written to {} ({})", self.file, bytes(self.bytes));
        text
    }

    /// The operators that cost the outputs the most, or, where that was not measured, those with the
    /// largest errors of their own.
    fn table(&self, text: &mut String) {
        let shown = &self.operators[..self.operators.len().min(SHOWN)];
        let is_ranked = shown.iter().any(|operator| operator.outputs_db_without.is_some());
        let title = if is_ranked { "what costs the most" } else { "largest errors" };
        let names: Vec<String> =
            shown.iter().map(|o| format!("{} \"{}\"", o.op, name(&o.name))).collect();
        let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let width = widest.max(title.len());
        let mut line = |what: &str, own: &str, without: &str| {
            let cells = format!("{what:<width$}  {own:>8}  {without:>19}");
            let _ = writeln!(text, "{}", cells.trim_end());
        };
        line(title, "own dB", if is_ranked { "outputs dB if f32" } else { "" });
        for (operator, name) in shown.iter().zip(&names) {
            let without = operator.outputs_db_without.map(|db| format!("{db:.1}"));
            line(name, &decibels(operator.own_db), &without.unwrap_or_default());
        }
        if let Some(more @ 1..) = self.operators.len().checked_sub(SHOWN) {
            let more = plural(more, "more operator");
            let _ = writeln!(text, "and {more} (--json has all)");
        }
    }
}

impl Accuracy {
    fn write(&self, text: &mut String) {
        let of = match self.separate {
            true => "",
            false => ", the ones it was calibrated with",
        };
        let percent = |n: usize, of: usize| 100.0 * n as f64 / of.max(1) as f64;
        let _ = writeln!(
            text,
            "top-1      the same for {} of {} ({:.2} %){of}",
            self.agree,
            plural(self.pictures, "picture"),
            percent(self.agree, self.pictures)
        );
        if self.labelled > 0 {
            let _ = writeln!(
                text,
                "accuracy   {:.2} % in f32, {:.2} % quantized ({} with labels)",
                percent(self.right_f32, self.labelled),
                percent(self.right_int8, self.labelled),
                plural(self.labelled, "picture")
            );
        }
    }
}

/// JSON has no infinity: without noise there is no ratio.
fn finite(db: f64) -> Option<f64> {
    db.is_finite().then_some(db)
}

fn decibels(db: Option<f64>) -> String {
    db.map_or_else(|| "no noise".to_owned(), |db| format!("{db:.1}"))
}
