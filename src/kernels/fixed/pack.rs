//! Weights as digits, in the order in which tiles are read.
//!
//! For each panel of outputs, each group of blocks of input channels, each tap and each digit the tiles of its blocks: 16
//! rows of 16 outputs, each the digits of the same channel of the group's four blocks. Before all panels stand the
//! constants of all blocks of outputs: their weights' powers, and biases.

use crate::codegen::vir::TILE_ROWS;
use crate::kernels::conv::pack::{QUAD, Rows, Weights};

use super::number::{DIGITS, MAGNITUDE, PRODUCT, Range};
use super::product::Together;
use super::{BIAS, BLOCK, CONSTANTS, Form, GROUP, GROUP_BLOCKS, TILE};

/// Lanes of a tile.
const LANES: usize = TILE_ROWS * BLOCK;

/// Something of each output of a block.
type Lanes<T> = [T; BLOCK];

/// Bytes of a block of outputs.
pub(super) fn block_bytes(form: &Form) -> i64 {
    (form.groups() * form.taps.len() * DIGITS) as i64 * TILE
}

/// How many lanes constants and panels have.
pub(super) fn len(form: &Form) -> usize {
    form.blocks() * (CONSTANTS + block_bytes(form)) as usize / 4
}

/// Writes constants and panels.
pub(super) fn fill(weights: &Weights, out: &mut [f32]) {
    let (taps, blocks) = (weights.taps[0] * weights.taps[1], weights.outputs.div_ceil(BLOCK));
    let (groups, wide) = (weights.inputs.div_ceil(GROUP), Together::of(taps).blocks);
    let mut rows = Rows::new(weights, BLOCK);
    let (constants, panels) = out.split_at_mut(blocks * CONSTANTS as usize / 4);
    for (block, constants) in constants.chunks_exact_mut(CONSTANTS as usize / 4).enumerate() {
        let (powers, biases) = constants.split_at_mut(BIAS as usize / 4);
        let bias = weights.bias.iter().flat_map(|b| b.data().iter().skip(block * BLOCK));
        biases.iter_mut().zip(bias).for_each(|(place, &bias)| *place = bias);
        rows.read(weights, block * BLOCK);
        let ranges = ranges(&rows, weights.inputs * taps);
        powers.iter_mut().zip(&ranges).for_each(|(power, range)| *power = range.power * PRODUCT);
        let panel = block - block % wide;
        let (width, place) = (wide.min(blocks - panel), block % wide);
        let panel = &mut panels[panel * groups * taps * DIGITS * LANES..];
        for group in 0..groups {
            for tap in 0..taps {
                let step = (group * taps + tap) * DIGITS * width * LANES;
                for row in 0..TILE_ROWS {
                    let mut digits = [[[0; GROUP_BLOCKS]; BLOCK]; DIGITS];
                    for i in 0..GROUP_BLOCKS {
                        let channel = group * GROUP + i * BLOCK + row;
                        if channel < weights.inputs {
                            let lanes = lanes(&rows, channel * taps + tap);
                            take(&lanes, &ranges, i, &mut digits);
                        }
                    }
                    for (digit, lanes) in digits.iter().enumerate() {
                        let at = step + (digit * width + place) * LANES + row * BLOCK;
                        let lanes =
                            lanes.iter().map(|&bytes| f32::from_bits(u32::from_le_bytes(bytes)));
                        panel[at..at + BLOCK].iter_mut().zip(lanes).for_each(|(p, lane)| *p = lane);
                    }
                }
            }
        }
    }
}

/// The ranges of the outputs' weights.
fn ranges(rows: &Rows, depth: usize) -> Lanes<Range<f32>> {
    let mut greatest = [0; BLOCK];
    for position in 0..depth {
        for (greatest, weight) in greatest.iter_mut().zip(lanes(rows, position)) {
            *greatest = u32::max(*greatest, weight.to_bits() & MAGNITUDE);
        }
    }
    greatest.map(Range::of)
}

/// The weights at one position of the outputs of `rows`.
fn lanes(rows: &Rows, position: usize) -> Lanes<f32> {
    let mut lanes = [0.0; BLOCK];
    let quads = lanes.as_chunks_mut::<QUAD>().0.iter_mut();
    quads.zip(rows.column(position)).for_each(|(lanes, quad)| *lanes = *quad);
    lanes
}

/// Writes the digits of a channel's weights, that of block `i` of the group.
fn take(
    lanes: &Lanes<f32>,
    ranges: &Lanes<Range<f32>>,
    i: usize,
    digits: &mut [Lanes<[u8; GROUP_BLOCKS]>; DIGITS],
) {
    for (output, (&weight, range)) in lanes.iter().zip(ranges).enumerate() {
        for (digits, digit) in digits.iter_mut().zip(range.digits(weight)) {
            digits[output][i] = digit;
        }
    }
}
