//! What is packed when the network is compiled.
//!
//! For each panel of outputs and each step of the sum there are the tiles of the panel's blocks: 16
//! rows of 16 outputs, four bytes for each output, the weights of four consecutive channels. All
//! panels are preceded by the factors and biases of all blocks of outputs.

use std::sync::Arc;

use resnetc_ir::Tensor;

use crate::kernels::conv::pack::{Weights, first_sum};

use super::super::sizes::{BIAS, BLOCK, CONSTANTS, GROUP, ROW, TILE};
use super::form::TOGETHER;

/// Bytes of a factor, of a bias, and of the weights of an output in a row.
const WORD: usize = 4;

/// What is packed for a convolution.
pub(super) struct Packing {
    /// Weights in i8 and biases in i32.
    pub(super) weights: Weights,
    /// The factor of each output.
    pub(super) factors: Arc<Tensor>,
    /// The source's zero point.
    pub(super) zero: i32,
    /// Blocks of outputs of a group of channels, and bytes of the weights of one.
    pub(super) blocks: usize,
    pub(super) block_bytes: usize,
}

impl Packing {
    fn all_blocks(&self) -> usize {
        self.weights.outputs.div_ceil(BLOCK)
    }

    /// Bytes of factors and biases.
    pub(super) fn heads(&self) -> usize {
        self.all_blocks() * CONSTANTS as usize
    }

    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        self.heads() + self.all_blocks() * self.block_bytes
    }

    /// Writes everything; what is not written is zero.
    pub(super) fn fill(&self, out: &mut [u8]) {
        let weights = &self.weights;
        let (heads, panels) = out.split_at_mut(self.heads());
        let biases = weights.bias.as_ref().map(|bias| bias.numbers()).unwrap_or_default();
        let taps = weights.taps[0] * weights.taps[1];
        let mut filter = vec![0; weights.inputs * taps];
        for output in 0..weights.outputs {
            weights.weights.read_bytes(output * filter.len(), &mut filter);
            let (block, lane) = (output / BLOCK, output % BLOCK);
            let bias = biases.get(output).map_or(0, |&bias| bias as i32);
            let bias = first_sum(&filter, bias, self.zero);
            let head = &mut heads[block * CONSTANTS as usize + lane * WORD..];
            head[..WORD].copy_from_slice(&self.factors.data()[output].to_le_bytes());
            head[BIAS as usize..][..WORD].copy_from_slice(&bias.to_le_bytes());
            // The panel that the block is in: its first block, and how many it has.
            let (within, column) = (block % self.blocks, block % self.blocks % TOGETHER);
            let wide = TOGETHER.min(self.blocks - (within - column));
            let panel = &mut panels[(block - column) * self.block_bytes..];
            for (channel, own) in filter.chunks_exact(taps).enumerate() {
                let (step, within) = (channel / GROUP, channel % GROUP);
                let row = within / WORD * ROW as usize + lane * WORD + within % WORD;
                for (tap, &weight) in own.iter().enumerate() {
                    let tile = (step * taps + tap) * wide + column;
                    panel[tile * TILE as usize + row] = weight;
                }
            }
        }
    }
}
