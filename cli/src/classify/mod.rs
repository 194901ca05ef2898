//! `resnetc classify`: pictures to labels.

pub(crate) mod ahead;
mod args;
mod bundled;
mod dataset;
mod engine;
pub(crate) mod folder;
pub(crate) mod head;
pub(crate) mod input;
mod kind;
pub(crate) mod labels;
mod listed;
pub(crate) mod load;
mod open;
pub(crate) mod options;
pub(crate) mod picture;
pub(crate) mod pixels;
pub(crate) mod preparation;
pub(crate) mod preset;
mod ranges;
mod report;
mod request;
pub(crate) mod resample;
mod tiff;

pub(crate) use args::Args;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use resnetc::ErrorCode;

use crate::args::Values;
use crate::failure::Failure;
use crate::progress::Progress;
use engine::Engine;
use listed::Listed;
use picture::{STDIN, Source};
use preparation::Preparation;
use preset::usual_preset;
use report::{OutputForm, Report};
use request::Request;

/// From this many pictures on ...
const MANY: usize = 32;
/// ... a run has this batch, if neither the user nor the model sets one. With more, the time per
/// picture falls little, and memory rises.
const BATCH: usize = 8;
/// This many pictures beyond the next batch may be ready. So few threads wake up during a run,
/// which they would slow down.
const AHEAD: usize = 16;
/// At most this many pictures wait for a run; unreadable ones count, but do not fill a batch.
const MOST_WAITING: usize = 1000;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let request = Request::of(&args.arguments, args.files_from.as_deref())?;
    args.common.check(request.model, Values::Given)?;
    if let Some(folder) = &args.dataset {
        if !request.pictures.is_empty() || args.files_from.is_some() {
            return Err(Failure::usage("--dataset and pictures cannot be combined")
                .code(ErrorCode::Conflict));
        }
        if let Some(option) = args.pictures.scaling() {
            return Err(Failure::usage(format!("{option} has no effect with --dataset")));
        }
        return dataset::run(args, request.model, folder);
    }
    let known = known(&request, args.files_from.is_some())?;
    let listed = match &args.files_from {
        Some(list) => Some(Listed::open(list, args.null)?),
        None => None,
    };
    // The length of a list is unknown, and so is when its next path comes.
    let count = listed.is_none().then_some(known.len());
    let batch = (count.unwrap_or(0) >= MANY).then_some(BATCH);
    let mut engine = Engine::new(args, request.model, batch)?;
    let preparation =
        Preparation::new(&args.pictures, usual_preset(request.model), engine.input())?;
    let preparation = Arc::new(preparation);
    let top = args.top.unwrap_or(if request.model.is_none() { 1 } else { 5 });
    let form = match (args.json, args.jsonl) {
        (true, _) => OutputForm::Json,
        (_, true) => OutputForm::Lines,
        _ => OutputForm::Text,
    };
    let mut report = Report::new(&engine, &preparation, top, form);
    let bar = Progress::counting("classifying", count.map(|n| n as u64));
    let sources = known.into_iter().chain(listed.into_iter().flatten());
    classify(sources, &preparation, bar, &mut engine, &mut report)?;
    report.finish()
}

/// The pictures of the arguments; the bundled ones if there are no others.
fn known(request: &Request<'_>, is_listed: bool) -> Result<Vec<Source>, Failure> {
    match (request.model, &request.pictures[..]) {
        (_, []) if is_listed => Ok(Vec::new()),
        (None, []) => {
            let bundled = |&(name, png): &(&'static str, &'static [u8])| Source::Bundled(name, png);
            Ok(bundled::PICTURES.iter().map(bundled).collect())
        }
        (Some(_), []) => Err(Failure::usage("no picture is given").help(
            "name pictures or folders, - for one from standard input, or --files-from a list",
        )),
        (_, paths) => Ok(paths
            .iter()
            .flat_map(|&path| match path == Path::new(STDIN) {
                true => vec![Source::Stdin],
                false => folder::expand(path),
            })
            .collect()),
    }
}

/// Runs the network over all pictures, while threads read and prepare the next ones.
fn classify(
    sources: impl Iterator<Item = Source> + Send + 'static,
    preparation: &Arc<Preparation>,
    bar: Progress,
    engine: &mut Engine,
    report: &mut Report,
) -> Result<(), Failure> {
    let batch = engine.batch();
    let threads = engine.model().threads();
    let preparation = Arc::clone(preparation);
    let prepare = move |source: &Source| source.read().map(|picture| preparation.values(picture));
    let mut batches = Batches { engine, report, bar, done: 0, waiting: Vec::new() };
    ahead::in_order(sources, threads, batch + AHEAD, prepare, |taken| match taken {
        ahead::Taken::Made(source, made) => batches.add(source, made),
        ahead::Taken::Idle => batches.run(),
    })?;
    batches.run()
}

/// Pictures on their way through the network.
struct Batches<'a, 'r> {
    engine: &'a mut Engine,
    report: &'a mut Report<'r>,
    bar: Progress,
    done: u64,
    /// Those that are next, in the order given: at most a batch of readable ones.
    waiting: Vec<(Source, Result<Vec<f32>, Failure>)>,
}

impl Batches<'_, '_> {
    /// The next picture, or the panic of its decoder. A full batch is run.
    fn add(
        &mut self,
        source: Source,
        made: std::thread::Result<Result<Vec<f32>, Failure>>,
    ) -> Result<(), Failure> {
        let broke_off = |_| {
            Err(Failure::file(source.path(), "the picture is damaged: its data cannot be decoded")
                .code(ErrorCode::Picture))
        };
        let made = made.unwrap_or_else(broke_off);
        self.waiting.push((source, made));
        let good = self.waiting.iter().filter(|(_, values)| values.is_ok()).count();
        match good == self.engine.batch() || self.waiting.len() == MOST_WAITING {
            true => self.run(),
            false => Ok(()),
        }
    }

    /// Runs the network once, on the pictures that could be read, then reports on all.
    fn run(&mut self) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut self.waiting);
        let good: Vec<&[f32]> =
            waiting.iter().filter_map(|(_, values)| values.as_deref().ok()).collect();
        let (answers, time) = match good.is_empty() {
            true => (Vec::new(), Duration::ZERO),
            false => self.engine.run(&good)?,
        };
        let time = time / good.len().max(1) as u32;
        let mut answers = answers.iter();
        self.done += waiting.len() as u64;
        self.bar.set(self.done);
        self.bar.aside(|| {
            for (source, values) in &waiting {
                match values {
                    Err(failure) => self.report.broken(source, failure)?,
                    Ok(_) => {
                        if let Some(answer) = answers.next() {
                            self.report.add(source, answer, time)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }
}
