//! What classify prints: a line a picture as soon as it is known, or one JSON document.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::engine::Engine;
use super::head::Head;
use super::picture::Source;
use super::preparation::Preparation;
use crate::failure::Failure;
use crate::output;
use crate::units::{ms, plural};

/// Collects what was found.
pub(super) struct Report<'a> {
    labels: Vec<String>,
    known: Vec<bool>,
    top: usize,
    json: bool,
    document: Document<'a>,
}

/// The document of `--json`, described in docs/CLASSIFY.md.
#[derive(Serialize)]
struct Document<'a> {
    isa: &'static str,
    threads: usize,
    batch: usize,
    compile_ms: f64,
    preprocessing: &'a Preparation,
    head: Head,
    pictures: Vec<Picture>,
}

#[derive(Serialize)]
struct Picture {
    file: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top: Vec<Guess>,
    /// Whether the file is named after the first label; nothing if it is named after none.
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Guess {
    class: usize,
    label: String,
    #[serde(flatten)]
    number: Number,
}

/// What a class is given.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Number {
    Probability(f32),
    /// The network's own number, of which nothing is known.
    Value(f32),
}

impl Number {
    fn get(self) -> f32 {
        let (Number::Probability(number) | Number::Value(number)) = self;
        number
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(
        engine: &Engine,
        preprocessing: &'a Preparation,
        top: usize,
        json: bool,
    ) -> Self {
        let labels: Vec<String> = (0..engine.head().classes()).map(|c| engine.label(c)).collect();
        let known = labels.iter().map(|l| engine.knows(l)).collect();
        let model = engine.model();
        let document = Document {
            isa: model.report().isa.name(),
            threads: model.threads(),
            batch: engine.batch(),
            compile_ms: engine.compile_ms(),
            preprocessing,
            head: engine.head().clone(),
            pictures: Vec::new(),
        };
        Report { labels, known, top, json, document }
    }

    /// A picture that cannot be read. The others go on.
    pub(super) fn broken(&mut self, source: &Source, failure: &Failure) {
        failure.print();
        self.document.pictures.push(Picture {
            file: source.path().display().to_string(),
            top: Vec::new(),
            right: None,
            run_ms: None,
            error: Some(failure.message().to_owned()),
        });
    }

    /// A picture's probabilities.
    pub(super) fn add(
        &mut self,
        source: &Source,
        row: &[f32],
        time: Duration,
    ) -> Result<(), Failure> {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let guess = |&class: &usize| Guess {
            class,
            label: self.labels[class].clone(),
            number: match self.document.head.is_probability {
                true => Number::Probability(row[class]),
                false => Number::Value(row[class]),
            },
        };
        let stem = source.stem();
        let named = self.labels.iter().zip(&self.known).any(|(l, &known)| known && l == stem);
        let picture = Picture {
            file: source.path().display().to_string(),
            top: order.iter().take(self.top).map(guess).collect(),
            right: named.then(|| order.first().is_some_and(|&c| self.labels[c] == stem)),
            run_ms: Some(ms(time)),
            error: None,
        };
        if !self.json {
            output::print(&line(&picture))?;
        }
        self.document.pictures.push(picture);
        Ok(())
    }

    /// The end: totals, or the document; a failure if a picture was broken.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.json {
            true => output::print_json(&self.document)?,
            false => output::print(&self.totals())?,
        }
        match self.document.pictures.iter().any(|p| p.error.is_some()) {
            true => Err(Failure::silent()),
            false => Ok(()),
        }
    }

    fn totals(&self) -> String {
        let document = &self.document;
        let mut text = String::new();
        let verdicts: Vec<bool> = document.pictures.iter().filter_map(|p| p.right).collect();
        if !verdicts.is_empty() {
            let right = verdicts.iter().filter(|&&r| r).count();
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "{right} of {} right", verdicts.len());
        }
        let broken = document.pictures.iter().filter(|p| p.error.is_some()).count();
        if broken > 0 {
            let _ = writeln!(text, "{broken} of {} cannot be read", document.pictures.len());
        }
        let mut times: Vec<f64> = document.pictures.iter().filter_map(|p| p.run_ms).collect();
        times.sort_by(f64::total_cmp);
        let Some(median) = times.get(times.len() / 2) else { return text };
        let _ = writeln!(
            text,
            "compiled in {:.1} ms, median {median:.3} ms a picture ({}, {})",
            document.compile_ms,
            document.isa,
            plural(document.threads, "thread")
        );
        text
    }
}

fn line(picture: &Picture) -> String {
    let mut text = String::new();
    let time = picture.run_ms.unwrap_or_default();
    let verdict = match picture.right {
        Some(true) => "  right",
        Some(false) => "  WRONG",
        None => "",
    };
    match &picture.top[..] {
        [only] => {
            let _ = writeln!(
                text,
                "{:<16} {:<12} {:.4}  {time:8.3} ms{verdict}",
                picture.file,
                only.label,
                only.number.get()
            );
        }
        all => {
            let _ = writeln!(text, "{}  {time:.3} ms{verdict}", picture.file);
            for guess in all {
                let _ = writeln!(text, "  {:.4}  {}", guess.number.get(), guess.label);
            }
        }
    }
    text
}
