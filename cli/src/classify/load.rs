//! The network of `classify`: read once, then given a batch, a shape and an output where it leaves
//! them open.

use std::path::Path;

use resnetc::advice::OptionName;
use resnetc::import::{ImportError, ImportErrorKind};
use resnetc::{Compiler, Description, Error, Network, Options};

use super::bundled;
use super::open::{Guess, Usual, advice, guesses};
use super::options;
use super::preset::usual_preset;
use crate::args::{Common, note_random_weights};
use crate::failure::Failure;
use crate::output;

/// What the user says about a network for pictures.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// How it is loaded and compiled, with the engine.
    pub(crate) common: &'a Common,
    pub(crate) pictures: &'a options::Options,
    /// The only output that is needed.
    pub(crate) output: Option<&'a str>,
}

/// Loads MODEL, or the bundled network, with this batch if the model allows it; without a batch,
/// with the model's. Only what the wanted output needs is loaded.
pub(crate) fn load(
    wanted: Wanted<'_>,
    model: Option<&Path>,
    batch: Option<usize>,
) -> Result<Network, Failure> {
    let common = wanted.common;
    let mut options = common.options(model, batch);
    if let Some(name) = wanted.output {
        common.refuse(&[OptionName::Outputs], "--output-name leaves one output only")?;
        options.outputs = vec![name.to_owned()];
    }
    let Some(model) = model else {
        return Ok(Compiler::new(options).onnx_bytes(bundled::MODEL, None)?);
    };
    let usual = Usual::of(wanted.pictures, usual_preset(Some(model)))?;
    let description = Description::open(model)?;
    let network = match build(&description, &options, &usual) {
        // A batch that the user did not request. A model without a declared shape may report any
        // error because of it.
        Err(error) if common.batch.is_none() && batch.is_some() && error.may_be_of_batch => {
            build(&description, &options.batch(None), &usual)
        }
        built => built,
    };
    let network = network.map_err(|refused| refused.failure)?;
    note_random_weights(model, &network);
    Ok(network)
}

/// Why a description could not be built.
struct Refused {
    failure: Failure,
    /// Whether a different batch may help.
    may_be_of_batch: bool,
}

impl Refused {
    /// With the shapes that were tried for open axes, which may cause any error.
    fn of(error: Error, tried: &[Guess]) -> Self {
        let is_fixed = matches!(
            &error,
            Error::Import(ImportError { kind, .. }) if matches!(**kind, ImportErrorKind::FixedBatch { .. })
        );
        let failure = Failure::from(error);
        Refused {
            may_be_of_batch: is_fixed || !tried.is_empty(),
            failure: match advice(tried) {
                Some(advice) => failure.help(advice),
                None => failure,
            },
        }
    }
}

/// Builds the network with the first shape that it accepts, and notes a guess on stderr.
fn build(description: &Description, options: &Options, usual: &Usual) -> Result<Network, Refused> {
    let alone = |error| Refused::of(error, &[]);
    let inputs = description.inputs(&options.outputs).map_err(alone)?;
    let guesses = match &inputs[..] {
        [input] => guesses(input, options, usual),
        _ => Vec::new(),
    };
    let mut first = None;
    for guess in &guesses {
        match Compiler::new(guess.on(options)).build(description) {
            Ok(network) => {
                guess.note().iter().for_each(|note| output::note(note));
                return Ok(network);
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) => Err(Refused::of(error, &guesses)),
        None => Compiler::new(options.clone()).build(description).map_err(alone),
    }
}
