//! Element-wise functions as vector code.

use resnetc_ir::op::{Activation, Binary, Unary};

use crate::codegen::vir::{Arith, Builder, Inst, P, V};

use super::conversions::Constants;
use super::elementary::{Exp, Log, Odd, Sigmoid};
use super::epilogue::activate;
use super::power::power;
use super::steps::{Bound, Sign, number};

/// A function of the elements of up to three sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// A fixed value; reads nothing.
    Fill(f32),
    /// The source.
    Copy,
    /// A function of one source.
    Unary(Unary),
    /// A function of two sources.
    Binary(Binary),
    /// The second source where the first is not 0, elsewhere the third.
    Where,
    /// The byte at the position of the first source in the table that the second one is.
    Lookup,
    /// The byte that a number is converted to: rounded towards zero and limited to 0..=255.
    Byte,
}

/// A function with its constants in registers.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// A fixed value.
    Fill(V),
    /// The source.
    Copy,
    /// Clamping of the source.
    Limits(Activation),
    /// The logistic function.
    Sigmoid(Sigmoid),
    /// The exponential.
    Exp(Exp),
    /// The logarithm.
    Log(Log),
    /// The error function or the hyperbolic tangent.
    Odd(Odd),
    /// The square root.
    Sqrt,
    /// The nearest integer.
    Round,
    /// The magnitude; the register holds 0.
    Abs(V),
    /// The nearest integer below or above.
    Bound(Bound),
    /// The sign.
    Sign(Sign),
    /// Arithmetic.
    Arith(Arith),
    /// 1 where a comparison holds, 0 elsewhere; the register holds 1.
    Truth(Arith, V),
    /// The first source to the power of the second.
    Power,
    /// The second source where the first is not 0, elsewhere the third; the register holds 0.
    Where(V),
    /// Bytes from a table; the register is for positions.
    Lookup(P),
    /// The nearest integer below, within limits.
    Byte(Bound),
}

impl Function {
    /// Where a kernel of this function has room for other constants.
    pub fn constants(&self) -> Constants {
        match self {
            Function::Unary(
                Unary::Sigmoid | Unary::Tanh | Unary::Erf | Unary::Exp | Unary::Log,
            )
            | Function::Binary(Binary::Pow) => Constants::Loaded,
            _ => Constants::Kept,
        }
    }

    /// Loads the constants that the function needs into registers.
    pub fn prepare(&self, b: &mut Builder) -> Prepared {
        match *self {
            Function::Fill(value) => Prepared::Fill(number(b, value)),
            Function::Copy => Prepared::Copy,
            Function::Unary(Unary::Relu) => Prepared::Limits(Activation::Relu),
            Function::Unary(Unary::Clip { lo, hi }) => {
                Prepared::Limits(Activation::Clip { lo, hi })
            }
            Function::Unary(Unary::Sigmoid) => Prepared::Sigmoid(Sigmoid::new(b)),
            Function::Unary(Unary::Exp) => Prepared::Exp(Exp::new(b)),
            Function::Unary(Unary::Log) => Prepared::Log(Log),
            Function::Unary(Unary::Erf) => Prepared::Odd(Odd::ERF),
            Function::Unary(Unary::Tanh) => Prepared::Odd(Odd::TANH),
            Function::Unary(Unary::Sqrt) => Prepared::Sqrt,
            Function::Unary(Unary::Round) => Prepared::Round,
            Function::Unary(Unary::Abs) => Prepared::Abs(number(b, 0.0)),
            Function::Unary(Unary::Floor) => Prepared::Bound(Bound::below(b)),
            Function::Unary(Unary::Ceil) => Prepared::Bound(Bound::above(b)),
            Function::Unary(Unary::Sign) => Prepared::Sign(Sign::new(b)),
            Function::Binary(op) => binary(op, b),
            Function::Where => Prepared::Where(number(b, 0.0)),
            Function::Lookup => Prepared::Lookup(b.number(0)),
            Function::Byte => Prepared::Byte(Bound::below(b)),
        }
    }
}

fn binary(op: Binary, b: &mut Builder) -> Prepared {
    match op {
        Binary::Add => Prepared::Arith(Arith::Add),
        Binary::Sub => Prepared::Arith(Arith::Sub),
        Binary::Mul => Prepared::Arith(Arith::Mul),
        Binary::Div => Prepared::Arith(Arith::Div),
        Binary::Max => Prepared::Arith(Arith::MaxNan),
        Binary::Pow => Prepared::Power,
        Binary::Equal => Prepared::Truth(Arith::Equal, number(b, 1.0)),
        Binary::Less => Prepared::Truth(Arith::Less, number(b, 1.0)),
        Binary::LessOrEqual => Prepared::Truth(Arith::LessOrEqual, number(b, 1.0)),
    }
}

impl Prepared {
    /// Whether it needs no registers but those of its sources.
    pub fn is_simple(&self) -> bool {
        matches!(self, Prepared::Copy | Prepared::Limits(_) | Prepared::Arith(_))
    }

    /// Computes the result of a simple function in a register, which may be that of a source; the
    /// others keep their contents.
    pub fn apply_to(&self, b: &mut Builder, result: V, sources: &[V]) {
        if let (Prepared::Arith(op), [x, y]) = (self, sources) {
            b.arith(*op, result, *x, *y);
            return;
        }
        if sources[0] != result {
            b.push(Inst::Copy { dst: result, src: sources[0] });
        }
        self.apply(b, &[result]);
    }

    /// Computes the result and returns its register: that of the first source, or for a fill one
    /// that the function keeps.
    pub fn apply(&self, b: &mut Builder, sources: &[V]) -> V {
        if let Prepared::Fill(value) = self {
            return *value;
        }
        let x = sources[0];
        match self {
            // Nests look bytes up in memory.
            Prepared::Fill(_) | Prepared::Copy | Prepared::Lookup(_) => {}
            Prepared::Limits(limits) => activate(b, *limits, &sources[..1]),
            Prepared::Sigmoid(sigmoid) => sigmoid.apply(b, x),
            Prepared::Exp(exp) => exp.apply(b, x),
            Prepared::Log(log) => log.apply(b, x),
            Prepared::Odd(odd) => odd.apply(b, x),
            Prepared::Sqrt => b.push(Inst::Sqrt { dst: x, src: x }),
            Prepared::Round => b.push(Inst::Round { dst: x, src: x }),
            Prepared::Abs(zero) => {
                let negative = b.vector();
                b.arith(Arith::Sub, negative, *zero, x);
                b.arith(Arith::MaxNan, x, negative, x);
                b.release([negative]);
            }
            Prepared::Bound(bound) => bound.apply(b, x),
            Prepared::Sign(sign) => sign.apply(b, x),
            Prepared::Arith(op) => b.arith(*op, x, x, sources[1]),
            Prepared::Truth(op, one) => {
                b.arith(*op, x, x, sources[1]);
                b.arith(Arith::And, x, x, *one);
            }
            Prepared::Power => power(b, x, sources[1]),
            Prepared::Where(zero) => {
                b.arith(Arith::Equal, x, x, *zero);
                b.arith(Arith::AndNot, sources[1], x, sources[1]);
                b.arith(Arith::And, x, x, sources[2]);
                b.arith(Arith::Or, x, x, sources[1]);
            }
            Prepared::Byte(below) => {
                activate(b, Activation::Clip { lo: 0.0, hi: 255.0 }, &sources[..1]);
                below.apply(b, x);
            }
        }
        x
    }
}
