//! Element-wise functions as vector code.

use resnetc_ir::op::{Activation, Binary, Unary};

use crate::codegen::vir::{Arith, Builder, Inst, V};

use super::conv::micro::activate;

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
            Function::Binary(op) => Prepared::Arith(match op {
                Binary::Add => Arith::Add,
                Binary::Sub => Arith::Sub,
                Binary::Mul => Arith::Mul,
                Binary::Div => Arith::Div,
            }),
        }
    }
}

impl Prepared {
    /// Computes into a register: the first source, or for a fill one that stays the function's own.
    pub fn apply(&self, b: &mut Builder, sources: &[V]) -> V {
        match self {
            Prepared::Fill(value) => *value,
            Prepared::Copy => sources[0],
            Prepared::Limits(limits) => {
                activate(b, *limits, &sources[..1]);
                sources[0]
            }
            Prepared::Sigmoid(sigmoid) => {
                sigmoid.apply(b, sources[0]);
                sources[0]
            }
            Prepared::Arith(op) => {
                b.arith(*op, sources[0], sources[0], sources[1]);
                sources[0]
            }
        }
    }
}

/// `e^x` for `x` in `-87..=87`, to about one unit in the last place: `2^n * e^r` with `n = round(x / ln 2)`, and the
/// minimax polynomial of Cephes' `expf` (S. Moshier, 1989) for `e^r`.
#[derive(Clone, Debug)]
pub struct Exp {
    limits: [V; 2],
    log2e: V,
    /// `-ln 2` in two parts, the first with trailing zeros, so that `n` times it is exact.
    ln2: [V; 2],
    one: V,
    /// Coefficients of r^7 down to r^2.
    polynomial: Vec<V>,
}

/// Beyond these, `e^x` leaves the range of normal f32 values (or nearly so).
const EXP_LIMIT: f32 = 87.0;

impl Exp {
    /// Puts the constants into registers.
    pub fn new(b: &mut Builder) -> Self {
        let mut constant = |value: f32| {
            let register = b.vector();
            b.constant(register, value);
            register
        };
        const CEPHES: [f32; 6] =
            [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
        Exp {
            limits: [constant(-EXP_LIMIT), constant(EXP_LIMIT)],
            log2e: constant(std::f32::consts::LOG2_E),
            ln2: [constant(-0.693_359_4), constant(2.121_944_4e-4)],
            one: constant(1.0),
            polynomial: CEPHES.map(constant).to_vec(),
        }
    }

    /// The register that holds 1.
    pub fn one(&self) -> V {
        self.one
    }

    /// `x = e^x`, the argument first limited to `-87..=87`; NaN stays NaN.
    pub fn apply(&self, b: &mut Builder, x: V) {
        let n = b.vector();
        let p = b.vector();
        b.arith(Arith::Max, x, self.limits[0], x);
        b.arith(Arith::Min, x, self.limits[1], x);
        b.arith(Arith::Mul, n, x, self.log2e);
        b.push(Inst::Round { dst: n, src: n });
        b.multiply_add(x, n, self.ln2[0]);
        b.multiply_add(x, n, self.ln2[1]);
        // x is r now: p = 1 + r + r^2 * polynomial(r), by Horner's rule.
        b.push(Inst::Copy { dst: p, src: self.polynomial[0] });
        for &c in self.polynomial[1..].iter().chain([&self.one, &self.one]) {
            b.arith(Arith::Mul, p, p, x);
            b.arith(Arith::Add, p, p, c);
        }
        b.push(Inst::Pow2 { dst: n, src: n });
        b.arith(Arith::Mul, x, p, n);
        b.release([n, p]);
    }

    /// Gives the registers back.
    pub fn release(self, b: &mut Builder) {
        b.release(self.limits);
        b.release(self.ln2);
        b.release(self.polynomial);
        b.release([self.log2e, self.one]);
    }
}

/// `1 / (1 + e^-x)`.
#[derive(Clone, Debug)]
pub struct Sigmoid {
    exp: Exp,
    zero: V,
}

impl Sigmoid {
    /// Puts the constants into registers.
    pub fn new(b: &mut Builder) -> Self {
        let exp = Exp::new(b);
        let zero = b.vector();
        b.constant(zero, 0.0);
        Sigmoid { exp, zero }
    }

    /// `x = 1 / (1 + e^-x)`.
    pub fn apply(&self, b: &mut Builder, x: V) {
        b.arith(Arith::Sub, x, self.zero, x);
        self.exp.apply(b, x);
        b.arith(Arith::Add, x, x, self.exp.one());
        b.arith(Arith::Div, x, self.exp.one(), x);
    }
}
