//! Fixed-point numbers: an integer of three signed bytes, its *digits*, times a scale that many
//! numbers share.
//!
//! The scale is chosen so that the abs-max of the numbers that share it becomes nearly the largest
//! integer.

use crate::codegen::vir::{Arith, Builder, Integer, V};

/// Digits of a number, the high one first.
pub(super) const DIGITS: usize = 3;

/// Bits of a digit.
pub(super) const DIGIT_BITS: u32 = 8;

/// Added to an integer, makes each of its bytes a digit plus 128.
pub(super) const BIAS: u32 = 0x0080_8080;

/// The sign bits of four digits: by xor, subtracts 128 from each byte of a sum with [`BIAS`].
pub(super) const SIGNS: u32 = 0x8080_8080;

/// The smallest magnitude of an integer whose high digit is not 0.
pub(super) const HIGH: u32 = 0x7f80;

/// The integer that the abs-max becomes. Three digits hold slightly more, `0x7f7f7f`, which leaves
/// a margin for rounding.
const GREATEST: f32 = 8_355_000.0;

/// The smallest abs-max that determines the scale, `2^-100`: smaller ones use its scale, so that
/// all inverse scales are finite.
const LEAST: f32 = f32::from_bits((127 - 100) << 23);

/// The weight of the product of two high digits, in units of both factors.
pub(super) const PRODUCT: f32 = (1u64 << (4 * DIGIT_BITS)) as f32;

/// The scale of numbers, which is the unit of their integers, and its inverse, by which they are
/// multiplied to become integers. The scale is NaN if a number is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantization<T> {
    pub(super) inverse_scale: T,
    pub(super) scale: T,
}

impl Quantization<f32> {
    /// The scales for the bits of an abs-max.
    pub(super) fn of(abs_max: u32) -> Self {
        let abs_max = f32::from_bits(abs_max.max(LEAST.to_bits()));
        let scale = if abs_max.is_finite() { abs_max / GREATEST } else { f32::NAN };
        Quantization { inverse_scale: GREATEST / abs_max, scale }
    }

    /// The digits of a number, the high one first. Only 0 becomes 0 (denormals count as 0), so that
    /// the product with an infinity is an infinity with the right sign.
    pub(super) fn digits(self, x: f32) -> [u8; DIGITS] {
        let scaled = x * self.inverse_scale;
        let nearest = match (scaled + 0.5f32.copysign(scaled)) as i32 {
            0 if x.is_normal() => x.signum() as i32,
            nearest => nearest,
        };
        let [low, middle, high, _] = ((nearest as u32).wrapping_add(BIAS) ^ SIGNS).to_le_bytes();
        [high, middle, low]
    }
}

impl Quantization<V> {
    /// Computes the same in each lane of vectors; overwrites `abs_max`.
    pub(super) fn emit(b: &mut Builder, abs_max: V) -> Self {
        let [inverse_scale, scale, constant] = [b.vector(), b.vector(), b.vector()];
        // As integers, NaN is above infinity, and infinity above all other values.
        b.constant(constant, LEAST);
        b.integer(Integer::Max, abs_max, abs_max, constant);
        b.constant(constant, GREATEST);
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

    fn value(quantization: Quantization<f32>, x: f32) -> f64 {
        let digits = quantization.digits(x).map(|d| f64::from(d as i8));
        let integer = digits.iter().fold(0.0, |sum, digit| sum * 256.0 + digit);
        integer * f64::from(quantization.scale)
    }

    proptest! {
        /// Half a unit for the nearest integer, half a unit for the product's rounding, and one
        /// because the scale and its inverse are not exactly each other's inverses.
        #[test]
        fn three_digits_hold_every_number(a in any::<u32>(), b in any::<u32>()) {
            let [a, b] = [a, b].map(|bits| f32::from_bits(bits & MAGNITUDE));
            let (abs_max, other) = if a > b { (a, b) } else { (b, a) };
            prop_assume!(abs_max < 1e38 && abs_max > 1e-30 && !other.is_nan());
            let quantization = Quantization::of(abs_max.to_bits());
            for x in [abs_max, other, -other, -abs_max, 0.0] {
                let error = (value(quantization, x) - f64::from(x)).abs();
                prop_assert!(error <= 2.0 * f64::from(quantization.scale), "{x}: error {error}");
            }
        }
    }

    #[test]
    fn high_digits_begin_where_they_are_said_to() {
        let quantization = Quantization { inverse_scale: 1.0, scale: 1.0 };
        let high = |x: i32| quantization.digits(x as f32)[0];
        let least = HIGH as i32;
        assert!((-least..least).all(|x| high(x) == 0) && high(least) == 1);
        assert!((least..least * 3).all(|x| high(x) != 0));
    }

    #[test]
    fn a_small_number_keeps_its_sign() {
        let quantization = Quantization::of(1f32.to_bits());
        for (x, digits) in
            [(1e-30, [0, 0, 1]), (-1e-30, [0, 0, 0xff]), (0.0, [0; 3]), (1e-40, [0; 3])]
        {
            assert_eq!(quantization.digits(x), digits, "{x}");
        }
    }

    #[test]
    fn what_is_not_finite_has_no_power() {
        for abs_max in [f32::INFINITY, f32::NAN] {
            assert!(Quantization::of(abs_max.to_bits()).scale.is_nan());
        }
        assert!(Quantization::of(0).scale > 0.0 && Quantization::of(0).inverse_scale.is_finite());
    }
}
