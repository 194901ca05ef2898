//! The output of `classify`: a line per picture as soon as it is known, or one JSON document.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use resnetc::noise::median;
use resnetc::one_line::path_line;
use serde::Serialize;

use super::engine::Engine;
use super::head::{Answer, Head};
use super::picture::Source;
use super::preparation::Preparation;
use crate::failure::Failure;
use crate::interpret::engine_name;
use crate::output;
use crate::units::{ms, plural};

/// The form in which answers are printed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum OutputForm {
    /// For people, as they come.
    Text,
    /// One document, at the end.
    Json,
    /// One object per line, as they come.
    Lines,
}

/// Prints the answers, and counts them.
pub(super) struct Report<'a> {
    labels: Vec<String>,
    known: Vec<bool>,
    top: usize,
    form: OutputForm,
    document: Document<'a>,
    tally: Tally,
}

/// The counts that are kept of pictures whose answers were printed.
struct Tally {
    start: Instant,
    pictures: usize,
    broken: usize,
    /// Counts of files that are named after a label.
    named: usize,
    right: usize,
    /// Times of the runs, per picture.
    times: Vec<f64>,
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
    /// For [`OutputForm::Json`] only.
    pictures: Vec<Picture>,
}

#[derive(Serialize)]
struct Picture {
    /// The path, with a replacement character for each sequence of bytes that is not UTF-8.
    file: String,
    /// The bytes of the path in hexadecimal, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_hex: Option<String>,
    /// The path as text shows it.
    #[serde(skip)]
    shown: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top: Vec<Guess>,
    /// Whether the file is named after the first label; `None` if it is named after no label.
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

/// The number that a class gets.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Number {
    Probability(f32),
    /// The network's own number, whose meaning is unknown.
    Value(f32),
}

impl Number {
    fn get(self) -> f32 {
        let (Number::Probability(number) | Number::Value(number)) = self;
        number
    }
}

/// What to do about scores that are NaN.
const NAN: &str =
    "`resnetc check MODEL` finds a wrong layer; --mean, --std and --scale change the input values";

impl<'a> Report<'a> {
    pub(super) fn new(
        engine: &Engine,
        preprocessing: &'a Preparation,
        top: usize,
        form: OutputForm,
    ) -> Self {
        let labels: Vec<String> = (0..engine.head().classes()).map(|c| engine.label(c)).collect();
        let known = labels.iter().map(|l| engine.knows(l)).collect();
        let model = engine.model();
        let document = Document {
            isa: engine_name(model),
            threads: model.threads(),
            batch: engine.batch(),
            compile_ms: engine.compile_ms(),
            preprocessing,
            head: engine.head().clone(),
            pictures: Vec::new(),
        };
        let (start, times) = (Instant::now(), Vec::new());
        let tally = Tally { start, pictures: 0, broken: 0, named: 0, right: 0, times };
        Report { labels, known, top, form, document, tally }
    }

    /// Reports a picture that cannot be read. The others go on.
    pub(super) fn broken(&mut self, source: &Source, failure: &Failure) -> Result<(), Failure> {
        failure.print();
        self.tally.broken += 1;
        self.print(Picture { error: Some(failure.message().to_owned()), ..Picture::of(source) })
    }

    fn print(&mut self, picture: Picture) -> Result<(), Failure> {
        self.tally.pictures += 1;
        match self.form {
            OutputForm::Json => self.document.pictures.push(picture),
            OutputForm::Lines => output::print_json_line(&picture)?,
            OutputForm::Text if picture.error.is_none() => output::print(&line(&picture))?,
            OutputForm::Text => {}
        }
        Ok(())
    }

    /// Reports the answer for a picture.
    pub(super) fn add(
        &mut self,
        source: &Source,
        answer: &Answer,
        time: Duration,
    ) -> Result<(), Failure> {
        if !answer.is_number() {
            let reason = "the network gives NaN for it, which names no class";
            return self.broken(source, &Failure::file(source.path(), reason).help(NAN));
        }
        let Answer { numbers, order } = answer;
        let guess = |&class: &usize| Guess {
            class,
            label: self.labels[class].clone(),
            number: match self.document.head.is_probability {
                true => Number::Probability(numbers[class]),
                false => Number::Value(numbers[class]),
            },
        };
        let stem = source.stem();
        let named = self.labels.iter().zip(&self.known).any(|(l, &known)| known && l == stem);
        let picture = Picture {
            top: order.iter().take(self.top).map(guess).collect(),
            right: named.then(|| order.first().is_some_and(|&c| self.labels[c] == stem)),
            run_ms: Some(ms(time)),
            ..Picture::of(source)
        };
        self.tally.add(picture.right, ms(time));
        self.print(picture)
    }

    /// Ends the report: totals, or the document, and a summary on stderr; a failure if a picture
    /// was broken.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.form {
            OutputForm::Json => output::print_json(&self.document)?,
            OutputForm::Lines => {}
            OutputForm::Text => output::print(&self.totals())?,
        }
        output::note(&self.tally.summary());
        match self.tally.broken {
            0 => Ok(()),
            _ => Err(Failure::silent()),
        }
    }

    fn totals(&self) -> String {
        let (document, tally) = (&self.document, &self.tally);
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        if tally.named > 0 {
            let _ = writeln!(text, "{} of {} right", tally.right, tally.named);
        }
        if tally.broken > 0 {
            let _ = writeln!(text, "{} of {} cannot be read", tally.broken, tally.pictures);
        }
        if tally.times.is_empty() {
            return text;
        }
        let mut times = tally.times.clone();
        times.sort_by(f64::total_cmp);
        let median = median(&times);
        let _ = writeln!(
            text,
            "compiled in {:.1} ms, median {median:.3} ms per picture ({}, {})",
            document.compile_ms,
            document.isa,
            plural(document.threads, "thread")
        );
        text
    }
}

impl Picture {
    /// A picture without an answer.
    fn of(source: &Source) -> Self {
        let path = source.path();
        let bytes = path.as_os_str().as_encoded_bytes();
        let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Picture {
            file: path.display().to_string(),
            file_hex: path.to_str().is_none().then(hex),
            shown: path_line(path),
            top: Vec::new(),
            right: None,
            run_ms: None,
            error: None,
        }
    }
}

impl Tally {
    fn add(&mut self, right: Option<bool>, time: f64) {
        self.named += usize::from(right.is_some());
        self.right += usize::from(right == Some(true));
        self.times.push(time);
    }

    /// The time of all work, including reading and preparing, from the first picture on.
    fn summary(&self) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        let answered = self.pictures - self.broken;
        let mut text = format!(
            "classified {} in {seconds:.2} s, {:.1} a second",
            plural(answered, "picture"),
            answered as f64 / seconds.max(1e-9)
        );
        if self.broken > 0 {
            let _ = write!(text, "; {} cannot be read", self.broken);
        }
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
                picture.shown,
                only.label,
                only.number.get()
            );
        }
        all => {
            let _ = writeln!(text, "{}  {time:.3} ms{verdict}", picture.shown);
            for guess in all {
                let _ = writeln!(text, "  {:.4}  {}", guess.number.get(), guess.label);
            }
        }
    }
    text
}
