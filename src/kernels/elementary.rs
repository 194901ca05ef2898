//! Elementary functions as vector code: exponential, logarithm, error function and related
//! functions.

use crate::codegen::vir::{Arith, Builder, Inst, V};

/// `e^x`. Its square root is computed, to about one unit in the last place, as `2^n * e^r` with
/// `n = round(x / 2 / ln 2)`, and the minimax polynomial of Cephes' `expf` (S. Moshier, 1989) for
/// `e^r`. The exponent of the square root of every result is in range.
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

/// Beyond this magnitude, `e^x` leaves the range of normal f32 values (or nearly so).
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

    /// `x = e^x` for any `x`: 0 or infinity if `e^x` is out of range, NaN for NaN.
    pub fn apply(&self, b: &mut Builder, x: V) {
        self.square_of(b, x, 0.5);
    }

    /// `x = e^-x`.
    fn apply_negated(&self, b: &mut Builder, x: V) {
        self.square_of(b, x, -0.5);
    }

    /// `x = (e^(factor * x))^2`
    fn square_of(&self, b: &mut Builder, x: V, factor: f32) {
        let half = constant(b, factor);
        b.arith(Arith::Mul, x, half, x);
        b.release([half]);
        self.limited(b, x);
        b.arith(Arith::Mul, x, x, x);
    }

    /// `x = e^x`, with the argument first clamped to `-87..=87`; NaN stays NaN.
    fn limited(&self, b: &mut Builder, x: V) {
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
pub struct Sigmoid(Exp);

impl Sigmoid {
    /// Puts the constants into registers.
    pub fn new(b: &mut Builder) -> Self {
        Sigmoid(Exp::new(b))
    }

    /// `x = 1 / (1 + e^-x)` for any `x`; NaN stays NaN.
    pub fn apply(&self, b: &mut Builder, x: V) {
        let Sigmoid(exp) = self;
        exp.apply_negated(b, x);
        b.arith(Arith::Add, x, x, exp.one);
        b.arith(Arith::Div, x, exp.one, x);
    }
}

fn constant(b: &mut Builder, value: f32) -> V {
    let register = b.vector();
    b.constant(register, value);
    register
}

/// Horner's rule: `sum = sum * x + c` for every coefficient in turn, starting with the highest
/// power.
fn horner(b: &mut Builder, sum: V, x: V, coefficients: &[f32]) {
    let c = b.vector();
    b.constant(sum, 0.0);
    for &coefficient in coefficients.iter().rev() {
        b.arith(Arith::Mul, sum, sum, x);
        b.constant(c, coefficient);
        b.arith(Arith::Add, sum, sum, c);
    }
    b.release([c]);
}

/// An odd function that is constant beyond some magnitude, as `x * p(x^2) / q(x^2)`, to about three
/// units in the last place. The coefficients are a least-squares fit of the relative error,
/// reweighted until the error was even.
#[derive(Clone, Copy, Debug)]
pub struct Odd {
    limit: f32,
    p: [f32; 6],
    q: [f32; 6],
}

impl Odd {
    /// The error function.
    pub const ERF: Odd = Odd {
        limit: 3.92,
        p: [
            std::f32::consts::FRAC_2_SQRT_PI,
            0.190_402_02,
            0.052_747_75,
            3.765_325_3e-3,
            2.848_594e-4,
            2.049_902_4e-6,
        ],
        q: [1.0, 0.502_072_16, 0.114_106_93, 0.014_968_639, 1.162_433_6e-3, 3.808_857_2e-5],
    };

    /// The hyperbolic tangent.
    pub const TANH: Odd = Odd {
        limit: 9.02,
        p: [1.0, 0.140_991_93, 4.425_927e-3, 4.227_315_7e-5, 1.111_725_5e-7, 3.674_203_6e-11],
        q: [1.0, 0.474_325_27, 0.029_201_016, 5.008_299e-4, 2.603_799_2e-6, 2.951_042_3e-9],
    };

    /// `x = f(x)`; NaN stays NaN.
    pub fn apply(&self, b: &mut Builder, x: V) {
        let [bound, square, p, q] = [(); 4].map(|()| b.vector());
        for (op, limit) in [(Arith::Max, -self.limit), (Arith::Min, self.limit)] {
            b.constant(bound, limit);
            b.arith(op, x, bound, x);
        }
        b.arith(Arith::Mul, square, x, x);
        horner(b, p, square, &self.p);
        horner(b, q, square, &self.q);
        b.arith(Arith::Mul, x, x, p);
        b.arith(Arith::Div, x, x, q);
        // The quotient may exceed the limit of the function, 1, by one unit in the last place.
        for (op, limit) in [(Arith::Max, -1.0), (Arith::Min, 1.0)] {
            b.constant(bound, limit);
            b.arith(op, x, bound, x);
        }
        b.release([bound, square, p, q]);
    }
}

/// The natural logarithm, to about one unit in the last place: `n * ln 2 + log(1 + f)`, where
/// `x = 2^n * (1 + f)` and `1 + f` is between the square roots of 1/2 and 2.
/// `log(1 + f) = f - f^2 / 2 + f^3 * p(f)`, with `p` fitted as in [`Odd`].
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Log {
    const P: [f32; 8] = [
        0.333_333_3,
        -0.250_008_37,
        0.200_012_92,
        -0.166_227_64,
        0.141_997_02,
        -0.131_642_04,
        0.127_790_76,
        -0.076_460_08,
    ];

    /// The power of two that denormals are multiplied with.
    const RAISED: f32 = 32.0;
    /// `ln 2` in two parts, the first with trailing zeros, so that `n` times it is exact.
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

    /// `x = log x`: NaN below 0, minus infinity for 0, infinity for infinity. Where denormals count
    /// as 0, they do.
    pub fn apply(&self, b: &mut Builder, x: V) {
        let [n, f, p, c, raised] = [(); 5].map(|()| b.vector());
        // Denormals become normal: `raised` is by how many powers of two.
        b.constant(c, f32::MIN_POSITIVE);
        b.arith(Arith::Less, n, x, c);
        b.constant(c, Log::RAISED);
        b.arith(Arith::And, raised, n, c);
        b.push(Inst::Pow2 { dst: f, src: raised });
        b.arith(Arith::Mul, x, x, f);
        let special = Special::of(b, x);
        b.constant(c, f32::MAX);
        b.arith(Arith::Min, x, c, x);
        // The exponent of x times the square root of 2 is the one that brings x nearest to 1.
        b.constant(c, std::f32::consts::SQRT_2);
        b.arith(Arith::Mul, n, x, c);
        b.push(Inst::Exponent { dst: n, src: n });
        // 2^-n may not be a normal number, so it is applied as two factors that are.
        b.constant(c, -0.5);
        b.arith(Arith::Mul, f, n, c);
        b.push(Inst::Round { dst: f, src: f });
        b.arith(Arith::Add, p, n, f);
        b.constant(c, 0.0);
        b.arith(Arith::Sub, p, c, p);
        b.push(Inst::Pow2 { dst: f, src: f });
        b.push(Inst::Pow2 { dst: p, src: p });
        b.arith(Arith::Sub, n, n, raised);
        b.arith(Arith::Mul, x, x, f);
        b.arith(Arith::Mul, f, x, p);
        b.constant(c, 1.0);
        b.arith(Arith::Sub, f, f, c);
        horner(b, p, f, &Log::P);
        b.arith(Arith::Mul, p, p, f);
        b.constant(c, -0.5);
        b.arith(Arith::Add, p, p, c);
        b.arith(Arith::Mul, p, p, f);
        b.arith(Arith::Mul, p, p, f);
        // Add the small terms first.
        b.constant(c, Log::LN2[1]);
        b.multiply_add(p, n, c);
        b.arith(Arith::Add, p, p, f);
        b.constant(c, Log::LN2[0]);
        b.multiply_add(p, n, c);
        special.mend(b, x, p);
        b.release([n, f, p, c, raised]);
    }
}

/// The logarithm of arguments that are not normal numbers above 0.
struct Special {
    /// 0, or NaN for arguments below 0.
    nan: V,
    /// Above every logarithm, except minus infinity for the argument 0.
    most: V,
    /// Below every logarithm, except infinity for the argument infinity.
    least: V,
}

impl Special {
    fn of(b: &mut Builder, x: V) -> Self {
        let [nan, most, least, c] = [(); 4].map(|()| b.vector());
        b.push(Inst::Sqrt { dst: nan, src: x });
        b.constant(c, f32::MAX);
        b.arith(Arith::Min, nan, c, nan);
        b.arith(Arith::Sub, least, x, c);
        b.arith(Arith::Mul, least, least, c);
        b.constant(c, 0.0);
        b.arith(Arith::Mul, nan, nan, c);
        // 100 - 1 / (x * 2^126): at least 99 for a normal number.
        b.constant(c, 0.0);
        // So that -0 becomes +0.
        b.arith(Arith::Add, most, x, c);
        b.constant(c, 2f32.powi(126));
        b.arith(Arith::Mul, most, most, c);
        b.constant(c, 1.0);
        b.arith(Arith::Div, most, c, most);
        b.constant(c, 100.0);
        b.arith(Arith::Sub, most, c, most);
        b.release([c]);
        Special { nan, most, least }
    }

    /// Sets `x` to `log`, or to the special value that replaces it.
    fn mend(self, b: &mut Builder, x: V, log: V) {
        b.arith(Arith::Min, x, self.most, log);
        b.arith(Arith::Max, x, self.least, x);
        b.arith(Arith::Add, x, x, self.nan);
        b.release([self.nan, self.most, self.least]);
    }
}
