//! What a chunk keeps in its thread's memory.
//!
//! | part | layout |
//! |---|---|
//! | columns | `[row of pixels][channel][column of a tile]` strips |
//! | energies | `[pair of rows][pair of columns]` strips |
//! | rows | `[channel][phase of rows][point][column of a tile]` strips: transformed down |
//! | values | `[point][point][phases and channel]` strips: transformed across |
//! | products | `[block][point][point][tile][16]` |

use crate::codegen::region::Word;
use crate::codegen::vir::Target;
use crate::kernels::geometry::F32;
use crate::kernels::sink::aligned;

use super::super::spread;
use super::form::{ADVANCE, Phased, STRIDE};

/// Offsets and strides in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// From a strip to the next.
    pub(super) strip: i64,
    /// From a channel's columns to the next, and from a row's.
    pub(super) column_channel: i64,
    pub(super) column_row: i64,
    /// From the energies of a pair of rows to the next.
    pub(super) energy_pair: i64,
    /// From a point's transformed row to the next, from a phase to the next, and from a channel.
    pub(super) row_point: i64,
    pub(super) row_phase: i64,
    pub(super) row_channel: i64,
    /// From a point's values to the next.
    pub(super) value_point: i64,
    /// From a point's products to the next, and from a block of outputs.
    pub(super) product_point: i64,
    pub(super) product_block: i64,
    /// Where the parts begin; columns are first.
    pub(super) energies: i64,
    pub(super) rows: i64,
    pub(super) values: i64,
    pub(super) products: i64,
    pub(super) word: i64,
    /// All of it.
    pub(super) bytes: i64,
}

impl Memory {
    /// The memory of a chunk of `tiles` tiles, with the products of `blocks` blocks of outputs.
    pub(super) fn of(form: &Phased, tiles: usize, blocks: usize, target: Target) -> Self {
        let (n, channels) = (form.points() as i64, form.channels as i64);
        // Vectors that begin at any tile, or at the tile after it, end in the strip.
        let strip = spread((tiles.next_multiple_of(target.lanes) + target.lanes) as i64 * F32);
        let column_channel = ADVANCE as i64 * strip;
        let column_row = channels * column_channel;
        let energy_pair = (ADVANCE / STRIDE) as i64 * strip;
        let row_point = ADVANCE as i64 * strip;
        let row_phase = n * row_point;
        let row_channel = STRIDE as i64 * row_phase;
        let value_point = form.tiling.inputs as i64 * strip;
        let product_point = spread(tiles as i64 * 16 * F32);
        let product_block = n * n * product_point;
        let most_rows = form.seen(0, form.tiling.transforms.outputs) as i64;
        let energies = most_rows * column_row;
        let rows = energies + (most_rows as usize).div_ceil(STRIDE) as i64 * energy_pair;
        // Products take the place of what values are made of.
        let values = (rows + channels * row_channel).max(blocks as i64 * product_block);
        let word = values + n * n * value_point;
        let bytes = aligned(word + Word::BYTES);
        Memory {
            strip,
            column_channel,
            column_row,
            energy_pair,
            row_point,
            row_phase,
            row_channel,
            value_point,
            product_point,
            product_block,
            energies,
            rows,
            values,
            products: 0,
            word,
            bytes,
        }
    }
}
