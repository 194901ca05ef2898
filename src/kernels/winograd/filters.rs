//! The filters, transformed and packed at compile time.

use crate::kernels::conv::pack::Weights;

use super::matrices::{TAPS, Transforms};

/// Outputs in a panel of the matrix product.
const LANES: usize = 16;

/// One number for each output of a panel; arithmetic on it runs on whole vectors.
type Lanes = [f64; LANES];

/// Writes the transformed filters `G g G^T`, computed in f64: for each block of `lanes` outputs and each element of the
/// tile a panel of the matrix product. `lanes` is a multiple of 16.
pub(super) fn fill(transforms: &Transforms, weights: &Weights, lanes: usize, out: &mut [f32]) {
    let n = transforms.inputs();
    let blocks = weights.outputs.div_ceil(LANES);
    let mut elements = vec![[0.0; LANES]; n * n];
    for block in 0..blocks {
        for input in 0..weights.inputs {
            transform_filters(transforms, &filters(weights, block * LANES, input), &mut elements);
            for (i, values) in elements.iter().enumerate() {
                let (group, lane) = (block * LANES / lanes, block * LANES % lanes);
                let panel = (group * n * n + i) * weights.inputs;
                let start = (panel + input) * lanes + lane;
                out[start..start + LANES].iter_mut().zip(values).for_each(|(o, &v)| *o = v as f32);
            }
        }
    }
}

/// The filters between one input channel and the outputs from `first` on; zero past the last output.
fn filters(weights: &Weights, first: usize, input: usize) -> [Lanes; TAPS * TAPS] {
    let mut filters = [[0.0; LANES]; TAPS * TAPS];
    for lane in 0..LANES.min(weights.outputs - first) {
        let at = ((first + lane) * weights.inputs + input) * TAPS * TAPS;
        let taps = &weights.weights.data()[at..at + TAPS * TAPS];
        filters.iter_mut().zip(taps).for_each(|(f, &tap)| f[lane] = f64::from(tap));
    }
    filters
}

/// `G g G^T` of several 3x3 filters.
fn transform_filters(
    transforms: &Transforms,
    filters: &[Lanes; TAPS * TAPS],
    elements: &mut [Lanes],
) {
    let n = transforms.inputs();
    for (i, row) in transforms.filter.iter().enumerate() {
        let half: [Lanes; TAPS] =
            std::array::from_fn(|s| weighted(row, |t| &filters[t * TAPS + s]));
        for (j, column) in transforms.filter.iter().enumerate() {
            elements[i * n + j] = weighted(column, |t| &half[t]);
        }
    }
}

/// The sum of three vectors with these weights.
fn weighted<'a>(weights: &[f64], vector: impl Fn(usize) -> &'a Lanes) -> Lanes {
    let mut sum = [0.0; LANES];
    for (t, &weight) in weights.iter().enumerate().take(TAPS) {
        sum.iter_mut().zip(vector(t)).for_each(|(s, &v)| *s += weight * v);
    }
    sum
}
