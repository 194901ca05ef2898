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

impl Weights {
    /// Steps of the reduction: weights of one output.
    fn depth(&self) -> usize {
        self.inputs * self.taps[0] * self.taps[1]
    }

    /// Fills the panels of the tiles that start at `first_output` and hold `lanes` outputs each, the reduction taken in
    /// blocks of `block` input channels. Lanes past the last output are zero.
    pub fn fill(&self, block: usize, first_output: usize, lanes: usize, panels: &mut [f32]) {
        let mut rows = Rows::new(self, lanes);
        for (tile, panel) in panels.chunks_exact_mut((1 + self.depth()) * lanes).enumerate() {
            let first = first_output + tile * lanes;
            rows.read(self, first);
            if rows.live == 0 {
                break;
            }
            let (bias, steps) = panel.split_at_mut(lanes);
            if let Some(values) = &self.bias {
                bias[..rows.live].copy_from_slice(&values.data()[first..first + rows.live]);
            }
            self.fill_steps(&rows, block, steps, lanes);
        }
    }

    /// Transposes the rows, the reduction in the order of the kernel.
    fn fill_steps(&self, rows: &Rows, block: usize, steps: &mut [f32], lanes: usize) {
        let taps = self.taps[0] * self.taps[1];
        let mut steps = steps.chunks_exact_mut(lanes);
        for start in (0..self.inputs).step_by(block) {
            let channels = start..(start + block).min(self.inputs);
            for tap in 0..taps {
                // The range first: it alone ends this loop, and no step is lost.
                for (channel, step) in channels.clone().zip(&mut steps) {
                    rows.column(channel * taps + tap, step);
                }
            }
        }
    }
}

/// The weights of neighbouring outputs, read in one piece each.
pub(in crate::kernels) struct Rows {
    values: Vec<f32>,
    /// From one row to the next.
    stride: usize,
    /// Weights of a row.
    depth: usize,
    /// How many rows there are.
    lanes: usize,
    /// How many of them belong to an output.
    pub(in crate::kernels) live: usize,
}

/// Between rows, so that those of a power of two many weights do not all lie in one set of the cache: a cache line.
const GAP: usize = 16;

impl Rows {
    /// Room for the weights of `lanes` outputs.
    pub(in crate::kernels) fn new(weights: &Weights, lanes: usize) -> Self {
        let depth = weights.depth();
        let stride = depth.next_multiple_of(GAP) + GAP;
        Rows { values: vec![0.0; stride * lanes], stride, depth, lanes, live: 0 }
    }

    /// Reads the weights of the outputs from `first` on.
    pub(in crate::kernels) fn read(&mut self, weights: &Weights, first: usize) {
        self.live = self.lanes.min(weights.outputs.saturating_sub(first));
        let rows = self.values.chunks_exact_mut(self.stride).take(self.live);
        for (lane, row) in rows.enumerate() {
            weights.weights.read((first + lane) * self.depth, &mut row[..self.depth]);
        }
    }

    /// Writes the weight at `position` of each live row into `out`.
    #[inline]
    pub(in crate::kernels) fn column(&self, position: usize, out: &mut [f32]) {
        let values = self.values[position..].iter().step_by(self.stride);
        out[..self.live].iter_mut().zip(values).for_each(|(place, &value)| *place = value);
    }
}
