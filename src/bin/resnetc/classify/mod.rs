//! `resnetc classify`: pictures to labels.

mod ahead;
mod bundled;
mod dataset;
mod engine;
mod folder;
mod head;
mod kind;
mod labels;
mod picture;
mod pixels;
mod preparation;
mod preset;
mod ranges;
mod report;
mod request;
mod resample;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::args::{Common, Values, positive};
use crate::failure::Failure;
use crate::progress::Progress;
use engine::Engine;
use head::Activation;
use picture::Source;
use preparation::Preparation;
use report::Report;
use request::Request;

/// Where Debian's package dataset-fashion-mnist puts its files.
const DATASET: &str = "/usr/share/datasets/fashion-mnist";

/// From so many pictures on ...
const MANY: usize = 32;
/// ... so many are in one run, if neither the user nor the model gives a number. What a run takes for a picture falls
/// little beyond, and memory rises.
const BATCH: usize = 8;
/// So many pictures beside the next batch may be ready. Few threads wake up during a run, which they would slow down.
const AHEAD: usize = 16;

/// Name what pictures show
///
/// Without MODEL, the bundled ResNet-20 names clothes (trained on Fashion-MNIST); without pictures too, it names
/// the ten bundled ones.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A built-in network, .toml, .json or .onnx file, and pictures or folders of pictures, with the folders in them
    #[arg(value_name = "MODEL|IMAGE")]
    arguments: Vec<PathBuf>,
    /// The labels in the order of the classes: one a line, or JSON
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The output that has a number for each class [default: the one that fits the labels]
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    /// What makes probabilities of the network's numbers [default: what the network does not do itself]
    #[arg(long, value_name = "FUNCTION", value_enum)]
    activation: Option<Activation>,
    /// How many labels for each picture [default: 1 with the bundled model, else 5]
    #[arg(long, value_name = "K", value_parser = positive)]
    top: Option<usize>,
    /// Measure the accuracy on the 10,000 test pictures of Fashion-MNIST
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = DATASET)]
    dataset: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pictures: preparation::Options,
    #[command(flatten)]
    common: Common,
}

/// The preset of a model without `--preset`.
fn usual_preset(model: Option<&Path>) -> &'static str {
    if model.is_none() { "fashion-mnist" } else { "torchvision" }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let request = Request::of(&args.arguments)?;
    args.common.check(request.model, Values::Given)?;
    if let Some(folder) = &args.dataset {
        if !request.pictures.is_empty() {
            return Err(Failure::usage("--dataset and pictures do not go together"));
        }
        if let Some(option) = args.pictures.scaling() {
            return Err(Failure::usage(format!("{option} does nothing for a --dataset")));
        }
        return dataset::run(args, request.model, folder);
    }
    let sources = match (request.model, request.pictures.is_empty()) {
        (_, false) => folder::expand(&request.pictures),
        (None, true) => {
            bundled::PICTURES.iter().map(|&(name, png)| Source::Bundled(name, png)).collect()
        }
        (Some(_), true) => return Err(Failure::usage("no picture is given")),
    };
    let batch = (sources.len() >= MANY).then_some(BATCH);
    let mut engine = Engine::new(args, request.model, batch)?;
    let preparation =
        Preparation::new(&args.pictures, usual_preset(request.model), engine.input())?;
    let top = args.top.unwrap_or(if request.model.is_none() { 1 } else { 5 });
    let mut report = Report::new(&engine, &preparation, top, args.json);
    classify(&sources, &preparation, &mut engine, &mut report)?;
    report.finish()
}

/// Runs the network over all pictures, while threads read and prepare the next ones.
fn classify(
    sources: &[Source],
    preparation: &Preparation,
    engine: &mut Engine,
    report: &mut Report,
) -> Result<(), Failure> {
    let batch = engine.batch();
    let threads = engine.model().threads();
    let prepare = |i: usize| sources[i].read().map(|picture| preparation.values(picture));
    let mut bar = Progress::new("classifying", sources.len() as u64);
    let mut batches = Batches { engine, report, waiting: Vec::new() };
    ahead::in_order(sources.len(), threads, batch + AHEAD, prepare, |i, made| {
        let broke_off = |_| {
            Err(Failure::file(sources[i].path(), "the decoder broke off: the picture is damaged"))
        };
        batches.waiting.push((&sources[i], made.unwrap_or_else(broke_off)));
        if batches.good() == batch || i + 1 == sources.len() {
            batches.run(&bar)?;
            bar.set(i as u64 + 1);
        }
        Ok(())
    })
}

/// Pictures on their way through the network.
struct Batches<'a, 'r> {
    engine: &'a mut Engine,
    report: &'a mut Report<'r>,
    /// Those whose turn it is, in the order given: a batch of good ones at most.
    waiting: Vec<(&'a Source, Result<Vec<f32>, Failure>)>,
}

impl Batches<'_, '_> {
    fn good(&self) -> usize {
        self.waiting.iter().filter(|(_, values)| values.is_ok()).count()
    }

    /// One run of the network, over the pictures that could be read; then a report on all.
    fn run(&mut self, bar: &Progress) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut self.waiting);
        let good: Vec<&[f32]> =
            waiting.iter().filter_map(|(_, values)| values.as_deref().ok()).collect();
        let (rows, time) = match good.is_empty() {
            true => (Vec::new(), Duration::ZERO),
            false => self.engine.run(&good)?,
        };
        let time = time / good.len().max(1) as u32;
        let mut rows = rows.iter();
        bar.aside(|| {
            for (source, values) in &waiting {
                match values {
                    Err(failure) => self.report.broken(source, failure),
                    Ok(_) => {
                        let row = rows.next().map(Vec::as_slice).unwrap_or_default();
                        self.report.add(source, row, time)?;
                    }
                }
            }
            Ok(())
        })
    }
}
