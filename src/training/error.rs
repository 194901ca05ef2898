//! Why a network is not trained.

use resnetc_ir::GraphError;

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
    /// The description of the network is not valid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An operator has no gradient.
    #[error(transparent)]
    Gradient(#[from] GradientError),
    /// A node of the step does not fit its operands; a bug.
    #[error("bug in the graph of a training step: {0}")]
    Graph(#[from] GraphError),
}

impl TrainingError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            TrainingError::Range { .. }
            | TrainingError::NoImages
            | TrainingError::NothingToTrain => ErrorCode::BadRecipe,
            TrainingError::UnknownLayer { .. } => ErrorCode::UnknownLayer,
            TrainingError::Spec(error) => error.code(),
            TrainingError::Gradient(error) => error.code(),
            TrainingError::Graph(_) => ErrorCode::GraphBug,
        }
    }
}
