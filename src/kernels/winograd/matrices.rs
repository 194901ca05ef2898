//! The transforms of Winograd's minimal filtering, from interpolation points, in exact rational
//! arithmetic.
//!
//! `F(m, 3)` computes m outputs of a filter of three taps with m + 2 multiplications:
//! `y = A^T ((G g) * (B^T d))`. It is the transpose of Toom and Cook's polynomial product: `A` and
//! `G` evaluate at the points and at infinity, `B` interpolates (Winograd, "Arithmetic Complexity
//! of Computations", 1980; Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd
//! Convolution for DNNs", 2020, sections 2 and 5).

/// A fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction {
    n: i64,
    d: i64,
}

impl Fraction {
    const ZERO: Fraction = Fraction { n: 0, d: 1 };
    const ONE: Fraction = Fraction { n: 1, d: 1 };

    fn new(n: i64, d: i64) -> Self {
        let (mut a, mut b) = (n.abs(), d.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1) * d.signum();
        Fraction { n: n / divisor, d: d / divisor }
    }

    fn plus(self, other: Fraction) -> Fraction {
        Fraction::new(self.n * other.d + other.n * self.d, self.d * other.d)
    }

    fn times(self, other: Fraction) -> Fraction {
        Fraction::new(self.n * other.n, self.d * other.d)
    }

    fn negated(self) -> Fraction {
        Fraction { n: -self.n, d: self.d }
    }

    /// `1 / self`; all points are distinct, so `self` is never zero.
    fn inverse(self) -> Fraction {
        Fraction::new(self.d, self.n)
    }

    fn value(self) -> f64 {
        self.n as f64 / self.d as f64
    }
}

/// Taps of the filter.
pub const TAPS: usize = 3;

/// A matrix, as rows.
pub type Matrix = Vec<Vec<f64>>;

/// The transforms of `F(m, 3)`. The divisors of the interpolation are in the output's matrix, which
/// leaves few operations in the filter's, because that may be applied while the network runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Transforms {
    /// Outputs of a tile along one axis.
    pub outputs: usize,
    /// `A^T`, `m x (m + 2)`: products to outputs.
    pub output: Matrix,
    /// `G`, `(m + 2) x 3`: filter to products.
    pub filter: Matrix,
    /// `B^T`, `(m + 2) x (m + 2)`: input to products.
    pub input: Matrix,
}

impl Transforms {
    /// `F(2, 3)` with the points 0, 1, -1.
    pub fn f2() -> Self {
        Transforms::new(&[(0, 1), (1, 1), (-1, 1)])
    }

    /// `F(4, 3)` with the points 0, ±3/4, ±3/2: half the rounding error of the textbook's 0, ±1,
    /// ±2, and all coefficients except the output's are exact in f32.
    pub fn f4() -> Self {
        Transforms::new(&[(0, 1), (3, 4), (-3, 4), (3, 2), (-3, 2)])
    }

    /// Inputs of a tile along one axis.
    pub fn inputs(&self) -> usize {
        self.outputs + TAPS - 1
    }

    fn new(points: &[(i64, i64)]) -> Self {
        let points: Vec<Fraction> = points.iter().map(|&(n, d)| Fraction::new(n, d)).collect();
        let outputs = points.len() + 2 - TAPS;
        let powers = |x: Fraction, count: usize| {
            std::iter::successors(Some(Fraction::ONE), move |p| Some(p.times(x))).take(count)
        };
        let at_infinity = |count: usize| {
            (0..count).map(move |i| if i + 1 == count { 1.0 } else { 0.0 }).collect()
        };
        let scaled = |x: Fraction, count: usize, scale: Fraction| -> Vec<f64> {
            powers(x, count).map(|p| p.times(scale).value()).collect()
        };
        let mut evaluate: Matrix = Vec::new();
        let mut filter: Matrix = Vec::new();
        let mut input: Matrix = Vec::new();
        for (i, &x) in points.iter().enumerate() {
            let others: Vec<Fraction> =
                points.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &p)| p).collect();
            let scale =
                others.iter().fold(Fraction::ONE, |f, &p| f.times(x.plus(p.negated()))).inverse();
            evaluate.push(scaled(x, outputs, scale));
            filter.push(scaled(x, TAPS, Fraction::ONE));
            let mut row = with_roots(&others);
            row.push(Fraction::ZERO);
            input.push(row.into_iter().map(Fraction::value).collect());
        }
        evaluate.push(at_infinity(outputs));
        filter.push(at_infinity(TAPS));
        input.push(with_roots(&points).into_iter().map(Fraction::value).collect());
        let output = (0..outputs).map(|i| evaluate.iter().map(|row| row[i]).collect()).collect();
        Transforms { outputs, output, filter, input }
    }
}

/// Coefficients, constant first, of the monic polynomial with these roots.
fn with_roots(roots: &[Fraction]) -> Vec<Fraction> {
    roots.iter().fold(vec![Fraction::ONE], |polynomial, &root| {
        let mut product = vec![Fraction::ZERO; polynomial.len() + 1];
        for (i, &c) in polynomial.iter().enumerate() {
            product[i + 1] = product[i + 1].plus(c);
            product[i] = product[i].plus(c.times(root).negated());
        }
        product
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_units_filters_exactly() {
        for t in [Transforms::f2(), Transforms::f4()] {
            for tap in 0..TAPS {
                for element in 0..t.inputs() {
                    for (i, row) in t.output.iter().enumerate() {
                        let y: f64 = (0..t.inputs())
                            .map(|p| row[p] * t.filter[p][tap] * t.input[p][element])
                            .sum();
                        let expected = if i + tap == element { 1.0 } else { 0.0 };
                        assert!(
                            (y - expected).abs() < 1e-12,
                            "F({}, 3): {y} for {expected}",
                            t.outputs
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn transforms_of_operands_are_exact_in_f32() {
        for t in [Transforms::f2(), Transforms::f4()] {
            assert!(t.input.iter().chain(&t.filter).flatten().all(|&c| f64::from(c as f32) == c));
        }
    }
}
