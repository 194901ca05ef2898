//! The transforms of Winograd's minimal filtering, from interpolation points, in exact rational
//! arithmetic.
//!
//! `F(m, r)` computes m outputs of a filter of r taps with m + r - 1 multiplications:
//! `y = A^T ((G g) * (B^T d))`. It is the transpose of Toom and Cook's polynomial product: `A` and
//! `G` evaluate at the points and at infinity, `B` interpolates (Winograd, "Arithmetic Complexity
//! of Computations", 1980; Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd
//! Convolution for DNNs", 2020, sections 2 and 5).
//!
//! A filter of stride 2 is the sum of two filters of stride 1, one on the even and one on the odd
//! inputs (its polyphase components). Three taps become two and one, so m outputs take 2 m + 1
//! multiplications instead of 3 m.

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

/// Taps of the filters of 3x3 convolutions.
pub const TAPS: usize = 3;

/// A matrix, as rows.
pub type Matrix = Vec<Vec<f64>>;

/// Which matrix has the divisors of the interpolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Divisors {
    /// The output's, which leaves few operations in the filter's, because that may be applied while
    /// the network runs.
    InOutput,
    /// The filter's, which leaves powers of the points in the output's.
    InFilter,
}

/// The transforms of m outputs and n inputs along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Transforms {
    /// Outputs of a tile along one axis.
    pub outputs: usize,
    /// Inputs from one output's window to the next.
    pub stride: usize,
    /// `A^T`, `m x n`: products to outputs.
    pub output: Matrix,
    /// `G`, `n x taps`: filter to products.
    pub filter: Matrix,
    /// `B^T`, `n x n`: input to products.
    pub input: Matrix,
}

impl Transforms {
    /// `F(2, 3)` with the points 0, 1, -1.
    pub fn f2() -> Self {
        Transforms::new(&[(0, 1), (1, 1), (-1, 1)], TAPS)
    }

    /// `F(4, 3)` with the points 0, ±3/4, ±3/2: half the rounding error of the textbook's 0, ±1,
    /// ±2, and all coefficients except the output's are exact in f32.
    pub fn f4() -> Self {
        Transforms::new(&[(0, 1), (3, 4), (-3, 4), (3, 2), (-3, 2)], TAPS)
    }

    /// `F(4, 3)` with the textbook's points 0, ±1, ±2: filter and input have coefficients that are
    /// small integers.
    pub fn f4_integers() -> Self {
        Transforms::new(&[(0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1)], TAPS)
    }

    /// `F(4, 4)` with the points 0, ±1, ±2, 1/2, for filters that are transformed when the network
    /// is compiled. Its rounding error is three times that of `F(4, 3)`.
    pub fn f4_of_four_taps() -> Self {
        let points = [(0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2)];
        Transforms::dividing(Divisors::InFilter, &points, 4)
    }

    /// Two outputs with stride 2: `F(2, 2)` with the points 0 and 1 for the taps on even inputs;
    /// the tap on odd inputs is multiplied as it is.
    pub fn f2_strided() -> Self {
        let even = Transforms::new(&[(0, 1), (1, 1)], 2);
        let outputs = even.outputs;
        let inputs = reach(outputs, 2, TAPS);
        let unit = |n: usize, at: usize| -> Vec<f64> {
            (0..n).map(|i| if i == at { 1.0 } else { 0.0 }).collect()
        };
        // Values of the even phase, with zeros between them.
        let apart = |row: &[f64], n: usize| -> Vec<f64> {
            (0..n).map(|i| if i % 2 == 0 { row[i / 2] } else { 0.0 }).collect()
        };
        let odd = (0..outputs).map(|i| (unit(TAPS, 1), unit(inputs, 2 * i + 1)));
        let phase = even.filter.iter().zip(&even.input);
        let (filter, input) =
            phase.map(|(g, b)| (apart(g, TAPS), apart(b, inputs))).chain(odd).unzip();
        let row = |(i, row): (usize, &Vec<f64>)| [&row[..], &unit(outputs, i)].concat();
        let output = even.output.iter().enumerate().map(row).collect();
        Transforms { outputs, stride: 2, output, filter, input }
    }

    /// Inputs of a tile along one axis.
    pub fn inputs(&self) -> usize {
        self.input.len()
    }

    /// Taps of the filter along one axis.
    pub fn taps(&self) -> usize {
        self.filter[0].len()
    }

    /// Inputs that the windows of some neighbouring outputs see.
    pub fn seen(&self, outputs: usize) -> usize {
        reach(outputs, self.stride, self.taps())
    }

    /// Inputs from the first one of a tile to the first one of the next.
    pub fn advance(&self) -> usize {
        self.outputs * self.stride
    }

    /// `F(m, taps)`, with a product for each of the points and one for infinity.
    fn new(points: &[(i64, i64)], taps: usize) -> Self {
        Transforms::dividing(Divisors::InOutput, points, taps)
    }

    fn dividing(divisors: Divisors, points: &[(i64, i64)], taps: usize) -> Self {
        let points: Vec<Fraction> = points.iter().map(|&(n, d)| Fraction::new(n, d)).collect();
        let outputs = points.len() + 2 - taps;
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
            let [of_output, of_filter] = match divisors {
                Divisors::InOutput => [scale, Fraction::ONE],
                Divisors::InFilter => [Fraction::ONE, scale],
            };
            evaluate.push(scaled(x, outputs, of_output));
            filter.push(scaled(x, taps, of_filter));
            let mut row = with_roots(&others);
            row.push(Fraction::ZERO);
            input.push(row.into_iter().map(Fraction::value).collect());
        }
        evaluate.push(at_infinity(outputs));
        filter.push(at_infinity(taps));
        input.push(with_roots(&points).into_iter().map(Fraction::value).collect());
        let output = (0..outputs).map(|i| evaluate.iter().map(|row| row[i]).collect()).collect();
        Transforms { outputs, stride: 1, output, filter, input }
    }
}

/// Inputs that the windows of some neighbouring outputs see.
fn reach(outputs: usize, stride: usize, taps: usize) -> usize {
    (outputs - 1) * stride + taps
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

    fn all() -> [Transforms; 5] {
        [
            Transforms::f2(),
            Transforms::f4(),
            Transforms::f4_integers(),
            Transforms::f4_of_four_taps(),
            Transforms::f2_strided(),
        ]
    }

    #[test]
    fn every_pair_of_units_filters_exactly() {
        for t in all() {
            for tap in 0..t.taps() {
                for element in 0..t.inputs() {
                    for (i, row) in t.output.iter().enumerate() {
                        let y: f64 = (0..t.inputs())
                            .map(|p| row[p] * t.filter[p][tap] * t.input[p][element])
                            .sum();
                        let expected = if i * t.stride + tap == element { 1.0 } else { 0.0 };
                        assert!((y - expected).abs() < 1e-12, "{t:?}: {y} for {expected}");
                    }
                }
            }
        }
    }

    /// Filters may be transformed in f64, when the network is compiled; then outputs have powers
    /// of the points.
    #[test]
    fn transforms_in_f32_are_exact() {
        let is_exact = |matrix: &Matrix| matrix.iter().flatten().all(|&c| f64::from(c as f32) == c);
        for t in all() {
            assert!(is_exact(&t.input) && (is_exact(&t.filter) || is_exact(&t.output)));
        }
    }
}
