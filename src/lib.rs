//! A graph compiler for residual networks on CPUs.
#![deny(missing_docs)]

pub mod codegen;
pub mod import;
pub mod passes;
pub mod runtime;
pub mod spec;
