//! Weights in the order in which the kernel reads them.
//!
//! Panel of one tile: `lanes` biases, then for each step of the reduction `lanes` weights. The steps run over blocks
//! of input channels, kernel rows, kernel columns, channels of the block; so a panel is read once, linearly.

use std::ops::Range;
use std::sync::Arc;

use resnetc_ir::Tensor;

/// Constant operands of a convolution `[K, C/groups, R, S]` or a product with a matrix `[N, K]`.
#[derive(Clone)]
pub struct Weights {
    /// The weights.
    pub weights: Arc<Tensor>,
    /// The bias `[K]`.
    pub bias: Option<Arc<Tensor>>,
    /// Output channels.
    pub outputs: usize,
    /// Input channels that one output sees.
    pub inputs: usize,
    /// Kernel rows and columns.
    pub taps: [usize; 2],
}

impl Weights {
    /// Fills the panels of the tiles that start at `first_output` and hold `lanes` outputs each, the reduction taken in
    /// blocks of `block` input channels. Lanes past the last output are zero.
    pub fn fill(&self, block: usize, first_output: usize, lanes: usize, panels: &mut [f32]) {
        let depth = self.inputs * self.taps[0] * self.taps[1];
        for (tile, panel) in panels.chunks_exact_mut((1 + depth) * lanes).enumerate() {
            let first = first_output + tile * lanes;
            let live = lanes.min(self.outputs.saturating_sub(first));
            if live == 0 {
                continue;
            }
            let (bias, mut rest) = panel.split_at_mut(lanes);
            if let Some(values) = &self.bias {
                bias[..live].copy_from_slice(&values.data()[first..first + live]);
            }
            for start in (0..self.inputs).step_by(block) {
                let channels = start..(start + block).min(self.inputs);
                let (part, after) =
                    rest.split_at_mut(channels.len() * self.taps[0] * self.taps[1] * lanes);
                (0..live).for_each(|lane| {
                    self.fill_lane(first + lane, channels.clone(), &mut part[lane..], lanes)
                });
                rest = after;
            }
        }
    }

    /// Writes one output's weights for a block of channels into every `lanes`-th place. A block at a time, the places
    /// of all lanes stay in the cache.
    fn fill_lane(&self, output: usize, channels: Range<usize>, part: &mut [f32], lanes: usize) {
        let taps = self.taps[0] * self.taps[1];
        let own = &self.weights.data()[(output * self.inputs + channels.start) * taps..]
            [..channels.len() * taps];
        let mut places = part.iter_mut().step_by(lanes);
        for tap in 0..taps {
            let values = own.iter().skip(tap).step_by(taps);
            values.zip(&mut places).for_each(|(&value, place)| *place = value);
        }
    }
}
