//! Winograd's algorithm on bytes, in integers: exact, so every sum equals that of direct convolution.
//!
//! With integer points, the transforms of inputs and filters have small integer coefficients: their
//! results fit 16 bits, and products are those of pairs ([`Dot::Pairs`](crate::kernels::conv::Dot)), summed modulo 2^32. The
//! divisors of the interpolation are in the output's transform. Its row `y` is multiplied with the
//! least number `d_y` that makes it integer, so the transform gives `d_y d_x` times the sum of
//! output `(y, x)`, modulo 2^32. Let `d_y d_x = 2^a o` with `o` odd. Multiplication with the inverse
//! of `o` modulo 2^32 leaves `2^a` times the sum, and an arithmetic shift by `a` the sum itself, if
//! its magnitude is below `2^(31 - a)`. Bytes are at most 255, so the weights of an output limit its
//! sum: where they do not limit it enough, the layer is computed otherwise. (For F(4, 3), `a` is at
//! most 6, and the positive or the negative weights of an output may add up to 131,584.)

mod cost;
mod divisors;
mod filters;
mod parts;
mod plan;
mod programs;

pub(in crate::kernels) use parts::lower;
pub(in crate::kernels) use plan::Plan;
