//! The filters of all phases, transformed when the network is compiled.

use crate::kernels::conv::pack::Weights;
use crate::kernels::sink::Sink;

use super::super::gains::{greatest, relative};
use super::super::matrices::Matrix;
use super::form::{Phased, STRIDE};

/// One filter of one output, and where its taps begin.
struct Filter<'a> {
    /// Rows and columns of taps.
    kernel: [usize; 2],
    /// The taps, row by row.
    taps: &'a [f32],
}

impl Filter<'_> {
    /// The tap of a phase, 0 past the last one.
    fn tap(&self, phases: [usize; 2], [row, column]: [usize; 2]) -> f64 {
        let [row, column] = [STRIDE * row + phases[0], STRIDE * column + phases[1]];
        let exists = row < self.kernel[0] && column < self.kernel[1];
        if exists { f64::from(self.taps[row * self.kernel[1] + column]) } else { 0.0 }
    }

    /// The transformed filter of a phase at a point.
    fn at(&self, phases: [usize; 2], rows: &[f64], columns: &[f64]) -> f64 {
        let row = |i: usize| -> f64 {
            columns.iter().enumerate().map(|(j, c)| c * self.tap(phases, [i, j])).sum()
        };
        rows.iter().enumerate().map(|(i, r)| r * row(i)).sum()
    }
}

/// Packs the transformed filters `G g G^T`, computed in f64, and returns their offset: for each
/// `lanes` outputs and each point, a panel with the phases and channels that the point sums. Panels
/// are as far apart as if all phases were summed.
pub(super) fn pack(form: &Phased, weights: &Weights, lanes: usize, sink: &mut Sink) -> i64 {
    let (n, inputs) = (form.points(), form.tiling.inputs);
    let outputs = form.tiling.output_blocks() * 16;
    let (form, weights) = (form.clone(), weights.clone());
    sink.pack(n * n * inputs * outputs, move |out| {
        let matrix = &form.tiling.transforms.filter;
        let depth = form.channels * form.kernel[0] * form.kernel[1];
        let mut taps = vec![0.0; depth];
        for output in 0..weights.outputs {
            weights.weights.read(output * depth, &mut taps);
            let (group, lane) = (output / lanes, output % lanes);
            for point in 0..n * n {
                let panel = (group * n * n + point) * inputs;
                for (step, value) in steps(&form, matrix, &taps, [point / n, point % n]) {
                    out[(panel + step) * lanes + lane] = value as f32;
                }
            }
        }
    })
}

/// The transformed filters of an output at a point, each with its step of the sum.
fn steps<'a>(
    form: &'a Phased,
    matrix: &'a Matrix,
    taps: &'a [f32],
    [down, across]: [usize; 2],
) -> impl Iterator<Item = (usize, f64)> + 'a {
    let counts = [form.phases_at(0, down), form.phases_at(1, across)];
    let phases = (0..counts[0]).flat_map(move |row| (0..counts[1]).map(move |c| [row, c]));
    let filters = taps.chunks_exact(form.kernel[0] * form.kernel[1]);
    phases.enumerate().flat_map(move |(phase, phases)| {
        filters.clone().enumerate().map(move |(channel, taps)| {
            let filter = Filter { kernel: form.kernel, taps };
            let value = filter.at(phases, &matrix[down], &matrix[across]);
            (phase * form.channels + channel, value)
        })
    })
}

/// Packs the gains of the channels, and returns their offset.
pub(super) fn pack_gains(form: &Phased, weights: &Weights, sink: &mut Sink) -> i64 {
    let (channels, window) = (form.channels, form.kernel[0] * form.kernel[1]);
    let weights = weights.clone();
    sink.pack(channels, move |gains| {
        let mut taps = vec![0.0f32; channels * window];
        for output in 0..weights.outputs {
            weights.weights.read(output * taps.len(), &mut taps);
            for (gain, taps) in gains.iter_mut().zip(taps.chunks_exact(window)) {
                *gain = greatest(*gain, taps.iter().map(|w| w * w).sum());
            }
        }
        relative(gains);
    })
}
