//! The arguments of `resnetc classify`.

use std::path::PathBuf;

use super::head::Activation;
use super::options::Options;
use crate::args::{Common, positive};
use crate::cached::Cached;
use crate::interpret::Interpret;

/// Where Debian's package dataset-fashion-mnist puts its files.
const DATASET: &str = "/usr/share/datasets/fashion-mnist";

/// Classify pictures
///
/// Without MODEL, the bundled ResNet-20 classifies clothes (trained on Fashion-MNIST); without
/// pictures too, it classifies the ten bundled ones.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A built-in network, .toml, .json or .onnx file, and pictures, folders of pictures (with
    /// their subfolders), or - for a picture from standard input
    #[arg(value_name = "MODEL|PICTURE")]
    pub(super) arguments: Vec<PathBuf>,
    /// The labels in the order of the classes: one per line, or JSON
    #[arg(long, value_name = "FILE")]
    pub(super) labels: Option<PathBuf>,
    /// The output that has a number for each class [default: the one that fits the labels]
    #[arg(long, value_name = "NAME")]
    pub(super) output_name: Option<String>,
    /// The function that turns the network's numbers into probabilities [default: the one that the
    /// network lacks]
    #[arg(long, value_name = "FUNCTION", value_enum)]
    pub(super) activation: Option<Activation>,
    /// How many labels to print for each picture [default: 1 with the bundled model, else 5]
    #[arg(long, value_name = "K", value_parser = positive)]
    pub(super) top: Option<usize>,
    /// Measure the accuracy on the 10,000 test pictures of Fashion-MNIST
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = DATASET)]
    pub(super) dataset: Option<PathBuf>,
    /// More pictures and folders, from a file with one path per line, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) files_from: Option<PathBuf>,
    /// Paths of --files-from end in a zero byte, as `find -print0` writes them
    #[arg(long, requires = "files_from")]
    pub(super) null: bool,
    /// Print the answers as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Print a JSON object per picture, one per line, as soon as it is known
    #[arg(long, conflicts_with_all = ["json", "dataset"])]
    pub(super) jsonl: bool,
    #[command(flatten)]
    pub(super) pictures: Options,
    #[command(flatten)]
    interpret: Interpret,
    #[command(flatten)]
    cached: Cached,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Args {
    /// How a network is loaded and compiled.
    pub(super) fn common(&self) -> Common {
        self.common.on(self.interpret.engine()).cached(self.cached.folder.as_deref())
    }
}
