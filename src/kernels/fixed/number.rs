//! Fixed-point numbers: an integer of two or three signed bytes, its *digits*, times a scale that
//! many numbers share.
//!
//! The scale is chosen so that the abs-max of the numbers that share it becomes nearly the largest
//! integer.

use crate::codegen::vir::{Arith, Builder, Integer, V};
use crate::kernels::conv::SIGNS;
use crate::kernels::precision::Precision;

/// How many digits a number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// Two digits.
    Two,
    /// Three digits.
    Three,
}

/// How many digits the numbers of a layer have. Values keep three in any precision: all of an image
/// share a scale, so two would leave too few for those of trained networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) values: Width,
    pub(super) weights: Width,
}

/// The maximum number of digits.
pub(super) const MOST_DIGITS: usize = 3;

/// Bits of a digit.
pub(super) const DIGIT_BITS: u32 = 8;

/// The smallest abs-max that determines the scale, `2^-100`: smaller ones use its scale, so that
/// all inverse scales are finite.
const LEAST: f32 = f32::from_bits((127 - 100) << 23);

impl Format {
    /// The format for a precision.
    pub(super) fn of(precision: Precision) -> Self {
        let weights = match precision {
            Precision::Full => Width::Three,
            Precision::Half => Width::Two,
        };
        Format { values: Width::Three, weights }
    }

    /// The weight of the product of two high digits, in units of both factors.
    pub(super) fn product(self) -> f32 {
        let lower = self.values.digits() + self.weights.digits() - 2;
        (1u64 << (lower as u32 * DIGIT_BITS)) as f32
    }
}

impl Width {
    /// Number of digits, the high one first.
    pub(super) fn digits(self) -> usize {
        match self {
            Width::Two => 2,
            Width::Three => 3,
        }
    }

    /// Added to an integer, makes each of its bytes a digit plus 128.
    pub(super) fn bias(self) -> u32 {
        match self {
            Width::Two => 0x8080,
            Width::Three => 0x0080_8080,
        }
    }

    /// The smallest magnitude of an integer whose high digit is not 0.
    pub(super) fn high(self) -> u32 {
        match self {
            Width::Two => 0x80,
            Width::Three => 0x7f80,
        }
    }

    /// The integer that the abs-max becomes. Digits hold slightly more, `0x7f7f` or `0x7f7f7f`, which
    /// leaves a margin for rounding.
    pub(super) fn greatest(self) -> f32 {
        match self {
            Width::Two => 32_630.0,
            Width::Three => 8_355_000.0,
        }
    }
}

/// The scale of numbers, which is the unit of their integers, and its inverse, by which they are
/// multiplied to become integers. The scale is NaN if a number is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantization<T> {
    pub(super) inverse_scale: T,
    pub(super) scale: T,
}

impl Quantization<f32> {
    /// The scales for the bits of an abs-max.
    pub(super) fn of(abs_max: u32, width: Width) -> Self {
        let abs_max = f32::from_bits(abs_max.max(LEAST.to_bits()));
        let greatest = width.greatest();
        let scale = if abs_max.is_finite() { abs_max / greatest } else { f32::NAN };
        Quantization { inverse_scale: greatest / abs_max, scale }
    }

    /// The digits of a number, the high one first. Only 0 becomes 0 (denormals count as 0), so that
    /// the product with an infinity is an infinity with the right sign.
    pub(super) fn digits(self, x: f32, width: Width) -> impl Iterator<Item = u8> {
        let scaled = x * self.inverse_scale;
        let nearest = match (scaled + 0.5f32.copysign(scaled)) as i32 {
            0 if x.is_normal() => x.signum() as i32,
            nearest => nearest,
        };
        let bytes = ((nearest as u32).wrapping_add(width.bias()) ^ SIGNS).to_le_bytes();
        bytes.into_iter().take(width.digits()).rev()
    }
}

