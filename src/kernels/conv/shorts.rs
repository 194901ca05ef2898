//! Weights as 16-bit integers, in units of a scale that each output has.
//!
//! Half of the bytes are packed, and half of them are read in every run. A kernel loads the integers
//! of a vector, converts them to floats, and multiplies the sum of an output with its scale at the
//! end. That is done again for each tile, so it pays where few tiles read a panel.
//!
//! Let `W` be the abs-max of an output's weights. The scale is `W / 32766`. A weight is rounded after
//! the rounding errors of all weights before it were added to it, so it changes by at most one
//! unit, and the sum of any consecutive weights by at most one unit, too: where values have
//! a mean, as after a ReLU, that of their products hardly changes. So an output changes by at most
//! `W / 32766` times the sum of the magnitudes of all values that it sees, and by far less if
//! rounding errors are random. A float of 16 bits has the same size, but 11 bits of precision, which
//! is not enough: in ResNets its error is ten times as large.
//!
//! An output with a weight that is not finite is NaN. The sum is in units of the scale, so values
//! above 2^100 may overflow it.

use resnetc_ir::Tensor;
use resnetc_ir::op::Conv;

use crate::codegen::vir::{Arith, Builder, Mem, V};
use crate::kernels::geometry::F32;
use crate::kernels::precision::Precision;
use crate::kernels::sink::Machine;
use crate::kernels::spread::is_even;

/// How the weights of a panel are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// As floats.
    Floats,
    /// As 16-bit integers. The outputs' scales follow the biases in the panel.
    Shorts,
}

/// The integer that the abs-max of an output becomes: the largest, with a margin for the errors that
/// are added.
const GREATEST: f32 = 32766.0;

/// The smallest abs-max that determines a scale, `2^-100`: smaller ones use its scale, so that its
/// inverse is finite.
const LEAST: f32 = f32::from_bits((127 - 100) << 23);

/// The maximum number of pixels of an image whose layers have 16-bit weights: larger ones have few
/// weights, and would convert each of them many times.
const MOST_PIXELS: usize = 256;

impl Stored {
    /// The choice for weights that serve `pixels` outputs of an image. It does not depend on the
    /// number of images, because it affects rounding.
    pub(in crate::kernels) fn of<'a>(
        machine: &Machine,
        pixels: usize,
        weights: impl IntoIterator<Item = &'a Tensor>,
    ) -> Self {
        let fits = machine.precision == Precision::Half && pixels <= MOST_PIXELS;
        match fits && weights.into_iter().all(is_even) {
            true => Stored::Shorts,
            false => Stored::Floats,
        }
    }

    /// The choice for a convolution with this result: floats where groups leave few channels to a
    /// weight.
    pub(super) fn of_conv<'a>(
        conv: &Conv,
        machine: &Machine,
        [_, _, rows, columns]: [usize; 4],
        weights: impl IntoIterator<Item = &'a Tensor>,
    ) -> Self {
        match conv.groups {
            1 => Stored::of(machine, rows * columns, weights),
            _ => Stored::Floats,
        }
    }

    /// Bytes of a weight.
    pub fn bytes(self) -> i64 {
        match self {
            Stored::Floats => F32,
            Stored::Shorts => 2,
        }
    }

    /// Bytes before the weights of a panel of `lanes` outputs that begins with their biases.
    pub(in crate::kernels) fn head_bytes(self, lanes: usize) -> i64 {
        let head = match self {
            Stored::Floats => lanes,
            Stored::Shorts => 2 * lanes,
        };
        head as i64 * F32
    }

    /// Loads weights; in units of their outputs' scales.
    pub(in crate::kernels) fn load(self, b: &mut Builder, dst: V, src: Mem) {
        match self {
            Stored::Floats => b.load(dst, src),
            Stored::Shorts => {
                b.load_shorts(dst, src);
                b.from_integer(dst, dst);
            }
        }
    }
}

/// Turns sums in units of the scales into results: multiplies them and adds the biases. `head[v]` is
/// where the scales and the biases of vector `v` of each pixel are.
pub(super) fn scale(b: &mut Builder, acc: &[Vec<V>], head: &[[Mem; 2]]) {
    let constant = b.vector();
    for (v, &[scale, bias]) in head.iter().enumerate() {
        for (op, place) in [(Arith::Mul, scale), (Arith::Add, bias)] {
            b.load(constant, place);
            acc.iter().for_each(|pixel| b.arith(op, pixel[v], pixel[v], constant));
        }
    }
    b.release([constant]);
}

