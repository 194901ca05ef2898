//! Gradients as a graph: the nodes that compute them are added to the graph of the network.
//!
//! ```
//! use resnetc::gradient::gradients;
//! use resnetc::ir::op::{Binary, Op};
//! use resnetc::ir::Graph;
//!
//! let mut graph = Graph::new();
//! let x = graph.input("x", [3]);
//! let square = graph.add("square", Op::Binary(Binary::Mul), &[x, x])?;
//! let axes = vec![0];
//! let loss = graph.add("loss", Op::ReduceMean { axes, keep_dims: false }, &[square])?;
//! let dx = gradients(&mut graph, loss, &[x])?;
//! graph.output("dx", dx[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `reverse` | the order of the rules, and the sums of what they give |
//! | `rules` | the rule of each operator: a table |
//! | `scope` | what a rule sees of its operator, and the nodes that it adds |
//! | `convolution`, `normalization`, `pooling`, `elementwise`, `reduction`, `product`, `movement`, `loss` | the rules |
//! | [`error`](mod@error) | why there is no gradient |
//!
//! This is reverse accumulation (Griewank and Walther, "Evaluating Derivatives", 2nd edition, 2008,
//! section 3.2). In the rules, `dv` is the gradient of the loss with respect to `v`, `y` is an
//! operator's result and `x` its operand. Values are f32.

mod convolution;
mod elementwise;
pub mod error;
mod loss;
mod movement;
mod normalization;
mod pooling;
mod product;
mod reduction;
mod reverse;
mod rules;
mod scope;

pub use error::GradientError;
pub use reverse::gradients;
