//! The untransformed filters, and how much they amplify each input channel.

use crate::kernels::conv::pack::{self, Part, Weights};

use super::Tiling;
use super::matrices::TAPS;

/// The minimum gain, so that values whose transforms would overflow have an energy that is not
/// finite, however small the filters are.
const LEAST_GAIN: f32 = 1.0 / (1u64 << 40) as f32;

impl Tiling {
    /// Number of values of a panel of `lanes` outputs: biases, then the taps, channel by channel.
    pub(super) fn plain_panel(&self, lanes: usize) -> usize {
        (1 + TAPS * TAPS * self.inputs) * lanes
    }

    /// Number of values of all panels.
    pub(super) fn plain_panels(&self, lanes: usize) -> usize {
        self.plain_panel(lanes) * (self.output_blocks() * 16).div_ceil(lanes)
    }

    /// Number of values of the panels and the gains after them.
    pub(super) fn plain_len(&self, lanes: usize) -> usize {
        self.plain_panels(lanes) + self.inputs.next_multiple_of(16)
    }

    /// Writes the panels and the gains.
    pub(super) fn fill_plain(&self, weights: Weights, lanes: usize, out: &mut [f32]) {
        let (panels, gains) = out.split_at_mut(self.plain_panels(lanes));
        pack::fill(&[Part { weights, block: 1 }], 0, lanes, panels);
        for panel in panels.chunks_exact(self.plain_panel(lanes)) {
            let filters = panel[lanes..].chunks_exact(TAPS * TAPS * lanes);
            for (gain, filters) in gains.iter_mut().zip(filters) {
                *gain = greatest(*gain, most(filters, lanes));
            }
        }
        let all = gains.iter().copied().fold(0.0, greatest);
        for gain in &mut gains[..self.inputs] {
            // If all filters are zero, all channels count the same; a NaN makes all gains NaN.
            let relative = if all == 0.0 { 1.0 } else { (*gain / all).sqrt() };
            *gain = greatest(relative, LEAST_GAIN);
        }
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

/// The larger, or NaN if either is NaN.
fn greatest(a: f32, b: f32) -> f32 {
    if a <= b || b.is_nan() { b } else { a }
}
