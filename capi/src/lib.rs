//! The C interface of resnetc: compile and run residual networks from C, C++ and every language
//! that calls C.
//!
//! Programs in C include `include/resnetc.h`, which is generated from this crate and describes
//! every function; the README says how to build and link. Programs in Rust use the library,
//! `resnetc`, instead.
//!
//! | module | holds |
//! |---|---|
//! | [`status`], [`error`] | what came of a call: a number, and an object that says why |
//! | `guard` | the border that no panic crosses |
//! | `call` | how calls report errors and hand out handles |
//! | `text` | strings, paths and bytes that callers pass |
//! | `keys`, [`options`] | options by the names that they have on the command line |
//! | [`port`] | inputs and outputs of a model: names, types and dimensions |
//! | [`model`], [`load`] | compiled networks, and what they are compiled from |
//! | [`context`] | the memory of one run |
//! | [`transfer`] | values in a caller's memory, of the types that a model declares |
//! | `pool`, [`once`] | runs that need no context of the caller's |
//! | [`version`], [`isa`] | the version, and the instruction sets of this machine |
//!
//! # Pointers
//!
//! A handle is a `Box`, so a caller owns it until it passes it to the function that frees it.
//! Every pointer that a function takes must be NULL or valid for what the header says of it,
//! until the function returns. NULL is an error where a value is required. All `unsafe` functions
//! of this crate have this contract, and no other.
#![deny(missing_docs)]
#![allow(clippy::missing_safety_doc, reason = "the contract is the same for all: see Pointers")]

mod call;
pub mod context;
pub mod error;
mod guard;
pub mod isa;
mod keys;
pub mod load;
pub mod model;
pub mod once;
pub mod options;
mod pool;
pub mod port;
pub mod resize;
pub mod status;
mod text;
pub mod transfer;
pub mod version;
