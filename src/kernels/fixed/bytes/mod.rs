//! Convolution of quantized values with tile registers. A byte is a number of one digit, so a
//! product of tiles is final: sums are exact in 32 bits, as [`QuantizedConv`] defines them.
//!
//! | module | holds |
//! |---|---|
//! | `form` | a convolution as tiles see it, and where its values and sums are |
//! | `cost` | what it costs, and how a layer is cut into chunks |
//! | `plan` | whether a convolution can be computed so |
//! | `layer` | the calls that it consists of |
//! | `copy` | copying 64 channels of a position side by side |
//! | `product` | the products, as a tile program |
//! | `finish` | heads and rounding |
//! | `pack` | weights and heads |
//!
//! The left factor of a product is unsigned: 16 neighbouring positions of the source, 64 channels
//! each. As with floats, a chunk first copies what it sees of the source into the thread's memory,
//! phase by phase and row after row, so that a tap is just a distance. The source's zero point is in
//! its halo and in what sums start from.
//!
//! [`QuantizedConv`]: resnetc_ir::op::QuantizedConv

mod copy;
mod cost;
mod finish;
mod form;
mod layer;
mod pack;
mod plan;
mod product;

pub(in crate::kernels) use layer::lower;
pub(in crate::kernels) use plan::Plan;
