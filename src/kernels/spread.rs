//! Which weights can share a scale.
//!
//! The error of a product is relative to the largest weight, not to the weight that is multiplied.
//! So an output most of whose weights are far smaller than the largest is less exact than with
//! floats. This happens in kernels into which an identity was merged (RepVGG). So is an output of
//! which a channel's weights are all small, if the channel's values are as much larger, as where a
//! network has no normalization. In trained and in random kernels the largest weight is three to
//! six times the root mean square, of all weights and of those of a channel.

use resnetc_ir::Tensor;

/// The maximum ratio of the largest weight of an output to the root mean square: about five times
/// the usual ratio, so such a layer also adds about five times the usual error.
const MOST: f64 = 16.0;

/// The maximum number of outputs that are examined.
const SAMPLES: usize = 64;

/// The fewest weights of a channel among those of the outputs that are examined. Fewer are all
/// small by chance too often.
const FEWEST: usize = 32;

/// Whether the largest of the weights `[K, C, R, S]` of an output does not exceed the others too
/// much: on average over the outputs, and, where all channels have the same share in the results,
/// on average over the channels.
pub(in crate::kernels) fn is_even(weights: &Tensor) -> bool {
    let outputs = weights.shape().first().copied().unwrap_or(0);
    let channels = weights.shape().get(1).copied().unwrap_or(1).max(1);
    let depth = weights.elements().checked_div(outputs).unwrap_or(0);
    let mut row = vec![0.0; depth];
    // Squares relative to the largest weight of the output.
    let (mut of_outputs, mut of_channels) = (Mean::default(), vec![0.0f64; channels]);
    let (mut samples, taps) = (0, depth / channels);
    for output in (0..outputs).step_by(outputs.div_ceil(SAMPLES).max(1)) {
        weights.read(output * depth, &mut row);
        let greatest = f64::from(row.iter().fold(0f32, |greatest, w| greatest.max(w.abs())));
        // An output whose weights are all 0 has no small ones.
        if greatest == 0.0 {
            continue;
        }
        samples += 1;
        let mut all = 0.0;
        for (channel, sum) in row.chunks(taps.max(1)).zip(&mut of_channels) {
            let squares: f64 = channel.iter().map(|&w| (f64::from(w) / greatest).powi(2)).sum();
            *sum += squares;
            all += squares;
        }
        of_outputs.add(depth as f64 / all);
    }
    // Neither has a channel whose weights are all 0.
    let live = of_channels.iter().filter(|&&sum| sum > 0.0 && samples * taps >= FEWEST);
    let of_channels = live.fold(Mean::default(), |mut mean, sum| {
        mean.add((samples * taps) as f64 / sum);
        mean
    });
    [of_outputs, of_channels].iter().all(|mean| mean.is_at_most(MOST * MOST))
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, term: f64) {
        self.sum += term;
        self.count += 1;
    }

    /// That of no terms is.
    fn is_at_most(self, most: f64) -> bool {
        self.sum <= most * f64::from(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(identity: f32) -> Tensor {
        let value = |i: usize| ((i * 7919) % 201) as f32 / 100.0 - 1.0;
        let mut data: Vec<f32> = (0..64 * 64 * 9).map(value).collect();
        (0..64).for_each(|i| data[(i * 64 + i) * 9 + 4] += identity);
        Tensor::new([64, 64, 3, 3], data).expect("as many as the shape has")
    }

    #[test]
    fn a_merged_identity_is_not_even() {
        assert!(is_even(&weights(0.0)) && is_even(&weights(3.0)) && !is_even(&weights(40.0)));
        assert!(is_even(&Tensor::new([1, 1, 1, 1], vec![0.0]).expect("one")));
    }

    #[test]
    fn channels_of_small_weights_are_not_even() {
        let scaled = |range: f32| {
            let value = |i: usize| ((i * 7919) % 201) as f32 / 100.0 - 1.0;
            let scale = |i: usize| range.powf((i / 9 % 16) as f32 / 15.0);
            let data: Vec<f32> = (0..16 * 16 * 9).map(|i| value(i) * scale(i)).collect();
            Tensor::new([16, 16, 3, 3], data).expect("as many as the shape has")
        };
        assert!(is_even(&scaled(1.0)) && is_even(&scaled(10.0)) && is_even(&scaled(0.0)));
        assert!(!is_even(&scaled(1e2)) && !is_even(&scaled(1e-4)) && !is_even(&scaled(1e-6)));
    }
}
