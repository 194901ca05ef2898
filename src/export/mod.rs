//! Graphs to files that other programs read.
//!
//! | module | holds |
//! |---|---|
//! | [`onnx`] | [`Graph`](resnetc_ir::Graph)s to ONNX models |
//! | [`error`] | why a graph cannot be written |

pub mod error;
pub mod onnx;

pub use error::{ExportError, RefusedValue};
