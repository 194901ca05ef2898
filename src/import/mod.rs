//! Converts foreign files to graphs: every check of bytes that come from outside is made here.
//!
//! | module | holds |
//! |---|---|
//! | [`onnx`] | ONNX models to [`Graph`](resnetc_ir::Graph)s |
//! | [`safetensors`] | named weights, and named arrays, read and written |
//! | [`npy`] | NumPy's arrays |
//! | [`limits`] | limits on what a file may request |
//! | `foreign` | files of other formats: what they are, and what to do with them |
//! | `memory` | how much memory constants may take on this machine |
//! | `named` | which value a requested name stands for |
//! | `stored` | elements that stay in the file |
//! | `dim` | dimensions as files declare them |
//! | [`error`] | what can be wrong with a file |

mod dim;
pub mod error;
pub(crate) mod foreign;
pub mod limits;
pub(crate) mod memory;
pub(crate) mod named;
pub mod npy;
pub mod onnx;
pub mod safetensors;
mod stored;

pub use error::{ImportError, ImportErrorKind, RefusedNode, UnboundDim};
