//! A graph compiler for residual networks on CPUs.
//!
//! A description of a network (an ONNX file, a short spec, or a built-in name) becomes a graph;
//! passes fuse convolution, batch normalization, activation and shortcut; a planner puts every
//! value into one arena; and kernels for exactly those shapes are compiled to machine code for
//! exactly this CPU.
//!
//! ```no_run
//! use resnetc::{Compiler, Options};
//!
//! # fn main() -> Result<(), resnetc::Error> {
//! let model = Compiler::new(Options::default()).load("resnet50.onnx")?.compile()?; // Send + Sync, cheap to clone
//! let mut cx = model.context()?; // owns the arena; one per thread
//! let pixels = vec![0.0f32; 3 * 224 * 224];
//! cx.input_mut(0)?.copy_from_slice(&pixels); // NCHW f32
//! model.run(&mut cx)?;
//! let logits: &[f32] = cx.output(0)?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything that programs need is on this page and in the modules that it lists:
//!
//! | | |
//! |---|---|
//! | [`Compiler`], [`Options`] | load what a file, a name or a [`Graph`](ir::Graph) describes |
//! | [`Description`], [`Network`] | a described network: before it has sizes, and before it is compiled |
//! | [`Model`], [`Port`], [`Context`] | a compiled network, its inputs and outputs, and the memory of a run |
//! | [`ThreadPool`] | threads that several models share |
//! | [`Array`], [`Number`], [`DType`], [`Element`] | elements of every type, and which of them a network accepts |
//! | [`Digest`] | whether two machines computed the same |
//! | [`errors`] | what can go wrong, each with a stable code |
//! | [`report`], [`profile`], [`CompileReport`] | what the compiler did and what runs cost, as data |
//! | [`cache`] | compiled networks in a folder |
//! | [`tune`], [`Tuned`] | which algorithms are the fastest here, measured |
//! | [`quantize`] | networks in f32 to networks of bytes |
//! | `object` | networks as one object file, for C (feature `object`) |
//! | [`training`], [`gradient`] | steps of training, each compiled as one program; gradients as graphs |
//! | [`spec`], [`export`], [`ir`] | networks written by hand: descriptions, files for other programs, graphs |
//!
//! # Stability
//!
//! [Semantic versioning](https://semver.org) covers what this page lists. All other modules are
//! public only for the command line, the C interface, the tests and the benchmarks of this project.
//! They are not documented here, and any release may change them.
#![deny(missing_docs)]

#[doc(hidden)]
pub mod advice;
#[doc(hidden)]
pub mod array;
pub mod cache;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod codegen;
#[doc(hidden)]
pub mod compile;
#[doc(hidden)]
pub mod compiler;
#[doc(hidden)]
pub mod description;
mod digest;
#[doc(hidden)]
pub mod error;
mod error_code;
pub mod errors;
pub mod export;
pub mod gradient;
#[doc(hidden)]
pub mod host;
#[doc(hidden)]
pub mod import;
mod interned;
#[doc(hidden)]
pub mod isa;
#[doc(hidden)]
pub mod kernels;
mod nearest;
#[doc(hidden)]
pub mod noise;
#[cfg(feature = "object")]
pub mod object;
#[doc(hidden)]
pub mod one_line;
#[doc(hidden)]
pub mod options;
#[doc(hidden)]
pub mod passes;
#[doc(hidden)]
pub mod plan;
pub mod profile;
pub mod quantize;
pub mod report;
#[doc(hidden)]
pub mod runtime;
pub mod spec;
pub mod training;
pub mod tune;
#[doc(hidden)]
pub mod whole_file;

pub use array::{Array, Number};
pub use compile::{CacheUse, CompileReport, Interpreted};
pub use compiler::{Compiler, Network};
pub use description::Description;
pub use digest::Digest;
#[doc(inline)]
pub use errors::{ElementError, Error, ErrorCode, RunError};
pub use import::onnx::{Dim, InputInfo};
pub use isa::{Isa, IsaChoice};
pub use options::{Engine, Numerics, Options};
pub use passes::PassSelection;
pub use plan::Reuse;
pub use resnetc_ir as ir;
pub use resnetc_ir::{DType, Element};
pub use runtime::model::{Context, Model, Port};
pub use runtime::threads::ThreadPool;
#[doc(inline)]
pub use tune::Tuned;
