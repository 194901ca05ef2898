//! The arguments of `resnetc check`.

use std::path::PathBuf;

use resnetc::check::{FINEST, TOLERANCE};

use crate::args::Common;
use crate::step::StepArgs;

/// Compare every layer of the compiled network with the interpreter in f64
///
/// Fails if a value differs by more than the tolerance, and names the first layer that is wrong
/// when it runs alone on the interpreter's values. That layer is written as a separate model, with
/// its input, the expected result and the actual one, so that the difference can be reproduced.
///
/// A unit in the last place (ulp) is that of the largest value of a layer, as an f32; differences
/// are from the expected values rounded to f32.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    pub(super) model: PathBuf,
    /// The largest allowed difference, relative to the largest value of the layer
    ///
    /// Where values cancel, or are divided by tiny ones, the rounding of earlier layers may be larger;
    /// it is allowed, too.
    #[arg(long, value_name = "T", default_value_t = TOLERANCE, value_parser = tolerance)]
    pub(super) tolerance: f64,
    /// Values for the inputs: .npy, .npz or .safetensors; FILE.npz:NAME is one array of a file
    /// [default: random]
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    pub(super) input: Option<PathBuf>,
    /// Find the first rewrite of a pass that makes the outputs wrong
    #[arg(long)]
    pub(super) bisect: bool,
    /// A folder to create for the first layer that is wrong [default: resnetc-check-MODEL]
    #[arg(long, value_name = "DIR")]
    pub(super) reproduce: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) step: StepArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if t >= FINEST => Ok(t),
        Ok(t) if t < FINEST => Err(format!(
            "it must be at least {FINEST:.0e}, the precision of an f32; sums of f32 need 1e-6 or more"
        )),
        _ => Err("it must be a number".to_owned()),
    }
}
