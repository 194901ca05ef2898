//! Training: a step of it is a graph like any other, with the parameters as state.
//!
//! | module | holds |
//! |---|---|
//! | [`recipe`] | how a network is trained |
//! | `limits` | ranges of the numbers of a recipe |
//! | [`step`] | network, loss, gradients and updates as one graph |
//! | `update` | how parameters and running statistics change |
//! | `scope` | arithmetic as nodes |
//! | [`error`](mod@error) | why a network is not trained |

pub mod error;
mod limits;
pub mod recipe;
mod scope;
pub mod step;
mod update;

pub use error::TrainingError;
pub use recipe::{Decayed, Optimizer, Recipe};
