//! The arguments of `resnetc quantize`.

use std::path::PathBuf;

use clap::ValueEnum;
use resnetc::export::onnx::Existing;
use resnetc::quantize::{Method, Quantizer};

use crate::args::{Common, positive};
use crate::classify::options::Options;
use crate::failure::Failure;
use crate::interpret::Interpret;

/// Quantize a network to 8 bits, and write it as an ONNX file
///
/// The file has QuantizeLinear and DequantizeLinear around each quantized operator, as ONNX Runtime's
/// quantizer writes it: this compiler and other engines run it in integer arithmetic. A few hundred
/// pictures of the kind that the network will see are enough; they are prepared as `classify` does.
/// What is printed about errors names the layers that cost the most.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    pub(super) model: PathBuf,
    /// Pictures (with subfolders), or .npy, .npz and .safetensors files with inputs of the network
    #[arg(long, value_name = "FOLDER")]
    pub(super) calibrate: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE.onnx")]
    pub(super) output: PathBuf,
    /// How the range of a value is found
    #[arg(long, value_name = "METHOD", value_enum, default_value = "minmax")]
    pub(super) method: Ranges,
    /// The percentage of elements within the range, for --method percentile [default: 99.99]
    #[arg(long, value_name = "P", value_parser = percent)]
    percentile: Option<f64>,
    /// Only round biases, without taking back the mean error of their layer
    #[arg(long)]
    pub(super) no_bias_correction: bool,
    /// The type of the layers that read the network's inputs
    #[arg(long, value_name = "TYPE", value_enum, default_value = "int8")]
    first_layer: Type,
    /// The type of the layers after which there is no other
    #[arg(long, value_name = "TYPE", value_enum, default_value = "int8")]
    last_layer: Type,
    /// Leave this layer in f32; can be given several times
    #[arg(long, value_name = "LAYER")]
    keep: Vec<String>,
    /// Do not measure what the outputs would gain if each layer stayed in f32
    #[arg(long)]
    no_ranking: bool,
    /// Use no more than N of the files of --calibrate, spread evenly [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) limit: Option<usize>,
    /// Measure the accuracy on these pictures [default: on those of --calibrate]
    #[arg(long, value_name = "FOLDER")]
    pub(super) evaluate: Option<PathBuf>,
    /// The labels in the order of the classes: one per line, or JSON. A picture is labelled by the
    /// name of its folder, else by its own: a label, or the number of a class
    #[arg(long, value_name = "FILE")]
    pub(super) labels: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long)]
    pub(super) force: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) pictures: Options,
    #[command(flatten)]
    interpret: Interpret,
    #[command(flatten)]
    common: Common,
}

/// How the range of a value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Ranges {
    /// From the smallest element to the largest
    Minmax,
    /// Without the outermost elements
    Percentile,
    /// The range that loses the least information, as in TensorRT
    Entropy,
}

/// The type in which a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    Int8,
    F32,
}

impl Args {
    /// How the network is loaded and compiled.
    pub(super) fn common(&self) -> Common {
        self.common.on(self.interpret.engine())
    }

    /// What to do if the output exists.
    pub(super) fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Keep }
    }

    /// How it is quantized.
    pub(super) fn quantizer(&self) -> Result<Quantizer, Failure> {
        let method = match (self.method, self.percentile) {
            (Ranges::Percentile, Some(percent)) => Method::Percentile(percent),
            (_, Some(_)) => {
                return Err(Failure::no_effect("--percentile", "it is for --method percentile"));
            }
            (Ranges::Minmax, None) => Method::MinMax,
            (Ranges::Percentile, None) => Method::PERCENTILE,
            (Ranges::Entropy, None) => Method::Entropy,
        };
        Ok(Quantizer::default()
            .method(method)
            .bias_correction(!self.no_bias_correction)
            .first_layers(self.first_layer == Type::Int8)
            .last_layers(self.last_layer == Type::Int8)
            .keep(self.keep.iter().cloned())
            .rank(!self.no_ranking))
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(x) if x > 50.0 && x <= 100.0 => Ok(x),
        _ => Err("it must be above 50 and at most 100".to_owned()),
    }
}
