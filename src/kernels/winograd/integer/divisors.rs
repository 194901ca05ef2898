//! The rows of the output's transform as integers, and exact division by what they are multiples of.

use super::super::matrices::Matrix;

/// A row of the output's transform.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OutputRow {
    /// Integer coefficients.
    pub(super) row: Vec<f64>,
    /// What they are multiples of.
    pub(super) divisor: u32,
}

/// What a transform's result is divided by, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Divisor {
    /// The inverse of the odd part, modulo 2^32.
    pub(super) inverse: u32,
    /// The exponent of the power of two.
    pub(super) shift: u8,
}

impl Divisor {
    pub(super) fn of(divisor: u32) -> Self {
        let shift = divisor.trailing_zeros();
        let odd = divisor >> shift;
        // Newton's iteration doubles the number of bits that are right, beginning with three.
        let inverse =
            (0..4).fold(odd, |x, _| x.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(x))));
        Divisor { inverse, shift: shift as u8 }
    }
}

/// The largest divisor that is tried: beyond any of the transforms here.
const MOST: u32 = 64;

impl OutputRow {
    pub(super) fn of(row: &[f64]) -> Option<Self> {
        let scaled = |d: u32| row.iter().map(move |c| c * f64::from(d));
        let is_integer = |c: f64| (c - c.round()).abs() < 1e-9;
        let divisor = (1..=MOST).find(|&d| scaled(d).all(is_integer))?;
        Some(OutputRow { row: scaled(divisor).map(f64::round).collect(), divisor })
    }

    pub(super) fn all(matrix: &Matrix) -> Option<Vec<Self>> {
        matrix.iter().map(|row| OutputRow::of(row)).collect()
    }
}
