//! Powers as vector code.

use crate::codegen::vir::{Arith, Builder, Inst, V};

use super::elementary::{Exp, Log};

/// `x = x^y`, with the special cases of C's `pow`; `y` is overwritten. Computed as
/// `e^(y * log |x|)`, so the error is about `|y * log |x|| + 8` units in the last place: four for
/// the logarithm and its product, times their magnitude, and those of the exponential.
pub(super) fn power(b: &mut Builder, x: V, y: V) {
    let [log, ones, is_one, bits, c] = [(); 5].map(|()| b.vector());
    set_bits(b, bits, x, y, [log, ones, c]);
    b.constant(c, f32::from_bits(!SIGN));
    b.arith(Arith::And, log, x, c);
    // Powers of 1 and -1 have magnitude 1, even with infinite exponents.
    b.constant(c, 1.0);
    b.arith(Arith::Equal, ones, log, c);
    b.arith(Arith::Equal, is_one, y, y);
    b.arith(Arith::And, ones, ones, is_one);
    // Powers of base 1 and of exponent 0 are 1, whatever the other operand is.
    b.arith(Arith::Equal, is_one, x, c);
    b.constant(c, 0.0);
    b.arith(Arith::Equal, c, y, c);
    b.arith(Arith::Or, is_one, is_one, c);
    b.release([c]);
    Log.apply(b, log);
    b.arith(Arith::Mul, x, log, y);
    b.arith(Arith::Or, ones, ones, is_one);
    b.arith(Arith::AndNot, x, ones, x);
    b.arith(Arith::AndNot, y, is_one, bits);
    b.release([log, ones, is_one, bits]);
    let exp = Exp::new(b);
    exp.apply(b, x);
    exp.release(b);
    b.arith(Arith::Or, x, x, y);
}

/// The sign bit.
const SIGN: u32 = 1 << 31;

/// The bits that are combined with a power's magnitude: the sign of `x` if `y` is an odd integer,
/// and all bits, which is a NaN, if `x` is negative and finite and `y` is not an integer.
fn set_bits(b: &mut Builder, bits: V, x: V, y: V, [integer, even, c]: [V; 3]) {
    b.push(Inst::Round { dst: integer, src: y });
    b.arith(Arith::Equal, integer, integer, y);
    // Half of an even integer is an integer.
    b.constant(c, 0.5);
    b.arith(Arith::Mul, c, y, c);
    b.push(Inst::Round { dst: even, src: c });
    b.arith(Arith::Equal, even, even, c);
    b.arith(Arith::AndNot, bits, even, integer);
    b.constant(c, f32::from_bits(SIGN));
    b.arith(Arith::And, c, c, x);
    b.arith(Arith::And, bits, bits, c);
    b.constant(c, 0.0);
    b.arith(Arith::Less, even, x, c);
    b.constant(c, f32::NEG_INFINITY);
    b.arith(Arith::Less, c, c, x);
    b.arith(Arith::And, even, even, c);
    b.arith(Arith::AndNot, even, integer, even);
    b.arith(Arith::Or, bits, bits, even);
}