/// Writes a panel of `lanes` outputs, biases and then weights step by step, as biases, scales and
/// 16-bit weights.
pub(in crate::kernels) fn write_panel(panel: &[f32], lanes: usize, out: &mut [u8]) {
    let (biases, weights) = panel.split_at(lanes);
    let (head, steps) = out.split_at_mut(2 * lanes * size_of::<f32>());
    let mut abs_max = vec![0.0f32; lanes];
    for step in weights.chunks_exact(lanes) {
        // A NaN stays.
        let larger = |most: f32, w: f32| if w <= most || most.is_nan() { most } else { w };
        abs_max.iter_mut().zip(step).for_each(|(most, w)| *most = larger(*most, w.abs()));
    }
    let scale = |most: &f32| match most.is_finite() {
        true => most.max(LEAST) / GREATEST,
        false => f32::NAN,
    };
    let values = biases.iter().copied().chain(abs_max.iter().map(scale));
    head.as_chunks_mut().0.iter_mut().zip(values).for_each(|(to, x)| *to = x.to_le_bytes());
    let inverse: Vec<f32> = abs_max.iter().map(|most| GREATEST / most.max(LEAST)).collect();
    let mut errors = vec![0.0f32; lanes];
    let rows = steps.chunks_exact_mut(2 * lanes).zip(weights.chunks_exact(lanes));
    for (out, weights) in rows {
        let lanes = out.as_chunks_mut().0.iter_mut().zip(weights).zip(&inverse).zip(&mut errors);
        for (((out, weight), inverse), error) in lanes {
            let exact = weight * inverse + *error;
            let nearest = exact.round_ties_even();
            *error = exact - nearest;
            *out = (nearest as i16).to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LANES: usize = 4;

    /// The weights that a panel without biases has after it was written.
    fn written(weights: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let panel = [&[0.0; LANES], weights].concat();
        let mut out = vec![0; 8 * LANES + 2 * weights.len()];
        write_panel(&panel, LANES, &mut out);
        let (head, steps) = out.split_at(8 * LANES);
        let scales = head[4 * LANES..].as_chunks().0.iter().map(|s| f32::from_le_bytes(*s).into());
        let scales: Vec<f64> = scales.collect();
        let shorts = steps.as_chunks().0.iter().map(|s| f64::from(i16::from_le_bytes(*s)));
        let values = shorts.zip(scales.iter().cycle()).map(|(q, scale)| q * scale).collect();
        (values, scales)
    }

    proptest! {
        /// Neither a weight nor the sum of consecutive weights changes by more than a unit, and a
        /// little for the rounding of what is rounded.
        #[test]
        fn errors_are_at_most_a_unit(
            weights in prop::collection::vec(-1.0f32..1.0, LANES..40 * LANES),
            size in -20i32..20,
        ) {
            let count = weights.len() / LANES * LANES;
            let weights: Vec<f32> = weights[..count].iter().map(|w| w * 2f32.powi(size)).collect();
            let (found, scales) = written(&weights);
            for (lane, scale) in scales.into_iter().enumerate() {
                let own = weights.iter().skip(lane).step_by(LANES);
                let most = own.fold(0f32, |most, w| most.max(w.abs()));
                let unit = f64::from(most.max(LEAST)) / 32766.0;
                prop_assert!((scale / unit - 1.0).abs() < 1e-6, "{scale} for {most}");
                let errors = found.iter().zip(&weights).map(|(q, &w)| q - f64::from(w));
                let errors: Vec<f64> = errors.skip(lane).step_by(LANES).collect();
                for first in 0..errors.len() {
                    let mut sum = 0.0;
                    for (i, error) in errors[first..].iter().enumerate() {
                        sum += error;
                        let most = (1.0 + (i + 1) as f64 / 256.0) * scale;
                        prop_assert!(sum.abs() <= most, "{sum} of units of {scale}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_no_scale_of_its_own() {
        let (found, scales) = written(&[0.0, 1e-38, f32::INFINITY, f32::NAN]);
        assert!(found[..2].iter().all(|&w| w == 0.0) && found[2..].iter().all(|w| w.is_nan()));
        assert!(scales[0] > 0.0 && scales[0] == scales[1]);
        let (found, _) = written(&[1.0, 1.0, 0.0, 1.0, f32::NAN, -3.0, 0.0, f32::NEG_INFINITY]);
        assert!(found[0].is_nan() && found[3].is_nan() && (found[5] + 3.0).abs() < 1e-6);
    }
}
