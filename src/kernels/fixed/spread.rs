//! Which weights can share a scale.
//!
//! What is left out of a product is a part of the greatest weight, not of the one that is
//! multiplied. So an output whose weights are mostly far smaller than the greatest is not as exact
//! as with floats: such are kernels that an identity was merged into (RepVGG). Of trained and of
//! random kernels the greatest is three to six times the root of the mean square.

use resnetc_ir::Tensor;

/// The most by which the greatest weight of an output may exceed the root of the mean square of
/// all: about five times what is common, and so is then what a layer adds to the error.
const MOST: f64 = 16.0;

/// Outputs that are looked at, at most.
const SAMPLES: usize = 32;

/// Whether the weights `[K, C, R, S]` of outputs, on the average, are not too far from the greatest
/// of them.
pub(super) fn is_even(weights: &Tensor) -> bool {
    let outputs = weights.shape().first().copied().unwrap_or(0);
    let depth = weights.elements().checked_div(outputs).unwrap_or(0);
    let mut row = vec![0.0; depth];
    let (mut sum, mut count) = (0.0, 0u32);
    for output in (0..outputs).step_by(outputs.div_ceil(SAMPLES).max(1)) {
        weights.read(output * depth, &mut row);
        let squares: f64 = row.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        let greatest = row.iter().fold(0f32, |greatest, w| greatest.max(w.abs()));
        // An output without weights has none that is small.
        if squares > 0.0 {
            sum += f64::from(greatest).powi(2) * depth as f64 / squares;
            count += 1;
        }
    }
    sum <= MOST * MOST * f64::from(count)
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
}
