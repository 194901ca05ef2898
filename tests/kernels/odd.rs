//! Non-finite numbers, and zeros of either sign: put among random data, and checked in results.

use resnetc_ir::op::{Binary, Op, Unary};

/// Values that arithmetic treats specially.
pub(crate) const ODD: [f32; 5] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0];

/// Makes some zeros negative, and puts in one special value, a few, or many, depending on the seed.
/// With one seed in four all stay finite. A sum of many values is usually NaN if many of them are
/// special, so the case of a single one shows which results see it.
pub(crate) fn season(data: &mut [f32], seed: u64) {
    let mut dice = Dice(seed | 1);
    for x in data.iter_mut().filter(|x| **x == 0.0) {
        *x = if dice.roll(2) == 0 { 0.0 } else { -0.0 };
    }
    let odd = match seed % 4 {
        0 => 0,
        1 => 1,
        2 => 3,
        _ => data.len() / 4,
    };
    for _ in 0..odd {
        data[dice.roll(data.len())] = ODD[dice.roll(ODD.len())];
    }
}

/// Reproducible random numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % sides
    }
}

/// Whether the sign of a zero is part of what an operator means.
///
/// It is not for sums of several terms: they begin at zero and leave padding out, so it is unknown
/// whether all terms were negative zeros. It is not for maxima and limits: neither ONNX nor IEEE
/// 754 says which of two zeros is greater.
pub(crate) fn keeps_zeros(op: &Op) -> bool {
    match op {
        Op::Unary(Unary::Relu | Unary::Clip { .. }) | Op::Binary(Binary::Max) => false,
        // Zero divided by an inexact sum, or the remainder of terms that cancel each other.
        Op::Unary(Unary::Log | Unary::Exp | Unary::Sigmoid) => false,
        Op::Unary(_) | Op::Binary(_) => true,
        Op::Reorder(_) | Op::Reshape { .. } | Op::Identity | Op::Transpose { .. } => true,
        Op::Slice(_) | Op::Pad { .. } | Op::Concat { .. } => true,
        _ => false,
    }
}

/// Whether a result is the expected one, bit for bit except for the payload of NaN and, with some
/// operators, the sign of zero.
pub(crate) fn is_exact(op: &Op, got: f32, expected: f64) -> bool {
    let expected = expected as f32;
    if expected.is_nan() {
        return got.is_nan();
    }
    got == expected && (!keeps_zeros(op) || got.is_sign_negative() == expected.is_sign_negative())
}

/// Whether a result is within `bound` of the expected one, relative to it, and exact where that is
/// zero or not finite. A denormal may be anything from zero to the smallest normal number, since
/// runs treat denormal numbers as zero.
pub(crate) fn is_near(op: &Op, got: f32, expected: f64, bound: f64) -> bool {
    let least = f64::from(f32::MIN_POSITIVE);
    if expected == 0.0 || !(expected as f32).is_finite() {
        return is_exact(op, got, expected);
    }
    let allowed = if expected.abs() < least { least } else { bound * expected.abs() };
    (f64::from(got) - expected).abs() <= allowed
}
