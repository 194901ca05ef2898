//! How long sums are added up.

/// How long sums are added up.
///
/// The rounding error of a sum grows with the size of what it has added up to so far. So a long sum
/// can be computed in parts, each of which starts from zero. With `b` terms in a part, the expected
/// error of a sum of `n` terms of random signs falls from `sqrt(n)` to `sqrt(b + n / b)`, in units of
/// the same size (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Summation {
    /// One term after the other: saving a part takes about as long as two terms.
    #[default]
    Chain,
    /// In parts. Matrix products and images of one pixel always are: they wait for memory, so it
    /// costs nothing, and their sums are long and often the last of a network. For other images it
    /// takes one or two percent of the time, and their errors cancel in part where pixels are
    /// averaged: outputs of ResNets err by a tenth less.
    Parts,
}

/// The maximum number of terms of a part.
pub const MOST_TERMS: usize = 128;

impl Summation {
    /// Whether a sum of this many terms is computed in parts.
    pub fn is_in_parts(self, terms: usize) -> bool {
        self == Summation::Parts && terms > MOST_TERMS
    }
}
