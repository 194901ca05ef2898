//! Measured choices of algorithms, where compilation by default goes by a cost model.
//!
//! | module | holds |
//! |---|---|
//! | [`measure`](mod@measure) | times the algorithms of each layer of a network |
//! | [`copies`] | the graph on which a layer is timed |
//! | [`machine`] | what must be the same for measured times to mean anything |
//! | [`cache`] | measured times in a file |
//!
//! A layer is the problem line of a convolution
//! ([`ConvProblem`](crate::kernels::problem::ConvProblem)): layers of the same line run the same
//! code on other numbers. Where two networks have a layer in common, the one that was measured last
//! decides. Nothing here is used unless it is asked for: compilation reads no file and measures
//! nothing, it takes [`Tuned`] from the [options](crate::options::Options).

pub mod cache;
pub mod copies;
pub mod machine;
pub mod measure;

pub use crate::kernels::tuned::Tuned;

pub use cache::{Cache, CacheError};
pub use machine::MachineKey;
pub use measure::{Candidate, Layer, measure};
