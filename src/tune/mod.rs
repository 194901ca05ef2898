//! Choices of algorithms by measurement; by default, compilation uses a cost model.
//!
//! | module | holds |
//! |---|---|
//! | [`measure`](mod@measure) | times the algorithms of each layer of a network |
//! | [`copies`] | the graph on which a layer is timed |
//! | [`machine`] | what must be the same for measured times to be valid |
//! | [`cache`] | measured times in a file |
//!
//! A layer is identified by the problem line of its convolution
//! ([`ConvProblem`](crate::kernels::problem::ConvProblem)): layers with the same line run the same
//! code on different numbers. If two networks have a layer in common, the last measurement decides.
//! Nothing here is used by default: compilation reads no file and measures nothing; it takes
//! [`Tuned`] from the [options](crate::options::Options).

pub mod cache;
pub mod copies;
pub mod machine;
pub mod measure;

pub use crate::kernels::tuned::Tuned;

pub use cache::{Cache, CacheError};
pub use machine::MachineKey;
pub use measure::{Candidate, Layer, measure};
