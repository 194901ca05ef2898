//! The meaning half of `resnetc`: what a residual network *is*, independent of how it runs.
//!
//! | module | holds |
//! |---|---|
//! | [`graph`] | [`Graph`]: nodes, operands, constants; the only file that uses petgraph |
//! | [`op`] | [`Op`]: the closed set of operators and their attributes |
//! | [`conv`] | attributes of convolutions and of their gradients |
//! | [`elementwise`] | functions of one element and of two |
//! | [`kind`] | [`OpKind`]: operators without their attributes |
//! | [`ty`] | [`TensorType`]: elements, shape and layout |
//! | [`expression`] | [`Expression`]: functions of elements, step by step |
//! | [`dtype`] | [`DType`]: element types |
//! | [`element`] | [`Element`]: elements as numbers and as bytes, and conversion between types |
//! | [`memory`] | memory that is requested before it is filled |
//! | [`random`] | numbers drawn from a seed |
//! | [`tensor`] | [`Tensor`]: constant data, shared until changed |
//! | [`infer`] | operand types to result type, one arm per operator |
//! | [`verify`] | the numbered invariants of a graph, and their check |
//! | [`patch`] | a labelled rewrite that must not change a type |
//! | [`eval`] | the f64 interpreter: the oracle for every pass and every kernel |
//! | [`cost`] | multiply-adds and bytes by definition |
//! | [`text`] | a text form that round-trips |
//! | [`dot`] | graphviz |
//!
//! The crate does no I/O, has no `unsafe` and knows nothing of CPUs.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod activation;
pub mod conv;
pub mod cost;
pub mod dot;
pub mod dtype;
pub mod element;
pub mod elementwise;
pub mod eval;
pub mod expression;
pub mod graph;
pub mod infer;
pub mod kind;
pub mod memory;
pub mod op;
pub mod patch;
pub mod quantized;
pub mod random;
pub mod tensor;
pub mod text;
pub mod ty;
pub mod verify;
pub mod window;

pub use dtype::DType;
pub use element::Element;
pub use expression::Expression;
pub use graph::{Graph, GraphError, Node, NodeId};
pub use kind::OpKind;
pub use op::Op;
pub use patch::{Change, Patch, PatchError};
pub use tensor::Tensor;
pub use ty::{Layout, TensorType};
