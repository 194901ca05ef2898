//! `resnetc classify`: pictures to labels.

mod bundled;
mod dataset;
mod engine;
mod picture;
mod preset;
mod report;

use std::path::{Path, PathBuf};

use resnetc::spec::Spec;

use crate::args::{Common, positive};
use crate::failure::Failure;
use engine::Engine;
use picture::Source;
use preset::Preset;
use report::Report;

/// Where Debian's package dataset-fashion-mnist puts its files.
const DATASET: &str = "/usr/share/datasets/fashion-mnist";

/// Name what pictures show
///
/// Without MODEL, the bundled ResNet-20 names clothes (trained on Fashion-MNIST); without pictures too, it names
/// the ten bundled ones.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A built-in network, .toml, .json or .onnx file, and pictures or folders of pictures
    #[arg(value_name = "MODEL|IMAGE")]
    arguments: Vec<PathBuf>,
    /// The labels, one a line, in the order of the classes
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How many labels for each picture [default: 1 with the bundled model, else 5]
    #[arg(long, value_name = "K", value_parser = positive)]
    top: Option<usize>,
    /// How pictures become numbers [default: fashion-mnist with the bundled model, else torchvision]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Measure the accuracy on the 10,000 test pictures of Fashion-MNIST
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = DATASET)]
    dataset: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// What the arguments mean.
struct Request<'a> {
    /// The bundled network without.
    model: Option<&'a Path>,
    pictures: Vec<&'a Path>,
}

impl<'a> Request<'a> {
    fn of(args: &'a Args) -> Result<Self, Failure> {
        let (models, pictures): (Vec<&Path>, Vec<&Path>) =
            args.arguments.iter().map(PathBuf::as_path).partition(|p| names_model(p));
        match *models {
            [] => Ok(Request { model: None, pictures }),
            [model] => Ok(Request { model: Some(model), pictures }),
            [first, second, ..] => Err(Failure::usage(format!(
                "{} and {} are both models; give one",
                first.display(),
                second.display()
            ))),
        }
    }
}

fn names_model(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    matches!(extension, Some("onnx" | "toml" | "json"))
        || path.to_str().is_some_and(|name| Spec::builtin(name).is_some())
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.common.check()?;
    let request = Request::of(args)?;
    let preset = Preset::named(match (&args.preset, request.model) {
        (Some(name), _) => name,
        (None, None) => "fashion-mnist",
        (None, Some(_)) => "torchvision",
    })?;
    if let Some(folder) = &args.dataset {
        if !request.pictures.is_empty() {
            return Err(Failure::usage("--dataset and pictures do not go together"));
        }
        return dataset::run(args, request.model, folder, preset);
    }
    let sources = match (request.model, request.pictures.is_empty()) {
        (_, false) => picture::expand(&request.pictures)?,
        (None, true) => {
            bundled::PICTURES.iter().map(|&(name, png)| Source::Bundled(name, png)).collect()
        }
        (Some(_), true) => return Err(Failure::usage("no picture is given")),
    };
    let mut engine = Engine::new(args, request.model, 1)?;
    engine.accept(preset)?;
    let top = args.top.unwrap_or(if request.model.is_none() { 1 } else { 5 });
    let mut report = Report::new(&engine, top, args.json);
    for batch in sources.chunks(engine.batch()) {
        classify(batch, preset, &mut engine, &mut report)?;
    }
    report.finish()
}

/// One run of the network, over the pictures of the batch that can be read.
fn classify(
    sources: &[Source],
    preset: &Preset,
    engine: &mut Engine,
    report: &mut Report,
) -> Result<(), Failure> {
    let [channels, height, width] = engine.picture_shape();
    debug_assert_eq!(channels, preset.channels());
    let mut read = Vec::new();
    for source in sources {
        match source.read().and_then(|image| preset.values(&image, source, height, width)) {
            Ok(values) => read.push((source, values)),
            Err(failure) => report.broken(source, &failure)?,
        }
    }
    if read.is_empty() {
        return Ok(());
    }
    let values: Vec<&[f32]> = read.iter().map(|(_, v)| v.as_slice()).collect();
    let (probabilities, time) = engine.run(&values)?;
    for ((source, _), row) in read.iter().zip(&probabilities) {
        report.add(source, row, time / read.len() as u32)?;
    }
    Ok(())
}
