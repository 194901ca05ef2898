//! What is not a finite number, and zeros of either sign: put among random data, and looked for in
//! results.

use resnetc_ir::op::{Binary, Op, Unary};

/// What arithmetic treats otherwise than other numbers.
pub(crate) const ODD: [f32; 5] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0];

/// Turns some zeros negative; and puts in a single odd value, a few, or many, as the seed will have
/// it. With one seed in four all stay finite. A sum of many values is rarely a number where many
/// are none, so one is the case that tells which results see it.
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
/// It is not for sums of several terms: they begin at zero and leave padding out, so whether all
/// terms were negative zeros is not known. It is not for maxima and limits: neither ONNX nor IEEE
/// 754 says which of two zeros is the greater.
pub(crate) fn keeps_zeros(op: &Op) -> bool {
    match op {
        Op::Unary(Unary::Relu | Unary::Clip { .. }) | Op::Binary(Binary::Max) => false,
        // Zero divided by an inexact sum, or what is left of terms that cancel each other.
        Op::Unary(Unary::Log | Unary::Exp | Unary::Sigmoid) => false,
        Op::Unary(_) | Op::Binary(_) => true,
        Op::Reorder(_) | Op::Reshape { .. } | Op::Identity | Op::Transpose { .. } => true,
        Op::Slice(_) | Op::Pad { .. } | Op::Concat { .. } => true,
        _ => false,
    }
}

/// Whether a result is what it should be, bit for bit but for the payload of NaN and, with some
/// operators, the sign of zero.
pub(crate) fn is_exact(op: &Op, got: f32, expected: f64) -> bool {
    let expected = expected as f32;
    if expected.is_nan() {
        return got.is_nan();
    }
    got == expected && (!keeps_zeros(op) || got.is_sign_negative() == expected.is_sign_negative())
}

/// Whether a result is within `bound` of what it should be, relative to that, and exact where that
/// is not a finite number or zero. What no normal number is, is anything from zero to the least of
/// them, since runs count denormal numbers as zero.
pub(crate) fn is_near(op: &Op, got: f32, expected: f64, bound: f64) -> bool {
    let least = f64::from(f32::MIN_POSITIVE);
    if expected == 0.0 || !(expected as f32).is_finite() {
        return is_exact(op, got, expected);
    }
    let allowed = if expected.abs() < least { least } else { bound * expected.abs() };
    (f64::from(got) - expected).abs() <= allowed
}
