//! Sizes and offsets that all programs share.

use crate::codegen::vir::TILE_ROWS;

use super::number::Width;

/// Channels of a block.
pub(super) const BLOCK: usize = 16;

/// Blocks whose channels' bytes share a lane.
pub(super) const GROUP_BLOCKS: usize = 4;

/// Channels whose digits share a row of a tile.
pub(super) const GROUP: usize = GROUP_BLOCKS * BLOCK;

/// Bytes of one digit of a group of blocks: a row of a tile.
pub(super) const ROW: i64 = 64;

/// Bytes of a vector of 16 lanes.
pub(super) const LANES_BYTES: i64 = 64;

/// Bytes of the constants of a block of outputs: their weights' scales, and from [`BIAS`] on their
/// biases.
pub(super) const CONSTANTS: i64 = 2 * LANES_BYTES;
pub(super) const BIAS: i64 = LANES_BYTES;

/// Offsets in a thread's memory: it begins with the values' inverse scale, followed by their scale,
/// then by the sums of what is computed together.
pub(super) const SCALE: i64 = LANES_BYTES;
pub(super) const SUMS: i64 = 2 * LANES_BYTES;

impl Width {
    /// Bytes of a position whose values are as wide: all digits of a group of blocks.
    pub(super) fn position(self) -> i64 {
        self.digits() as i64 * ROW
    }
}

/// Bytes of a tile.
pub(super) const TILE: i64 = TILE_ROWS as i64 * ROW;

/// The maximum number of bytes that a displacement in the code may span.
pub(super) const FARTHEST: i64 = 1 << 30;

/// The maximum number of weights per output such that 32-bit sums do not overflow, with three
/// products for each weight, all of maximum magnitude.
pub(super) const MOST_WEIGHTS: usize = (1 << 31) / (3 << 14) - 1;

/// The maximum number of parts into which an image's blocks of channels are cut for its abs-max:
/// enough that all threads have some, and few enough to combine cheaply.
pub(super) const MOST_PARTS: usize = 8;
