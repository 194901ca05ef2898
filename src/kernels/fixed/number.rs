//! Numbers with a fixed point: an integer of three signed bytes, its *digits*, times a power of two that many share.
//!
//! The power is chosen so that the greatest magnitude of those that share it is an integer of 23 bits.

use crate::codegen::vir::{Builder, Integer, Shift, V};

/// Digits of a number, the high one first.
pub(super) const DIGITS: usize = 3;

/// Bits of a digit.
pub(super) const DIGIT_BITS: u32 = 8;

/// The power of the greatest magnitude becomes this one.
const POINT: u32 = 22;

/// Added to an integer, makes each of its bytes a digit and 128.
pub(super) const BIAS: u32 = 0x0080_8080;

/// Four digits' signs: takes 128 from each byte of a sum with [`BIAS`].
pub(super) const SIGNS: u32 = 0x8080_8080;

/// Added to a magnitude, takes those to the next power that three digits cannot hold: from `0x7f7f7f` on.
const ROOM: u32 = 0x0001_0101;

/// Bits of an f32 behind its exponent, and the exponent of 1.
const MANTISSA: u32 = 23;
const ONE: u32 = 127;

/// Infinity's bits. Those of all finite magnitudes are smaller integers, those of NaN greater ones.
const INFINITY: u32 = 0x7f80_0000;

/// All bits but the sign.
pub(super) const MAGNITUDE: u32 = 0x7fff_ffff;

/// The least exponent, so that the scale is finite.
const LEAST: u32 = ONE + POINT - (254 - ONE);

/// A scale is the power of two whose exponent is this, less that of the greatest magnitude.
const SCALES: u32 = 2 * ONE + POINT;

/// The weight of a unit of the product of two numbers, by their powers: both points' places, less the two digits by
/// which the products of the high digits are shifted.
pub(super) const PRODUCT: f32 = 1.0 / (1u64 << (2 * POINT - 4 * DIGIT_BITS)) as f32;

/// What numbers are multiplied by to be integers, and their power: what an integer of `2^22` stands for. That is NaN if one
/// of them is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range<T> {
    pub(super) scale: T,
    pub(super) power: T,
}

impl Range<f32> {
    /// By the greatest magnitude's bits.
    pub(super) fn of(greatest: u32) -> Self {
        let exponent = ((greatest.min(INFINITY) + ROOM) >> MANTISSA).max(LEAST);
        let power = f32::from_bits(exponent << MANTISSA);
        let scale = f32::from_bits((SCALES - exponent) << MANTISSA);
        Range { scale, power: if power.is_finite() { power } else { f32::NAN } }
    }

    /// The digits of a number, the high one first.
    pub(super) fn digits(self, x: f32) -> [u8; DIGITS] {
        let scaled = x * self.scale;
        let nearest = (scaled + 0.5f32.copysign(scaled)) as i32;
        let [low, middle, high, _] = ((nearest as u32).wrapping_add(BIAS) ^ SIGNS).to_le_bytes();
        [high, middle, low]
    }
}

impl Range<V> {
    /// The same in each lane of vectors; `greatest` is lost.
    pub(super) fn emit(b: &mut Builder, greatest: V) -> Self {
        let [scale, power, constant] = [b.vector(), b.vector(), b.vector()];
        let by = |b: &mut Builder, op: Integer, bits: u32| {
            b.bits(constant, bits);
            b.integer(op, greatest, greatest, constant);
        };
        by(b, Integer::Min, INFINITY);
        by(b, Integer::Add, ROOM);
        b.shift(Shift::Right, greatest, greatest, MANTISSA as u8);
        b.bits(constant, LEAST);
        b.integer(Integer::Max, greatest, greatest, constant);
        b.bits(constant, SCALES);
        b.integer(Integer::Sub, scale, constant, greatest);
        b.shift(Shift::Left, scale, scale, MANTISSA as u8);
        b.shift(Shift::Left, power, greatest, MANTISSA as u8);
        b.arith(crate::codegen::vir::Arith::Sub, constant, power, power);
        b.arith(crate::codegen::vir::Arith::Add, power, power, constant);
        b.release([constant]);
        Range { scale, power }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(range: Range<f32>, x: f32) -> f64 {
        let digits = range.digits(x).map(|d| f64::from(d as i8));
        let integer = digits.iter().fold(0.0, |sum, digit| sum * 256.0 + digit);
        integer / f64::from(range.scale)
    }

    proptest! {
        /// Half a unit, which is `2^-22` of the power, and the power is not above the greatest magnitude by more than
        /// what three digits leave no room for.
        #[test]
        fn three_digits_hold_every_number(a in any::<u32>(), b in any::<u32>()) {
            let [a, b] = [a, b].map(|bits| f32::from_bits(bits & MAGNITUDE));
            let (greatest, other) = if a > b { (a, b) } else { (b, a) };
            prop_assume!(greatest < 1e38 && greatest > 1e-30 && !other.is_nan());
            let range = Range::of(greatest.to_bits());
            prop_assert!(range.power <= greatest * (256.0 / 255.0) && range.power > greatest * 0.499);
            for x in [greatest, other, -other, -greatest, 0.0] {
                let error = (value(range, x) - f64::from(x)).abs();
                prop_assert!(error <= f64::from(range.power) * 0.5f64.powi(23), "{x} is off by {error}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_no_power() {
        for greatest in [f32::INFINITY, f32::NAN] {
            assert!(Range::of(greatest.to_bits()).power.is_nan());
        }
        assert!(Range::of(0).power > 0.0 && Range::of(0).scale.is_finite());
    }
}
