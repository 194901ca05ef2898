//! Converts digits back to weights, for rows that are computed directly: numbers in the order in
//! which [`micro`](crate::kernels::conv::micro) reads them.
//!
//! They are not the original weights, but integers times a scale, exact in f32 except for that
//! product. So the error of a product is two units of the weights; with tiles it is that plus the
//! errors of values and of omitted digits.

use crate::codegen::vir::{Arith, Builder, Count, Integer, OverBudget, Program, Shift, Target};
use crate::kernels::conv::SIGNS;

use super::number::{DIGIT_BITS, Format};

/// A loop over weights: the number of iterations, and the bytes from one to the next in the panel
/// of digits and in the panel of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) count: usize,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Weights of a panel that are in the same byte of their lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Which byte.
    pub(super) byte: u8,
    /// Offset of the first weight in the panel of digits, and in the panel of numbers.
    pub(super) from: i64,
    pub(super) to: i64,
    /// The loops, outermost first.
    pub(super) levels: [Level; 3],
}

/// Unpacks the weights of a block of outputs over which two loops run. Everything that determines
/// the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unpack {
    /// The machine.
    pub(super) target: Target,
    /// How many digits numbers have.
    pub(super) format: Format,
    /// Which byte of a lane.
    pub(super) byte: u8,
    /// Bytes from one digit to the next.
    pub(super) digit: i64,
    /// The loops, outermost first.
    pub(super) levels: [Level; 2],
}

/// The lowest byte of a lane.
const LOWEST: u32 = 0xff;

impl Unpack {
    /// Arguments: the first weight's high digit, the scales of the block's weights, the first
    /// number's place.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, scales, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let [sum, digit, scale, constant] = [b.vector(), b.vector(), b.vector(), b.vector()];
        b.load(scale, scales.at(0));
        b.constant(constant, self.format.product().recip());
        b.arith(Arith::Mul, scale, scale, constant);
        let [bias, signs, lowest] = [self.format.weights.bias(), SIGNS, LOWEST].map(|bits| {
            let v = b.vector();
            b.bits(v, bits);
            v
        });
        let [steps, rows] = self.levels;
        let weight = |b: &mut Builder| {
            for i in 0..self.format.weights.digits() {
                let register = if i == 0 { sum } else { digit };
                b.load(register, src.at(i as i64 * self.digit));
                b.integer(Integer::Xor, register, register, signs);
                let by = self.byte * DIGIT_BITS as u8;
                if by > 0 {
                    b.shift(Shift::Right, register, register, by);
                }
                b.integer(Integer::And, register, register, lowest);
                let by = (self.format.weights.digits() - 1 - i) as u8 * DIGIT_BITS as u8;
                if by > 0 {
                    b.shift(Shift::Left, register, register, by);
                }
                if i > 0 {
                    b.integer(Integer::Add, sum, sum, digit);
                }
            }
            b.integer(Integer::Sub, sum, sum, bias);
            b.from_integer(sum, sum);
            b.arith(Arith::Mul, sum, sum, scale);
            b.store(dst.at(0), sum);
        };
        let advance = |b: &mut Builder, from: i64, to: i64| {
            b.advance(src, from);
            b.advance(dst, to);
        };
        let done = |bytes: i64| rows.count as i64 * bytes;
        b.repeat(Count::Fixed(steps.count as u32), |b| {
            b.repeat(Count::Fixed(rows.count as u32), |b| {
                weight(b);
                advance(b, rows.from, rows.to);
            });
            advance(b, steps.from - done(rows.from), steps.to - done(rows.to));
        });
        b.finish()
    }
}
