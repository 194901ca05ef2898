//! The untransformed filters, and how much they amplify each input channel.

use resnetc_ir::ty::BLOCK;

use crate::kernels::conv::pack::{self, Part, Weights};
use crate::kernels::conv::shorts::{Stored, write_panel};
use crate::kernels::geometry::F32;
use crate::kernels::sink::Sink;

use super::Tiling;
use super::gains::{greatest, relative};
use super::matrices::TAPS;

/// The panels of the untransformed filters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// How their weights are stored.
    pub(super) stored: Stored,
    /// Outputs of a panel.
    lanes: usize,
    /// Input channels.
    inputs: usize,
    /// How many panels there are.
    count: usize,
}

impl Plain {
    /// The panels of a convolution, of `lanes` outputs each.
    pub(super) fn new(form: &Tiling, lanes: usize, stored: Stored) -> Self {
        let count = (form.output_blocks() * 16).div_ceil(lanes);
        Plain { stored, lanes, inputs: form.inputs, count }
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of a panel: biases, scales if there are any, then the taps, channel by channel.
    pub(super) fn panel_bytes(&self) -> i64 {
        self.filter(self.inputs)
    }

    /// Offset in a panel of the filters of an input channel.
    pub(super) fn filter(&self, channel: usize) -> i64 {
        self.stored.head_bytes(self.lanes) + self.filter_bytes(channel)
    }

    /// Bytes of the filters of some input channels.
    pub(super) fn filter_bytes(&self, channels: usize) -> i64 {
        (TAPS * TAPS * channels * self.lanes) as i64 * self.stored.bytes()
    }

    /// Offset in a panel of the outputs' scales.
    pub(super) fn scales(&self) -> i64 {
        self.lanes as i64 * F32
    }

    /// Packs the gains of the input channels and the panels, and returns their offsets.
    pub(super) fn pack(self, weights: Weights, sink: &mut Sink) -> [i64; 2] {
        let gains = self.inputs.next_multiple_of(BLOCK);
        let before = gains as i64 * F32;
        let start = match self.stored {
            Stored::Floats => {
                let panel = self.panel_bytes() as usize / size_of::<f32>();
                sink.pack(gains + panel * self.count, move |out| {
                    let (gains, panels) = out.split_at_mut(gains);
                    for (i, panel) in panels.chunks_exact_mut(panel).enumerate() {
                        self.fill(&weights, i, panel, gains);
                    }
                    self.finish(gains);
                })
            }
            Stored::Shorts => {
                let panel = self.panel_bytes() as usize;
                sink.pack_bytes(before as usize + panel * self.count, move |out| {
                    let (head, panels) = out.split_at_mut(before as usize);
                    let mut gains = vec![0.0; gains];
                    let mut floats = vec![0.0; self.lanes * (1 + TAPS * TAPS * self.inputs)];
                    for (i, panel) in panels.chunks_exact_mut(panel).enumerate() {
                        floats.fill(0.0);
                        self.fill(&weights, i, &mut floats, &mut gains);
                        write_panel(&floats, self.lanes, panel);
                    }
                    self.finish(&mut gains);
                    let places = head.as_chunks_mut().0.iter_mut();
                    places.zip(gains).for_each(|(to, gain)| *to = gain.to_le_bytes());
                })
            }
        };
        [start, start + before]
    }

    /// Writes a panel, and raises gains to the largest sum of squares of a filter in it.
    fn fill(&self, weights: &Weights, number: usize, panel: &mut [f32], gains: &mut [f32]) {
        let lanes = self.lanes;
        let part = Part { weights: weights.clone(), block: 1 };
        pack::fill(&[part], number * lanes, lanes, panel);
        let filters = panel[lanes..].chunks_exact(TAPS * TAPS * lanes);
        for (gain, filters) in gains.iter_mut().zip(filters) {
            *gain = greatest(*gain, most(filters, lanes));
        }
    }

    /// Turns the largest sums of squares into gains.
    fn finish(&self, gains: &mut [f32]) {
        relative(&mut gains[..self.inputs]);
    }
}

/// The largest sum of squares of the nine taps of any output.
fn most(filters: &[f32], lanes: usize) -> f32 {
    let mut sums = [0.0f32; MOST_LANES];
    let sums = &mut sums[..lanes];
    for tap in filters.chunks_exact(lanes) {
        sums.iter_mut().zip(tap).for_each(|(sum, w)| *sum += w * w);
    }
    sums.iter().copied().fold(0.0, greatest)
}

/// The maximum number of outputs of a panel.
const MOST_LANES: usize = 64;
