//! A step of training, for commands that inspect or time a run.

use std::path::Path;

use clap::ValueEnum;
use resnetc::compile::{ForGradients, Values};
use resnetc::import::safetensors;
use resnetc::spec::{Spec, SpecErrorKind, Weights};
use resnetc::training::{Optimizer, Recipe, TrainingError};
use resnetc::{Description, ErrorCode, Network, Options};

use crate::failure::Failure;
use crate::units::bytes;

/// Whether the command is about a step of training.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct StepArgs {
    /// A step of training in place of a run: the network, its loss, the gradients, and the next
    /// values of the parameters, which sgd (with momentum) or adamw computes
    #[arg(
        long,
        value_enum,
        value_name = "OPTIMIZER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "sgd"
    )]
    train: Option<OptimizerName>,
}

/// An optimizer, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizerName {
    Sgd,
    Adamw,
}

impl OptimizerName {
    /// The optimizer with its usual numbers.
    fn usual(self) -> Optimizer {
        match self {
            OptimizerName::Sgd => Optimizer::PAPER,
            OptimizerName::Adamw => Optimizer::ADAM_W,
        }
    }
}

impl StepArgs {
    /// What moves the parameters, if the command is about a step.
    pub(crate) fn optimizer(self) -> Option<Optimizer> {
        self.train.map(OptimizerName::usual)
    }
}

/// A step of training a network with batches of `batch` images, with weights from a file or
/// initial ones.
pub(crate) fn network(
    model: &Path,
    recipe: &Recipe,
    weights: Option<&Path>,
    seed: u64,
    options: Options,
) -> Result<Network, Failure> {
    let spec = spec(model)?;
    let map = match weights {
        Some(file) => safetensors::load(file)?,
        None => spec.initial_weights(seed).map_err(resnetc::Error::from)?,
    };
    let network = recipe.network(&spec, &Weights::Map(map), options);
    network.map_err(|error| about(error, weights))
}

/// What is in memory for the gradients of a step, in a line.
pub(crate) fn for_gradients(found: &ForGradients) -> String {
    let of = |values: Values, what| format!("{} {what} ({})", values.count, bytes(values.bytes));
    let kept = format!("values for gradients: {}", of(found.kept, "kept"));
    match found.again.count {
        0 => kept,
        _ => format!("{kept}, {}", of(found.again, "computed again")),
    }
}

/// The description of a network that is trained.
pub(crate) fn spec(model: &Path) -> Result<Spec, Failure> {
    match Description::open(model)?.spec() {
        Some(spec) => Ok(spec.clone()),
        None => Err(Failure::file(model, "an ONNX file is a network that was trained")
            .help("give a built-in network (`resnetc zoo list`) or a spec (docs/SPEC.md)")
            .code(ErrorCode::Format)),
    }
}

/// A failure that names the file of weights, if it is about them.
pub(crate) fn about(mut error: TrainingError, weights: Option<&Path>) -> Failure {
    if let (TrainingError::Spec(error), Some(file)) = (&mut error, weights)
        && matches!(*error.kind, SpecErrorKind::Weights { .. })
    {
        error.file.get_or_insert_with(|| file.to_owned());
    }
    error.into()
}
