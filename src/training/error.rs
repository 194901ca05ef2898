//! Why a network is not trained.

use resnetc_ir::GraphError;

use crate::error::{Error, RunError};
use crate::error_code::ErrorCode;
use crate::gradient::GradientError;
use crate::one_line::{name_line, one_line};
use crate::spec::SpecError;

/// Why a network is not trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// A number of the recipe is out of range.
    #[error("the {what} is {value}; it must be {range}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        range: &'static str,
    },
    /// A step without images.
    #[error("a step needs at least one image")]
    NoImages,
    /// A frozen layer does not exist.
    #[error(
        "no layer is named {}; the network has {}",
        .unknown.iter().map(|name| name_line(name)).collect::<Vec<_>>().join(", "),
        one_line(&.layers.join(", "), 200)
    )]
    UnknownLayer {
        /// The names that are no layer's.
        unknown: Vec<String>,
        /// The first parts of the names of layers.
        layers: Vec<String>,
    },
    /// Every layer is frozen.
    #[error("all layers are frozen, so there is nothing to train")]
    NothingToTrain,
    /// More or fewer images or labels were given than a step has.
    #[error("a step has {expected} {what}, but {found} were given")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many a step has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A label is no class.
    #[error("label {label} of image {index} is no class; the network has classes 0 to {}", .classes - 1)]
    Label {
        /// The position of the image in its batch.
        index: usize,
        /// Its label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// The loss is not finite any more.
    #[error(
        "the loss of step {step} is {loss}{}; lower the learning rate, or warm it up",
        .layer.as_ref().map_or(String::new(), |layer| format!(", which began in {}", name_line(layer)))
    )]
    Diverged {
        /// The step, counted from 1.
        step: u64,
        /// Its loss.
        loss: f32,
        /// The first tensor that is not finite, in the order of the layers.
        layer: Option<String>,
    },
    /// A tensor that steps read and change is not finite.
    #[error(
        "{} has values that are not finite{}", name_line(.tensor),
        if *.steps == 0 { " before the first step".to_owned() } else {
            format!(" after step {}; lower the learning rate, or warm it up", .steps)
        }
    )]
    NotFinite {
        /// How many steps there were.
        steps: u64,
        /// The name of the first such tensor, in the order of the layers.
        tensor: String,
    },
    /// A state is that of another network or of another optimizer.
    #[error("the state is not of this network and optimizer: {} {}", name_line(.name), other(.expected, .found))]
    OtherState {
        /// The first tensor that differs.
        name: String,
        /// Its shape here, if it exists here.
        expected: Option<Vec<usize>>,
        /// Its shape in the state, if it exists there.
        found: Option<Vec<usize>>,
    },
    /// The step cannot be compiled.
    #[error(transparent)]
    Compile(#[from] Error),
    /// The step cannot be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The description of the network is not valid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An operator has no gradient.
    #[error(transparent)]
    Gradient(#[from] GradientError),
    /// A node of the step does not fit its operands; a bug.
    #[error("bug in the graph of a training step")]
    Graph(#[from] GraphError),
}

fn other(expected: &Option<Vec<usize>>, found: &Option<Vec<usize>>) -> String {
    match (expected, found) {
        (Some(expected), Some(found)) => format!("has shape {found:?}, not {expected:?}"),
        (Some(_), None) => "is missing".to_owned(),
        (None, _) => "is not known".to_owned(),
    }
}

impl TrainingError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            TrainingError::Range { .. }
            | TrainingError::NoImages
            | TrainingError::NothingToTrain => ErrorCode::BadRecipe,
            TrainingError::UnknownLayer { .. } => ErrorCode::UnknownLayer,
            TrainingError::Count { .. } => ErrorCode::InputLength,
            TrainingError::Label { .. } => ErrorCode::InputElement,
            TrainingError::Diverged { .. } | TrainingError::NotFinite { .. } => ErrorCode::Diverged,
            TrainingError::OtherState { .. } => ErrorCode::OtherState,
            TrainingError::Compile(error) => error.code(),
            TrainingError::Run(error) => error.code(),
            TrainingError::Spec(error) => error.code(),
            TrainingError::Gradient(error) => error.code(),
            TrainingError::Graph(_) => ErrorCode::GraphBug,
        }
    }
}
