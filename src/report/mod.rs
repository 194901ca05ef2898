//! What the compiler did, as data.
//!
//! | module | holds |
//! |---|---|
//! | [`compilation`] | how a compilation went; all that follows is part of it |
//! | [`explain`] | which rewrites were applied, and which nearly were |
//! | [`convolutions`] | which algorithm computes each convolution, and which others were considered |
//! | [`floats`] | which operators of a quantized network compute on floats, and why |
//! | [`plan`] | where every value is stored, and for how long |
//! | [`kernels`] | what was compiled, and how often a run uses it |
//! | [`class`] | which operators are treated alike |

pub mod class;
pub mod compilation;
pub mod convolutions;
pub mod explain;
pub mod floats;
pub mod kernels;
pub mod plan;
