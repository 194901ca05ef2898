//! Weights in the order in which the kernel reads them.
//!
//! The panel of one tile: `lanes` biases, then `lanes` weights for each step of the reduction. The
//! steps run over blocks of input channels, kernel rows, kernel columns, channels of the block, and
//! then over those of a projection, so a panel is read once, linearly.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::ty::BLOCK;

use crate::kernels::sink::Sink;

use super::shorts::{self, Stored};

/// The constant operands of a convolution `[K, C/groups, R, S]` or of a product with a matrix
/// `[N, K]`.
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

/// One sum of a panel: its weights, and the number of input channels in a block of the reduction.
pub struct Part {
    /// The weights.
    pub weights: Weights,
    /// Channels of a block.
    pub block: usize,
}

/// Fills the panels of the tiles that start at `first_output` and hold `lanes` outputs each. The
/// sums are in the order of `parts`; the bias is that of the first part. Lanes past the last output
/// are zero.
pub fn fill(parts: &[Part], first_output: usize, lanes: usize, panels: &mut [f32]) {
    let depth: usize = parts.iter().map(|part| part.weights.depth()).sum();
    let read = |part: &Part| (Rows::new(&part.weights, lanes), part.weights.order(part.block));
    let mut rows: Vec<_> = parts.iter().map(read).collect();
    for (tile, panel) in panels.chunks_exact_mut((1 + depth) * lanes).enumerate() {
        let first = first_output + tile * lanes;
        let (bias, mut rest) = panel.split_at_mut(lanes);
        if let Some(values) = parts.first().and_then(|part| part.weights.bias.as_ref()) {
            let live = values.data().iter().skip(first);
            bias.iter_mut().zip(live).for_each(|(place, &value)| *place = value);
        }
        for (Part { weights, .. }, (rows, order)) in parts.iter().zip(&mut rows) {
            let (steps, after) = rest.split_at_mut(weights.depth() * lanes);
            rows.read(weights, first);
            rows.place(order, steps);
            rest = after;
        }
    }
}

/// Packs the panels of `count` tiles that start at `first_output` and hold `lanes` outputs each,
/// and returns their offset.
pub(in crate::kernels) fn pack(
    parts: Vec<Part>,
    first_output: usize,
    [lanes, count]: [usize; 2],
    stored: Stored,
    sink: &mut Sink,
) -> i64 {
    let depth: usize = parts.iter().map(|part| part.weights.depth()).sum();
    match stored {
        Stored::Floats => sink.pack((1 + depth) * lanes * count, move |panels| {
            fill(&parts, first_output, lanes, panels)
        }),
        Stored::Shorts => {
            let bytes = stored.head_bytes(lanes) as usize + 2 * depth * lanes;
            sink.pack_bytes(bytes * count, move |panels| {
                let mut floats = vec![0.0; (1 + depth) * lanes];
                for (tile, panel) in panels.chunks_exact_mut(bytes).enumerate() {
                    floats.fill(0.0);
                    fill(&parts, first_output + tile * lanes, lanes, &mut floats);
                    shorts::write_panel(&floats, lanes, panel);
                }
            })
        }
    }
}

impl Weights {
    /// Those in a constant `[K, C/groups, R, S]` or `[N, K]`; `None` if it has another rank.
    pub(in crate::kernels) fn of(weights: Arc<Tensor>, bias: Option<Arc<Tensor>>) -> Option<Self> {
        let (outputs, inputs, taps) = match *weights.shape() {
            [k, c, r, s] => (k, c, [r, s]),
            [n, k] => (n, k, [1, 1]),
            _ => return None,
        };
        Some(Weights { weights, bias, outputs, inputs, taps })
    }

    /// Packs the biases, padded to whole blocks of outputs and zero where there are none, and
    /// returns their offset.
    pub(in crate::kernels) fn pack_biases(&self, sink: &mut Sink) -> i64 {
        let bias = self.bias.clone();
        sink.pack(self.outputs.next_multiple_of(BLOCK), move |out| {
            if let Some(bias) = bias {
                out[..bias.data().len()].copy_from_slice(bias.data());
            }
        })
    }

    /// Steps of the reduction: weights of one output.
    fn depth(&self) -> usize {
        self.inputs * self.taps[0] * self.taps[1]
    }

    /// For each weight of an output, channel by channel and tap by tap, the step of the reduction
    /// that uses it.
    fn order(&self, block: usize) -> Vec<usize> {
        let taps = self.taps[0] * self.taps[1];
        let step = |position: usize| {
            let (channel, tap) = (position / taps, position % taps);
            let start = channel - channel % block;
            start * taps + tap * block.min(self.inputs - start) + channel - start
        };
        (0..self.depth()).map(step).collect()
    }
}

/// Outputs whose weights are interleaved at once: compilers turn the loop from four rows to quads
/// into shuffles.
pub(in crate::kernels) const QUAD: usize = 4;

/// One weight of each of four neighbouring outputs.
pub(in crate::kernels) type Quad = [f32; QUAD];

/// The weights of the outputs of a tile, on their way from the constant to the panel.
pub(in crate::kernels) struct Rows {
    /// The weights of four outputs as in the constant, one output after another.
    rows: Vec<f32>,
    /// For each group of four outputs, the quads in the constant's order.
    quads: Vec<Quad>,
    /// Weights of an output.
    depth: usize,
    /// Number of outputs, a multiple of [`QUAD`] like the length of any vector.
    lanes: usize,
    /// How many of them the layer has; the others are zero.
    live: usize,
}

impl Rows {
    /// Allocates space for the weights of `lanes` outputs.
    pub(in crate::kernels) fn new(weights: &Weights, lanes: usize) -> Self {
        let depth = weights.depth();
        let quads = vec![[0.0; QUAD]; depth * (lanes / QUAD)];
        Rows { rows: vec![0.0; depth * QUAD], quads, depth, lanes, live: 0 }
    }

    /// Reads the weights of the outputs from `first` on.
    pub(in crate::kernels) fn read(&mut self, weights: &Weights, first: usize) {
        self.live = self.lanes.min(weights.outputs.saturating_sub(first));
        for (i, quads) in self.quads.chunks_exact_mut(self.depth).enumerate() {
            let live = self.live.saturating_sub(i * QUAD).min(QUAD) * self.depth;
            let (own, none) = self.rows.split_at_mut(live);
            if !own.is_empty() {
                weights.weights.read((first + i * QUAD) * self.depth, own);
            }
            none.fill(0.0);
            interleave(&self.rows, quads);
        }
    }

    /// The weights at one position of all outputs.
    #[inline]
    pub(in crate::kernels) fn column(&self, position: usize) -> impl Iterator<Item = &Quad> {
        self.quads[position..].iter().step_by(self.depth)
    }

    /// Writes the weights at each position to the place in `steps` that `order` gives for that
    /// position.
    fn place(&self, order: &[usize], steps: &mut [f32]) {
        let (steps, quads) = (steps.as_chunks_mut::<QUAD>().0, self.lanes / QUAD);
        for (position, place) in order.iter().enumerate() {
            let step = &mut steps[place * quads..][..quads];
            for (i, quad) in step.iter_mut().enumerate() {
                *quad = self.quads[i * self.depth + position];
            }
        }
    }
}

/// Interleaves four rows to quads.
fn interleave(rows: &[f32], quads: &mut [Quad]) {
    let row = |r: usize| &rows[r * quads.len()..][..quads.len()];
    let (a, b, c, d) = (row(0), row(1), row(2), row(3));
    for ((((quad, a), b), c), d) in quads.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *quad = [*a, *b, *c, *d];
    }
}
