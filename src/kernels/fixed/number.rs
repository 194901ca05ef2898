//! Numbers with a fixed point: an integer of three signed bytes, its *digits*, times a unit that many numbers share.
//!
//! The unit is chosen so that the greatest magnitude of those that share it is nearly the greatest integer.

use crate::codegen::vir::{Arith, Builder, Integer, V};

/// Digits of a number, the high one first.
pub(super) const DIGITS: usize = 3;

/// Bits of a digit.
pub(super) const DIGIT_BITS: u32 = 8;

/// Added to an integer, makes each of its bytes a digit and 128.
pub(super) const BIAS: u32 = 0x0080_8080;

/// Four digits' signs: takes 128 from each byte of a sum with [`BIAS`].
pub(super) const SIGNS: u32 = 0x8080_8080;

/// The least magnitude of an integer whose high digit is not 0.
pub(super) const HIGH: u32 = 0x7f80;

/// The integer that the greatest magnitude becomes. Three digits hold a little more, `0x7f7f7f`: room for rounding.
const GREATEST: f32 = 8_355_000.0;

/// The least magnitude that has a unit of its own, so that all scales are finite: `2^-100`.
const LEAST: f32 = f32::from_bits((127 - 100) << 23);

/// The weight of the product of two high digits in units of both.
pub(super) const PRODUCT: f32 = (1u64 << (4 * DIGIT_BITS)) as f32;

/// What numbers are multiplied by to be integers, and the unit of these. The unit is NaN if a number is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range<T> {
    pub(super) scale: T,
    pub(super) unit: T,
}

impl Range<f32> {
    /// By the greatest magnitude's bits.
    pub(super) fn of(greatest: u32) -> Self {
        let greatest = f32::from_bits(greatest.max(LEAST.to_bits()));
        let unit = if greatest.is_finite() { greatest / GREATEST } else { f32::NAN };
        Range { scale: GREATEST / greatest, unit }
    }

    /// The digits of a number, the high one first. Only 0, as which denormals count, becomes 0, so that the product with
    /// an infinity has the right sign and is one.
    pub(super) fn digits(self, x: f32) -> [u8; DIGITS] {
        let scaled = x * self.scale;
        let nearest = match (scaled + 0.5f32.copysign(scaled)) as i32 {
            0 if x.is_normal() => x.signum() as i32,
            nearest => nearest,
        };
        let [low, middle, high, _] = ((nearest as u32).wrapping_add(BIAS) ^ SIGNS).to_le_bytes();
        [high, middle, low]
    }
}

impl Range<V> {
    /// The same in each lane of vectors; `greatest` is lost.
    pub(super) fn emit(b: &mut Builder, greatest: V) -> Self {
        let [scale, unit, constant] = [b.vector(), b.vector(), b.vector()];
        // As integers, NaN is above infinity and that above all others.
        b.constant(constant, LEAST);
        b.integer(Integer::Max, greatest, greatest, constant);
        b.constant(constant, GREATEST);
        b.arith(Arith::Div, scale, constant, greatest);
        b.arith(Arith::Div, unit, greatest, constant);
        // Infinity becomes NaN.
        b.arith(Arith::Sub, constant, unit, unit);
        b.arith(Arith::Add, unit, unit, constant);
        b.release([constant]);
        Range { scale, unit }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::epilogue::MAGNITUDE;

    fn value(range: Range<f32>, x: f32) -> f64 {
        let digits = range.digits(x).map(|d| f64::from(d as i8));
        let integer = digits.iter().fold(0.0, |sum, digit| sum * 256.0 + digit);
        integer * f64::from(range.unit)
    }

    proptest! {
        /// Half a unit for the nearest integer, half a one for the product's rounding, and one for what scale and unit are
        /// away from each other's inverse.
        #[test]
        fn three_digits_hold_every_number(a in any::<u32>(), b in any::<u32>()) {
            let [a, b] = [a, b].map(|bits| f32::from_bits(bits & MAGNITUDE));
            let (greatest, other) = if a > b { (a, b) } else { (b, a) };
            prop_assume!(greatest < 1e38 && greatest > 1e-30 && !other.is_nan());
            let range = Range::of(greatest.to_bits());
            for x in [greatest, other, -other, -greatest, 0.0] {
                let error = (value(range, x) - f64::from(x)).abs();
                prop_assert!(error <= 2.0 * f64::from(range.unit), "{x} is off by {error}");
            }
        }
    }

    #[test]
    fn high_digits_begin_where_they_are_said_to() {
        let range = Range { scale: 1.0, unit: 1.0 };
        let high = |x: i32| range.digits(x as f32)[0];
        let least = HIGH as i32;
        assert!((-least..least).all(|x| high(x) == 0) && high(least) == 1);
        assert!((least..least * 3).all(|x| high(x) != 0));
    }

    #[test]
    fn a_small_number_keeps_its_sign() {
        let range = Range::of(1f32.to_bits());
        for (x, digits) in
            [(1e-30, [0, 0, 1]), (-1e-30, [0, 0, 0xff]), (0.0, [0; 3]), (1e-40, [0; 3])]
        {
            assert_eq!(range.digits(x), digits, "{x}");
        }
    }

    #[test]
    fn what_is_not_finite_has_no_power() {
        for greatest in [f32::INFINITY, f32::NAN] {
            assert!(Range::of(greatest.to_bits()).unit.is_nan());
        }
        assert!(Range::of(0).unit > 0.0 && Range::of(0).scale.is_finite());
    }
}
