//! What is packed when the network is compiled.
//!
//! For each panel of outputs and each step of the sum there are the tiles of the panel's blocks: 16
//! rows of 16 outputs, four bytes for each output, the weights of four consecutive channels. All
//! panels are preceded by the heads of all blocks of outputs, 16 of each word.

use crate::kernels::conv::heads::{Heads, WORD};
use crate::kernels::conv::pack::Weights;

use super::super::sizes::{BLOCK, GROUP, ROW, TILE};
use super::form::TOGETHER;

/// What is packed for a convolution.
pub(super) struct Packing {
    /// Weights in i8.
    pub(super) weights: Weights,
    /// What heads are written from.
    pub(super) heads: Heads,
    /// Blocks of outputs of a group of channels, and bytes of the weights of one.
    pub(super) blocks: usize,
    pub(super) block_bytes: usize,
}

impl Packing {
    fn all_blocks(&self) -> usize {
        self.weights.outputs.div_ceil(BLOCK)
    }

    /// Bytes of all heads.
    pub(super) fn before(&self) -> usize {
        self.all_blocks() * self.heads.head().block_bytes()
    }

    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        self.before() + self.all_blocks() * self.block_bytes
    }

    /// Writes everything; what is not written is zero.
    pub(super) fn fill(&self, out: &mut [u8]) {
        let weights = &self.weights;
        let (heads, panels) = out.split_at_mut(self.before());
        let taps = weights.taps[0] * weights.taps[1];
        let mut filter = vec![0; weights.inputs * taps];
        for output in 0..weights.outputs {
            weights.weights.read_bytes(output * filter.len(), &mut filter);
            let (block, lane) = (output / BLOCK, output % BLOCK);
            self.heads.write(output, &filter, heads);
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
