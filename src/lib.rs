//! A graph compiler for residual networks on CPUs.
//!
//! A description of a network (an ONNX file, a short spec, or a built-in name) becomes a graph; passes fuse
//! convolution, batch normalization, activation and shortcut; a planner puts every value into one arena; and kernels
//! for exactly those shapes are compiled to machine code for exactly this CPU.
//!
//! ```no_run
//! use resnetc::{Compiler, Options};
//!
//! # fn main() -> Result<(), resnetc::Error> {
//! let model = Compiler::new(Options::default()).load("resnet50.onnx")?.compile()?; // Send + Sync, cheap to clone
//! let mut cx = model.context()?; // owns the arena; one per thread
//! let pixels = vec![0.0; 3 * 224 * 224];
//! cx.input_mut(0)?.copy_from_slice(&pixels); // NCHW f32
//! model.run(&mut cx)?;
//! let logits: &[f32] = cx.output(0)?;
//! # Ok(())
//! # }
//! ```
//!
//! The stages are public modules, in the order in which a network goes through them: [`spec`] and [`import`],
//! [`passes`], [`plan`], [`kernels`], [`codegen`], [`runtime`]; [`compile`] leads through them. [`export`]
//! writes what was described for other programs, [`report`] tells what the compiler did, and [`tune`] measures which
//! algorithms are the fastest here.
#![deny(missing_docs)]

pub mod advice;
pub mod array;
pub mod check;
pub mod codegen;
pub mod compile;
pub mod compiler;
pub mod description;
pub mod error;
pub mod export;
pub mod host;
pub mod import;
pub mod isa;
pub mod kernels;
mod nearest;
pub mod noise;
mod one_line;
pub mod options;
pub mod passes;
pub mod plan;
pub mod profile;
pub mod report;
pub mod runtime;
pub mod spec;
pub mod tune;
pub mod whole_file;

pub use array::{Array, ElementError};
pub use compiler::{Compiler, Network};
pub use description::Description;
pub use error::{Error, RunError};
pub use isa::{Isa, IsaChoice};
pub use options::{Engine, Numerics, Options};
pub use passes::PassSelection;
pub use plan::Reuse;
pub use resnetc_ir as ir;
pub use resnetc_ir::DType;
pub use runtime::model::{Context, Model, Port};
