//! Scales and zero points, and constants in steps of them.
//!
//! Source of the scheme: Jacob et al., "Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference", 2017, section 2.1; with symmetric weights that have a scale
//! for each output.

use std::sync::Arc;

use resnetc_ir::memory::{NoMemory, collected};
use resnetc_ir::{Element, Tensor};

use crate::export::onnx::Encoding;

/// The smallest scale: the product of two is normal.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64 * (1u64 << 63) as f64;

/// How bytes stand for the elements of a value: `q` for `(q - zero) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bytes {
    pub(super) scale: f32,
    pub(super) zero: u8,
}

impl Bytes {
    /// The bytes that cover a range, which includes 0; 0 has a byte of its own.
    pub(super) fn covering([lo, hi]: [f64; 2]) -> Self {
        let most = f64::from(u8::MAX);
        let range = if hi > lo { hi - lo } else { 1.0 };
        let scale = (range / most).max(SMALLEST) as f32;
        let zero = (-lo / f64::from(scale)).round().clamp(0.0, most) as u8;
        Bytes { scale, zero }
    }

    pub(super) fn encoding(self) -> Encoding {
        Encoding::Bytes { scale: self.scale, zero: self.zero }
    }
}

/// A weight has magnitudes up to this many steps.
const STEPS: f64 = i8::MAX as f64;

/// The sum of an output's products, and its bias, may each have this many steps: together they fit
/// into 32 bits.
const MOST: f64 = (1u32 << 30) as f64;

/// The weights and the bias of a layer as integers.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) weights: Encoding,
    pub(super) bias: Option<Encoding>,
}

/// Why a layer has no integers that stand for its weights and bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its sums may overflow.
    Sums,
    /// The steps of its sums are no normal f32.
    Scales,
}

/// Weights, one row for each output, and the biases of the outputs, for a source of bytes; the
/// reason if there are no such integers.
///
/// # Errors
/// If the system does not have enough memory.
pub(super) fn parameters(
    weights: &Tensor,
    bias: Option<&[f64]>,
    source: Bytes,
) -> Result<Result<Parameters, Unfit>, NoMemory> {
    let outputs = weights.shape().first().copied().unwrap_or(1);
    let data = weights.try_data()?;
    let row = (data.len() / outputs.max(1)).max(1);
    let most = |row: &[f32]| row.iter().fold(0.0f64, |most, w| most.max(f64::from(w.abs())));
    let most: Vec<f64> = data.chunks(row).map(most).collect();
    let largest = match most.iter().copied().fold(0.0, f64::max) {
        0.0 => 1.0,
        largest => largest,
    };
    let unit = f64::from(source.scale);
    let scale = |(k, &most): (usize, &f64)| {
        // The scale of a row that is next to nothing beside others, such as that of an output whose
        // normalization was 0, says nothing; and its bias must not become too many steps.
        let least = largest / f64::from(1u32 << 24);
        let for_bias = bias.map_or(0.0, |bias| bias[k].abs() / (unit * MOST));
        (most.max(least) / STEPS).max(for_bias).max(SMALLEST) as f32
    };
    let scales: Vec<f32> = most.iter().enumerate().map(scale).collect();
    let units = collected(scales.iter().map(|&scale| f64::from(scale) * unit))?;
    if !units.iter().all(|&unit| (unit as f32).is_normal()) {
        return Ok(Err(Unfit::Scales));
    }
    let rows = data.chunks(row).zip(&scales);
    let integers: Vec<i8> =
        collected(rows.flat_map(|(row, &scale)| row.iter().map(move |&w| steps(w, scale))))?;
    let widest = f64::from(source.zero.max(u8::MAX - source.zero));
    let sum = |row: &[i8]| row.iter().map(|&q| f64::from(q).abs()).sum::<f64>() * widest;
    if integers.chunks(row).any(|row| sum(row) >= MOST) {
        return Ok(Err(Unfit::Sums));
    }
    let weights = encoding(weights.shape(), &integers, scales);
    let bias = bias.map(|bias| {
        let steps: Vec<i32> =
            bias.iter().zip(&units).map(|(b, unit)| (b / unit).round_ties_even() as i32).collect();
        encoding(&[outputs], &steps, units.iter().map(|&unit| unit as f32).collect())
    });
    Ok(Ok(Parameters { weights, bias }))
}

/// A weight in steps.
fn steps(weight: f32, scale: f32) -> i8 {
    let steps = f64::from(weight) / f64::from(scale);
    steps.round_ties_even().clamp(-STEPS, STEPS) as i8
}

