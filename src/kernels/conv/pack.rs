//! Weights in the order in which the kernel reads them.
//!
//! Panel of one tile: `lanes` biases, then for each step of the reduction `lanes` weights. The steps run over blocks
//! of input channels, kernel rows, kernel columns, channels of the block, and then over those of a projection; so a
//! panel is read once, linearly.

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

/// One sum of a panel: its weights, and how many input channels a block of the reduction has.
pub struct Part {
    /// The weights.
    pub weights: Weights,
    /// Channels of a block.
    pub block: usize,
}

/// Fills the panels of the tiles that start at `first_output` and hold `lanes` outputs each. The sums follow each other
/// in the order of `parts`; the bias is that of the first. Lanes past the last output are zero.
pub fn fill(parts: &[Part], first_output: usize, lanes: usize, panels: &mut [f32]) {
    let depth: usize = parts.iter().map(|part| part.weights.depth()).sum();
    for (tile, panel) in panels.chunks_exact_mut((1 + depth) * lanes).enumerate() {
        let first = first_output + tile * lanes;
        let (bias, mut rest) = panel.split_at_mut(lanes);
        if let Some(values) = parts.first().and_then(|part| part.weights.bias.as_ref()) {
            let live = values.data().iter().skip(first);
            bias.iter_mut().zip(live).for_each(|(place, &value)| *place = value);
        }
        for Part { weights, block } in parts {
            let (sum, after) = rest.split_at_mut(weights.depth() * lanes);
            weights.fill_sum(*block, first, lanes, sum);
            rest = after;
        }
    }
}

impl Weights {
    /// Steps of the reduction.
    fn depth(&self) -> usize {
        self.inputs * self.taps[0] * self.taps[1]
    }

    /// Writes the weights of the outputs from `first` on, block by block.
    fn fill_sum(&self, block: usize, first: usize, lanes: usize, mut sum: &mut [f32]) {
        let live = lanes.min(self.outputs.saturating_sub(first));
        for start in (0..self.inputs).step_by(block) {
            let channels = start..(start + block).min(self.inputs);
            let (part, after) =
                sum.split_at_mut(channels.len() * self.taps[0] * self.taps[1] * lanes);
            (0..live).for_each(|lane| {
                self.fill_lane(first + lane, channels.clone(), &mut part[lane..], lanes)
            });
            sum = after;
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
