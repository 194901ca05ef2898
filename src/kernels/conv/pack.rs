//! Weights in the order in which the kernel reads them.
//!
//! Panel of one tile: `lanes` biases, then for each step of the reduction `lanes` weights. The steps run over blocks
//! of input channels, kernel rows, kernel columns, channels of the block; so a panel is read once, linearly.

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

/// Which channels make one step group: `block` at a time.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Input channels per block of the reduction.
    pub block: usize,
}

impl Weights {
    /// Fills the panels of the tiles that start at `first_output` and hold `lanes` outputs each. Lanes past the last
    /// output are zero.
    pub fn fill(&self, order: Order, first_output: usize, lanes: usize, panels: &mut [f32]) {
        let depth = self.inputs * self.taps[0] * self.taps[1];
        for (tile, panel) in panels.chunks_exact_mut((1 + depth) * lanes).enumerate() {
            let first = first_output + tile * lanes;
            let live = lanes.min(self.outputs.saturating_sub(first));
            for lane in 0..live {
                self.fill_lane(order, first + lane, lane, lanes, panel);
            }
        }
    }

    fn fill_lane(&self, order: Order, output: usize, lane: usize, lanes: usize, panel: &mut [f32]) {
        let [rows, columns] = self.taps;
        let taps = rows * columns;
        let own = &self.weights.data()[output * self.inputs * taps..][..self.inputs * taps];
        panel[lane] = self.bias.as_ref().map_or(0.0, |b| b.data()[output]);
        let mut at = lanes + lane;
        for block in (0..self.inputs).step_by(order.block) {
            let channels = block..(block + order.block).min(self.inputs);
            for tap in 0..taps {
                for channel in channels.clone() {
                    panel[at] = own[channel * taps + tap];
                    at += lanes;
                }
            }
        }
    }
}
