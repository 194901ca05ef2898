//! Code that the tests of `resnetc`'s crates share. Not published.
//!
//! Without the feature `compiler` it only has graphs and their values, so that the tests of
//! `resnetc-ir` need no compiler.

pub mod bound;
pub mod cases;
pub mod close;
pub mod coverage;
#[cfg(feature = "compiler")]
pub mod denied;
#[cfg(feature = "compiler")]
pub mod family;
#[cfg(feature = "compiler")]
pub mod host;
pub mod markup;
pub mod random_graph;
#[cfg(feature = "compiler")]
pub mod recorded;
#[cfg(feature = "compiler")]
pub mod running;
pub mod values;
