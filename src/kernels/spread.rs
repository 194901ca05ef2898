//! Which weights can share a scale.
//!
//! The error of a product is relative to the largest weight, not to the weight that is multiplied.
//! So an output most of whose weights are far smaller than the largest is less exact than with
//! floats. This happens in kernels into which an identity was merged (RepVGG). In trained and in
//! random kernels the largest weight is three to six times the root mean square.

use resnetc_ir::Tensor;

/// The maximum ratio of the largest weight of an output to the root mean square of all: about five
/// times the usual ratio, so such a layer also adds about five times the usual error.
const MOST: f64 = 16.0;

/// The maximum number of outputs that are examined.
const SAMPLES: usize = 32;

/// Whether, on average over the outputs, the largest of the weights `[K, C, R, S]` does not exceed
/// the others too much.
pub(in crate::kernels) fn is_even(weights: &Tensor) -> bool {
    let outputs = weights.shape().first().copied().unwrap_or(0);
    let depth = weights.elements().checked_div(outputs).unwrap_or(0);
    let mut row = vec![0.0; depth];
    let (mut sum, mut count) = (0.0, 0u32);
    for output in (0..outputs).step_by(outputs.div_ceil(SAMPLES).max(1)) {
        weights.read(output * depth, &mut row);
        let squares: f64 = row.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        let greatest = row.iter().fold(0f32, |greatest, w| greatest.max(w.abs()));
        // An output whose weights are all 0 has no small ones.
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
