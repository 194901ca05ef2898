//! Training: a step of it is a graph like any other, with the parameters as state.
//!
//! | module | holds |
//! |---|---|
//! | [`recipe`] | how a network is trained |
//! | `limits` | ranges of the numbers of a recipe |
//! | [`step`] | network, loss, gradients and updates as one graph |
//! | `network` | a step as a network, to be inspected and timed |
//! | `norms` | how large values and gradients are, by depth |
//! | [`names`] | the names of a step's inputs and outputs |
//! | `update` | how parameters and running statistics change |
//! | `scope` | arithmetic as nodes |
//! | [`trainer`] | steps of training, one after another |
//! | [`state`] | what training keeps from step to step |
//! | [`error`](mod@error) | why a network is not trained |

pub mod error;
mod limits;
pub mod names;
mod network;
mod norms;
pub mod recipe;
mod scope;
pub mod state;
pub mod step;
pub mod trainer;
mod update;

pub use error::TrainingError;
pub use norms::Norms;
pub use recipe::{Decayed, Optimizer, Recipe};
pub use state::State;
pub use trainer::{Loss, Trainer, highest};
