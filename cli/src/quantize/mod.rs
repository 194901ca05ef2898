//! `resnetc quantize`: a network in f32 to one of bytes.

mod accuracy;
mod args;
mod arrays;
mod pictures;
mod progress;
mod report;

pub(crate) use args::Args;

use std::path::{Path, PathBuf};

use resnetc::export::onnx::{check_target, write_bytes};
use resnetc::one_line::path_line;
use resnetc::{Description, Dim, Network};

use crate::args::{Common, Values};
use crate::classify::folder;
use crate::classify::load::{Wanted, load};
use crate::classify::picture::Source;
use crate::failure::Failure;
use crate::output;
use crate::units::{name, plural};
use accuracy::Accuracy;
use arrays::Arrays;
use pictures::{Pictures, spread};
use report::{Report, Written};

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let common = args.common();
    common.check(Some(&args.model), Values::Given)?;
    let quantizer = args.quantizer()?;
    // Before anything is loaded, which takes time.
    check_output(args, &common)?;
    let inputs = Inputs::find(args)?;
    let wanted = Wanted { common: &common, pictures: &args.pictures, output: None };
    let network = load(wanted, Some(&args.model), None)?;
    quantizer.check(&network)?;
    let (quantized, own) = match inputs {
        Inputs::Arrays(files) => {
            let mut arrays = Arrays::new(files, network.graph());
            (quantizer.quantize(&network, &mut arrays)?, None)
        }
        Inputs::Pictures(sources) => {
            let mut pictures = Pictures::new(&network, args, sources)?;
            (quantizer.quantize(&network, &mut pictures)?, Some(pictures))
        }
    };
    let bytes = quantized.to_onnx()?;
    let judged = match &args.evaluate {
        Some(folder) => Some(Pictures::new(&network, args, pictures::sources(folder, None)?)?),
        None => own,
    };
    let accuracy = match judged {
        Some(pictures) => Accuracy::measure(&network, &bytes, pictures, args)?,
        None => None,
    };
    write_bytes(&bytes, &args.output, args.existing())?;
    note_fixed_batch(&args.model, &network)?;
    let written = Written { file: path_line(&args.output), bytes: bytes.len() };
    let report = Report::new(args, quantized.report(), accuracy, written);
    match args.json {
        true => output::print_json(&report),
        false => output::print(&report.text()),
    }
}

/// What there is to calibrate with.
enum Inputs {
    /// Files of arrays.
    Arrays(Vec<PathBuf>),
    Pictures(Vec<Source>),
}

impl Inputs {
    fn find(args: &Args) -> Result<Self, Failure> {
        let files = arrays::files(&args.calibrate)?;
        if files.is_empty() {
            let sources = pictures::sources(&args.calibrate, args.limit)?;
            return Ok(Inputs::Pictures(sources));
        }
        let idle = args.pictures.given().or(args.labels.is_some().then_some("--labels"));
        match idle.filter(|_| args.evaluate.is_none()) {
            Some(option) => Err(Failure::no_effect(option, "--calibrate has arrays, not pictures")),
            None => {
                note_unread_pictures(&args.calibrate);
                Ok(Inputs::Arrays(spread(files, args.limit)))
            }
        }
    }
}

/// Says so if a folder has pictures beside the arrays that are read.
fn note_unread_pictures(folder: &Path) {
    let count = if folder.is_dir() { folder::count(folder) } else { 0 };
    if count > 0 {
        let (pictures, folder) = (plural(count, "picture"), path_line(folder));
        output::note(&format!("{folder}: {pictures} beside arrays, which alone are read"));
    }
}

/// Says so if the batch that a model leaves open is a number in the quantized file.
fn note_fixed_batch(model: &Path, network: &Network) -> Result<(), Failure> {
    let graph = network.graph();
    for input in Description::open(model)?.inputs(&network.options().outputs)? {
        let first = input.dims.as_deref().and_then(|dims| dims.first());
        let node = graph.inputs().iter().find(|&&id| graph.node(id).name == input.name);
        if let (Some(Dim::Symbol(_)), Some(&node)) = (first, node) {
            let (name, batch) = (name(&input.name), graph.node(node).ty.shape[0]);
            output::note(&format!(
                "input \"{name}\" has a batch of {batch} in the quantized file, which the model \
                 leaves open; --batch N chooses another one"
            ));
        }
    }
    Ok(())
}

/// Checks that the output can be written, and is none of the files that are read.
fn check_output(args: &Args, common: &Common) -> Result<(), Failure> {
    if args.output.extension().is_none_or(|e| e != "onnx") {
        let message = format!("--output {}: it must end in .onnx", path_line(&args.output));
        return Err(Failure::usage(message));
    }
    let reads: Vec<&Path> =
        common.reads(&args.model).into_iter().chain(args.labels.as_deref()).collect();
    if args.force {
        output::check_file(&args.output, &reads)?;
    }
    Ok(check_target(&args.output, args.existing())?)
}
