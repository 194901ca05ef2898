//! Windows of 5x5 to 8x8 and stride 2 over a few planar channels, the first layer of most networks.
//!
//! Even and odd rows and columns of the source are its four *phases* (polyphase components). The
//! convolution is the sum of four convolutions of stride 1, one over each phase, whose filters are
//! the even or odd taps along each axis. Winograd's algorithm computes them as one convolution with
//! four times the channels, in tiles of 4x4 outputs.
//!
//! A planar source has too few channels to fill vectors, so the lanes of the input transform are
//! neighbouring tiles. A *strip* is what one vector after another holds: a value of each tile of a
//! row, and of one tile more, because a tile and the next one share columns.
//!
//! | module | holds |
//! |---|---|
//! | `form` | the convolution cut into tiles, and what each point of the transforms sums |
//! | `plan` | the plan of the algorithm, and what a layer costs |
//! | `split` | rows of pixels to strips, one for each column of a tile |
//! | `input` | the input transform, down and across |
//! | `check` | whether a row of tiles has values too far apart in magnitude |
//! | `filters` | filters transformed when the network is compiled |
//! | `memory` | what a chunk keeps in its thread's memory |
//! | `parts` | chunks: some tiles of a row, from pixels to outputs |

mod check;
mod filters;
mod form;
mod input;
mod memory;
mod parts;
pub(in crate::kernels) mod plan;
mod split;
