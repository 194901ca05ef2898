//! Weights in three parts, in the order in which tiles are read.
//!
//! For each panel of outputs, each pair of blocks of input channels, each tap and each part the tiles of its blocks: 16
//! rows, one for a channel of each of both blocks, of 16 outputs.

use crate::codegen::bf16;
use crate::codegen::vir::TILE_ROWS;
use crate::kernels::conv::pack::{QUAD, Rows, Weights};

use super::product::PANEL_BLOCKS;
use super::{BLOCK, Form, PAIR, PARTS, TILE};

/// Values of a tile.
const VALUES: usize = TILE_ROWS * BLOCK;

/// One weight of each output of a block.
type Lanes = [f32; BLOCK];

/// Bytes of a block of outputs.
pub(super) fn block_bytes(form: &Form) -> i64 {
    (form.pairs() * form.taps.len()) as i64 * PARTS * TILE
}

/// How many values all panels have.
pub(super) fn len(form: &Form) -> usize {
    form.blocks() * form.pairs() * form.taps.len() * PARTS as usize * VALUES
}

/// Writes all panels.
pub(super) fn fill(weights: &Weights, out: &mut [f32]) {
    let (taps, blocks) = (weights.taps[0] * weights.taps[1], weights.outputs.div_ceil(BLOCK));
    let pairs = weights.inputs.div_ceil(PAIR);
    let mut rows = Rows::new(weights, BLOCK);
    for block in 0..blocks {
        rows.read(weights, block * BLOCK);
        let panel = block - block % PANEL_BLOCKS;
        let (width, place) = (PANEL_BLOCKS.min(blocks - panel), block % PANEL_BLOCKS);
        let panel = &mut out[panel * pairs * taps * PARTS as usize * VALUES..];
        for pair in 0..pairs {
            for tap in 0..taps {
                let step = (pair * taps + tap) * PARTS as usize * width * VALUES;
                for row in 0..TILE_ROWS {
                    let read = |channel: usize| lanes(&rows, weights, channel, tap);
                    let mut low = read(pair * PAIR + row);
                    let mut high = read(pair * PAIR + BLOCK + row);
                    for part in 0..PARTS as usize {
                        let at = step + (part * width + place) * VALUES + row * BLOCK;
                        take(&mut low, &mut high, &mut panel[at..at + BLOCK]);
                    }
                }
            }
        }
    }
}

/// The weights between one input channel and the outputs of `rows`; zero past the last channel.
fn lanes(rows: &Rows, weights: &Weights, channel: usize, tap: usize) -> Lanes {
    let mut lanes = [0.0; BLOCK];
    if channel < weights.inputs {
        let taps = weights.taps[0] * weights.taps[1];
        let quads = lanes.as_chunks_mut::<QUAD>().0.iter_mut();
        quads.zip(rows.column(channel * taps + tap)).for_each(|(lanes, quad)| *lanes = *quad);
    }
    lanes
}

/// Writes pairs of the highest parts, and leaves what remains.
fn take(low: &mut Lanes, high: &mut Lanes, pairs: &mut [f32]) {
    for ((pair, low), high) in pairs.iter_mut().zip(low).zip(high) {
        *pair = bf16::pair(*low, *high);
        *low -= bf16::upper(*low);
        *high -= bf16::upper(*high);
    }
}