fn encoding<T: Element>(shape: &[usize], integers: &[T], scales: Vec<f32>) -> Encoding {
    let integers = Tensor::of(shape, integers).unwrap_or_else(|| Tensor::scalar(0.0));
    Encoding::Constant { integers: Arc::new(integers), scales: scales.into() }
}

/// What the integers of a constant stand for.
///
/// # Errors
/// If the system does not have enough memory.
pub(super) fn floats(integers: &Tensor, scales: &[f32]) -> Result<Vec<f32>, NoMemory> {
    let row = (integers.elements() / scales.len().max(1)).max(1);
    let numbers = integers.try_numbers()?;
    collected(numbers.iter().enumerate().map(|(i, &q)| (q * f64::from(scales[i / row])) as f32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn constant(encoding: &Encoding) -> (Vec<f32>, &[f32]) {
        match encoding {
            Encoding::Constant { integers, scales } => (floats(integers, scales).unwrap(), scales),
            Encoding::Bytes { .. } => panic!("a constant"),
        }
    }

    fn magnitude() -> impl Strategy<Value = f32> {
        (-30i32..10).prop_map(|e| (e as f32).exp2())
    }

    proptest! {
        /// Weights and biases are at most half a step off, and 0 stays 0.
        #[test]
        fn constants_are_half_a_step_off(
            rows in prop::collection::vec((magnitude(), prop::collection::vec(-1.0f32..=1.0, 6), -4.0f64..4.0), 1..6),
            range in (0.0f64..100.0, 0.0f64..100.0),
        ) {
            let source = Bytes::covering([-range.0, range.1]);
            let data: Vec<f32> = rows.iter().flat_map(|(m, row, _)| row.iter().map(move |x| m * x)).collect();
            let bias: Vec<f64> = rows.iter().map(|row| row.2).collect();
            let weights = Tensor::new([rows.len(), 6], data.clone()).unwrap();
            let made = parameters(&weights, Some(&bias), source).unwrap().unwrap();
            let (found, scales) = constant(&made.weights);
            for (i, (w, q)) in data.iter().zip(found).enumerate() {
                let half = f64::from(scales[i / 6]) / 2.0 * (1.0 + 1e-6);
                prop_assert!(f64::from((w - q).abs()) <= half, "{w} became {q}");
                prop_assert!(*w != 0.0 || q == 0.0);
            }
            let (found, units) = constant(made.bias.as_ref().unwrap());
            for ((b, q), unit) in bias.iter().zip(found).zip(units) {
                let half = f64::from(*unit) / 2.0 + b.abs() * 1e-6;
                prop_assert!((b - f64::from(q)).abs() <= half, "{b} became {q}");
            }
        }

        /// Every number of a range is at most half a step from a byte, at its ends one.
        #[test]
        fn bytes_cover_their_range(lo in -1e6f64..=0.0, hi in 0.0f64..1e6, at in 0.0f64..=1.0) {
            let Bytes { scale, zero } = Bytes::covering([lo, hi]);
            let (scale, zero) = (f64::from(scale), f64::from(zero));
            let x = lo + at * (hi - lo);
            let q = ((x / scale).round_ties_even() + zero).clamp(0.0, 255.0);
            prop_assert!(((q - zero) * scale - x).abs() <= scale * (1.0 + 1e-4), "{x}: {q}");
        }
    }

    #[test]
    fn what_has_no_range_has_a_scale() {
        for range in [[0.0, 0.0], [0.0, 1e-300], [-f64::from(f32::MAX), f64::from(f32::MAX)]] {
            let bytes = Bytes::covering(range);
            assert!(bytes.scale.is_normal() && bytes.scale > 0.0, "{range:?}");
        }
        let zeros = Tensor::new([2, 3], vec![0.0; 6]).unwrap();
        let source = Bytes::covering([0.0, 1.0]);
        let made = parameters(&zeros, Some(&[1e5, 0.0]), source).unwrap().unwrap();
        let (bias, _) = constant(made.bias.as_ref().unwrap());
        assert!((f64::from(bias[0]) - 1e5).abs() < 1e-3 && bias[1] == 0.0, "{bias:?}");
    }

    #[test]
    fn sums_that_may_overflow_are_unfit() {
        let long = Tensor::new([1, 40_000], vec![1.0; 40_000]).unwrap();
        let source = Bytes::covering([0.0, 1.0]);
        assert_eq!(parameters(&long, None, source).unwrap().unwrap_err(), Unfit::Sums);
        let huge = Tensor::new([1, 1], vec![f32::MAX]).unwrap();
        let source = Bytes::covering([0.0, 1e38]);
        assert_eq!(parameters(&huge, None, source).unwrap().unwrap_err(), Unfit::Scales);
    }
}