impl Quantization<V> {
    /// Computes the same in each lane of vectors; overwrites `abs_max`.
    pub(super) fn emit(b: &mut Builder, abs_max: V, width: Width) -> Self {
        let [inverse_scale, scale, constant] = [b.vector(), b.vector(), b.vector()];
        // As integers, NaN is above infinity, and infinity above all other values.
        b.constant(constant, LEAST);
        b.integer(Integer::Max, abs_max, abs_max, constant);
        b.constant(constant, width.greatest());
        b.arith(Arith::Div, inverse_scale, constant, abs_max);
        b.arith(Arith::Div, scale, abs_max, constant);
        // Infinity becomes NaN.
        b.arith(Arith::Sub, constant, scale, scale);
        b.arith(Arith::Add, scale, scale, constant);
        b.release([constant]);
        Quantization { inverse_scale, scale }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::epilogue::MAGNITUDE;

    const WIDTHS: [Width; 2] = [Width::Two, Width::Three];

    fn digits(quantization: Quantization<f32>, x: f32, width: Width) -> Vec<i8> {
        quantization.digits(x, width).map(|d| d as i8).collect()
    }

    fn value(quantization: Quantization<f32>, x: f32, width: Width) -> f64 {
        let digits = digits(quantization, x, width);
        let integer = digits.iter().fold(0.0, |sum, &digit| sum * 256.0 + f64::from(digit));
        integer * f64::from(quantization.scale)
    }

    proptest! {
        /// Half a unit for the nearest integer, half a unit for the product's rounding, and one
        /// because the scale and its inverse are not exactly each other's inverses. Units of two
        /// digits are 256 times as large, and all but the first are as many times smaller.
        #[test]
        fn digits_hold_every_number(a in any::<u32>(), b in any::<u32>()) {
            let [a, b] = [a, b].map(|bits| f32::from_bits(bits & MAGNITUDE));
            let (abs_max, other) = if a > b { (a, b) } else { (b, a) };
            prop_assume!(abs_max < 1e38 && abs_max > 1e-30 && !other.is_nan());
            for width in WIDTHS {
                let most = if width == Width::Two { 0.5 + 1.5 / 256.0 } else { 2.0 };
                let quantization = Quantization::of(abs_max.to_bits(), width);
                let most = most * f64::from(quantization.scale);
                for x in [abs_max, other, -other, -abs_max, 0.0] {
                    // Only 0 becomes 0.
                    let least = if x.abs() < quantization.scale { f64::from(x.abs()).max(most) } else { 0.0 };
                    let error = (value(quantization, x, width) - f64::from(x)).abs();
                    let is_small = least > 0.0 && error <= f64::from(quantization.scale);
                    prop_assert!(error <= most || is_small, "{x}: error {error}");
                }
            }
        }
    }

    #[test]
    fn high_digits_begin_where_they_are_said_to() {
        let quantization = Quantization { inverse_scale: 1.0, scale: 1.0 };
        for width in WIDTHS {
            let high = |x: i32| digits(quantization, x as f32, width)[0];
            let least = width.high() as i32;
            assert!((-least..least).all(|x| high(x) == 0) && high(least) == 1);
            assert!((least..least * 3).all(|x| high(x) != 0));
        }
    }

    #[test]
    fn a_small_number_keeps_its_sign() {
        for width in WIDTHS {
            let quantization = Quantization::of(1f32.to_bits(), width);
            for (x, low) in [(1e-30, 1), (-1e-30, -1), (0.0, 0), (1e-40, 0)] {
                let found = digits(quantization, x, width);
                let (last, others) = found.split_last().expect("digits");
                assert!(*last == low && others.iter().all(|&d| d == 0), "{x}: {found:?}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_no_power() {
        for width in WIDTHS {
            for abs_max in [f32::INFINITY, f32::NAN] {
                assert!(Quantization::of(abs_max.to_bits(), width).scale.is_nan());
            }
            let zero = Quantization::of(0, width);
            assert!(zero.scale > 0.0 && zero.inverse_scale.is_finite());
        }
    }
}
