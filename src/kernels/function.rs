//! Element-wise functions as vector code.

use resnetc_ir::op::{Activation, Binary, Unary};

use crate::codegen::vir::{Arith, Builder, Inst, V};

use super::conv::micro::activate;
use super::elementary::{Exp, Log, Odd, Sigmoid};

/// A function of the elements of up to two sources.
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
}

/// A function whose constants are in registers.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// A fixed value.
    Fill(V),
    /// The source.
    Copy,
    /// Limits of the source.
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
    /// Arithmetic.
    Arith(Arith),
}

impl Function {
    /// Puts what the function needs into registers.
    pub fn prepare(&self, b: &mut Builder) -> Prepared {
        match *self {
            Function::Fill(value) => {
                let register = b.vector();
                b.constant(register, value);
                Prepared::Fill(register)
            }
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
            Function::Unary(Unary::Abs) => {
                let zero = b.vector();
                b.constant(zero, 0.0);
                Prepared::Abs(zero)
            }
            Function::Binary(op) => Prepared::Arith(match op {
                Binary::Add => Arith::Add,
                Binary::Sub => Arith::Sub,
                Binary::Mul => Arith::Mul,
                Binary::Div => Arith::Div,
                Binary::Max => Arith::MaxNan,
            }),
        }
    }
}

impl Prepared {
    /// Computes into a register: the first source, or for a fill one that stays the function's own.
    pub fn apply(&self, b: &mut Builder, sources: &[V]) -> V {
        if let Prepared::Fill(value) = self {
            return *value;
        }
        let x = sources[0];
        match self {
            Prepared::Fill(_) | Prepared::Copy => {}
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
            Prepared::Arith(op) => b.arith(*op, x, x, sources[1]),
        }
        x
    }
}
