//! Step functions: the nearest integers below and above a number, and its sign. They consist of
//! comparisons, whose results are all bits set or none.

use crate::codegen::vir::{Arith, Builder, Inst, V};

/// A register that holds a number.
pub(super) fn number(b: &mut Builder, value: f32) -> V {
    let register = b.vector();
    b.constant(register, value);
    register
}

/// The largest integer that is not above a number, or the smallest that is not below it: the
/// nearest integer, or the next one if that is on the wrong side.
#[derive(Clone, Debug)]
pub struct Bound {
    below: bool,
    /// What is subtracted from the nearest integer if it is on the wrong side.
    excess: V,
    minus_zero: V,
}

impl Bound {
    /// The largest integer that is not above.
    pub fn below(b: &mut Builder) -> Self {
        Bound { below: true, excess: number(b, 1.0), minus_zero: number(b, -0.0) }
    }

    /// The smallest integer that is not below.
    pub fn above(b: &mut Builder) -> Self {
        Bound { below: false, excess: number(b, -1.0), minus_zero: number(b, -0.0) }
    }

    /// Infinities are unchanged, and NaN stays NaN, because no comparison with it holds. A result
    /// keeps the sign of the number, even if it is 0.
    pub(super) fn apply(&self, b: &mut Builder, x: V) {
        let [nearest, sign] = [(); 2].map(|()| b.vector());
        b.push(Inst::Round { dst: nearest, src: x });
        b.arith(Arith::And, sign, x, self.minus_zero);
        match self.below {
            true => b.arith(Arith::Less, x, x, nearest),
            false => b.arith(Arith::Less, x, nearest, x),
        }
        b.arith(Arith::And, x, x, self.excess);
        b.arith(Arith::Sub, x, nearest, x);
        b.arith(Arith::Or, x, x, sign);
        b.release([nearest, sign]);
    }
}

/// 1 above 0, -1 below 0, 0 for zeros, NaN for NaN.
#[derive(Clone, Debug)]
pub struct Sign {
    zero: V,
    one: V,
    minus_one: V,
}

impl Sign {
    /// Puts the constants into registers.
    pub fn new(b: &mut Builder) -> Self {
        Sign { zero: number(b, 0.0), one: number(b, 1.0), minus_one: number(b, -1.0) }
    }

    pub(super) fn apply(&self, b: &mut Builder, x: V) {
        let [positive, negative] = [(); 2].map(|()| b.vector());
        b.arith(Arith::Less, positive, self.zero, x);
        b.arith(Arith::And, positive, positive, self.one);
        b.arith(Arith::Less, negative, x, self.zero);
        b.arith(Arith::And, negative, negative, self.minus_one);
        b.arith(Arith::Or, positive, positive, negative);
        // Keep the bits of x where it is NaN, which is not equal to itself.
        b.arith(Arith::Equal, negative, x, x);
        b.arith(Arith::AndNot, x, negative, x);
        b.arith(Arith::Or, x, x, positive);
        b.release([positive, negative]);
    }
}
