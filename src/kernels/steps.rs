//! Functions that jump: integers below and above a number, and its sign. They are made of
//! comparisons, whose results are all bits or none.

use crate::codegen::vir::{Arith, Builder, Inst, V};

/// A register that holds a number.
pub(super) fn number(b: &mut Builder, value: f32) -> V {
    let register = b.vector();
    b.constant(register, value);
    register
}

/// The greatest integer that is not above a number, or the smallest that is not below it: the
/// nearest one, and where that is on the wrong side, the next.
#[derive(Clone, Debug)]
pub struct Bound {
    below: bool,
    /// What the nearest integer has too much on the wrong side.
    excess: V,
    minus_zero: V,
}

impl Bound {
    /// The greatest integer that is not above.
    pub fn below(b: &mut Builder) -> Self {
        Bound { below: true, excess: number(b, 1.0), minus_zero: number(b, -0.0) }
    }

    /// The smallest integer that is not below.
    pub fn above(b: &mut Builder) -> Self {
        Bound { below: false, excess: number(b, -1.0), minus_zero: number(b, -0.0) }
    }

    /// Infinities stay what they are, and NaN is on no side. A result keeps the sign of the number,
    /// also if it is 0.
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

/// 1 above 0, -1 below it, 0 at zeros, NaN at NaN.
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
        // The bits of x are left where it is NaN, which is not even equal to itself.
        b.arith(Arith::Equal, negative, x, x);
        b.arith(Arith::AndNot, x, negative, x);
        b.arith(Arith::Or, x, x, positive);
        b.release([positive, negative]);
    }
}
