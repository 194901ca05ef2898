//! Packs weights as digits, in the order in which tiles are read.
//!
//! For each panel of outputs, each step of the sum and each digit there are the tiles of the
//! panel's blocks: 16 rows of 16 outputs, four bytes for each output, the digits of the weights
//! that are multiplied with the same four bytes of a position. All panels are preceded by the
//! constants of all blocks of outputs: their weights' scales, and biases.

use crate::codegen::vir::TILE_ROWS;
use crate::kernels::conv::pack::{QUAD, Rows, Weights};
use crate::kernels::epilogue::MAGNITUDE;

use super::number::{Format, MOST_DIGITS, Quantization, Width};
use super::sizes::{BIAS, BLOCK, CONSTANTS, GROUP_BLOCKS, TILE};

/// Bytes of a row of a tile.
const ROW_BYTES: usize = BLOCK * GROUP_BLOCKS;

/// Bytes of a tile.
const TILE_BYTES: usize = TILE_ROWS * ROW_BYTES;

/// One item for each output of a block.
type Lanes<T> = [T; BLOCK];

/// How weights are packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// How many digits numbers have.
    pub(super) format: Format,
    /// Number of blocks of outputs, and how many of them form a panel.
    pub(super) blocks: usize,
    pub(super) wide: usize,
    /// Steps of a sum: the number of tiles of weights for each digit.
    pub(super) steps: usize,
}

impl Panels {
    /// Bytes of a block of outputs.
    pub(super) fn block_bytes(&self) -> i64 {
        (self.steps * self.format.weights.digits()) as i64 * TILE
    }

    /// Bytes of constants and panels.
    pub(super) fn bytes(&self) -> usize {
        self.blocks * (CONSTANTS + self.block_bytes()) as usize
    }

    /// Writes constants and panels. `place` gives the index of the output's weight, in order of
    /// channels and then taps, that is in byte `i` of a row of a step's tiles, if any.
    pub(super) fn fill(
        &self,
        weights: &Weights,
        place: impl Fn(usize, usize, usize) -> Option<usize>,
        out: &mut [u8],
    ) {
        let mut rows = Rows::new(weights, BLOCK);
        let (constants, panels) = out.split_at_mut(self.blocks * CONSTANTS as usize);
        for (block, constants) in constants.chunks_exact_mut(CONSTANTS as usize).enumerate() {
            let (scales, biases) = constants.split_at_mut(BIAS as usize);
            let bias = weights.bias.iter().flat_map(|b| b.data().iter().skip(block * BLOCK));
            write_lanes(biases, bias.copied());
            rows.read(weights, block * BLOCK);
            let depth = weights.inputs * weights.taps[0] * weights.taps[1];
            let quantizations = quantizations(&rows, depth, self.format.weights);
            write_lanes(
                scales,
                quantizations.iter().map(|quantization| quantization.scale * self.format.product()),
            );
            let first = block - block % self.wide;
            let (width, column) = (self.wide.min(self.blocks - first), block % self.wide);
            let count = self.format.weights.digits();
            let panel = &mut panels[first * self.steps * count * TILE_BYTES..];
            for (step, tiles) in
                panel.chunks_mut(count * width * TILE_BYTES).take(self.steps).enumerate()
            {
                for row in 0..TILE_ROWS {
                    let place = |i| place(step, row, i);
                    let digits = digits(&rows, &quantizations, self.format.weights, place);
                    for (digit, lanes) in digits.iter().take(count).enumerate() {
                        let at = (digit * width + column) * TILE_BYTES + row * ROW_BYTES;
                        tiles[at..at + ROW_BYTES].copy_from_slice(lanes.as_flattened());
                    }
                }
            }
        }
    }
}

/// Writes values from the first lane on.
fn write_lanes(out: &mut [u8], values: impl Iterator<Item = f32>) {
    let lanes = out.as_chunks_mut().0.iter_mut();
    lanes.zip(values).for_each(|(lane, value)| *lane = value.to_le_bytes());
}

/// The digits of a row of tiles.
fn digits(
    rows: &Rows,
    quantizations: &Lanes<Quantization<f32>>,
    width: Width,
    place: impl Fn(usize) -> Option<usize>,
) -> [Lanes<[u8; GROUP_BLOCKS]>; MOST_DIGITS] {
    let mut digits = [[[0; GROUP_BLOCKS]; BLOCK]; MOST_DIGITS];
    for i in 0..GROUP_BLOCKS {
        if let Some(position) = place(i) {
            take(&lanes(rows, position), quantizations, width, i, &mut digits);
        }
    }
    digits
}

/// The scales of the outputs' weights.
fn quantizations(rows: &Rows, depth: usize, width: Width) -> Lanes<Quantization<f32>> {
    let mut abs_max = [0; BLOCK];
    for position in 0..depth {
        for (abs_max, weight) in abs_max.iter_mut().zip(lanes(rows, position)) {
            *abs_max = u32::max(*abs_max, weight.to_bits() & MAGNITUDE);
        }
    }
    abs_max.map(|abs_max| Quantization::of(abs_max, width))
}

/// The weights at one position of the outputs of `rows`.
fn lanes(rows: &Rows, position: usize) -> Lanes<f32> {
    let mut lanes = [0.0; BLOCK];
    let quads = lanes.as_chunks_mut::<QUAD>().0.iter_mut();
    quads.zip(rows.column(position)).for_each(|(lanes, quad)| *lanes = *quad);
    lanes
}

/// Writes the digits of the weights of a channel of block `i` of the group.
fn take(
    lanes: &Lanes<f32>,
    quantizations: &Lanes<Quantization<f32>>,
    width: Width,
    i: usize,
    digits: &mut [Lanes<[u8; GROUP_BLOCKS]>; MOST_DIGITS],
) {
    for (output, (&weight, quantization)) in lanes.iter().zip(quantizations).enumerate() {
        for (digits, digit) in digits.iter_mut().zip(quantization.digits(weight, width)) {
            digits[output][i] = digit;
        }
    }
}
