//! Small constant matrices times vectors of registers.

use crate::codegen::vir::{Arith, Builder, Inst, V};

use super::matrices::Matrix;

/// Registers that a product takes beside its inputs, its results and what its caller holds.
const TEMPORARIES: usize = 12;

/// Coefficients that stay in registers for the length of a program, as far as there are registers for them.
pub(super) struct Constants {
    held: Vec<(f32, V)>,
}

impl Constants {
    /// Loads the coefficients of `matrix`. Call it before any loop.
    pub(super) fn of(b: &mut Builder, matrix: &Matrix) -> Self {
        let room = b.target().vectors.saturating_sub(TEMPORARIES + matrix[0].len());
        let mut distinct: Vec<f32> = Vec::new();
        for &c in matrix.iter().flatten() {
            let c = c as f32;
            if c != 0.0 && c.abs() != 1.0 && !distinct.contains(&c) {
                distinct.push(c);
            }
        }
        let held = distinct.into_iter().take(room).map(|c| {
            let register = b.vector();
            b.constant(register, c);
            (c, register)
        });
        Constants { held: held.collect() }
    }

    /// Runs `body` with a register that holds `c`.
    fn with(&self, b: &mut Builder, c: f32, body: impl FnOnce(&mut Builder, V)) {
        if let Some(&(_, register)) = self.held.iter().find(|&&(held, _)| held == c) {
            return body(b, register);
        }
        let register = b.vector();
        b.constant(register, c);
        body(b, register);
        b.release([register]);
    }
}

/// Rows of a matrix that are computed together.
pub(super) enum Group {
    /// One row.
    One(Vec<f64>),
    /// Two rows that differ in signs only: their sum and difference are `same + opposite` and `same - opposite`.
    Mirrored {
        /// What the rows have in common.
        same: Vec<f64>,
        /// What they have with opposite signs, as it stands in the first.
        opposite: Vec<f64>,
    },
}

/// The rows of a matrix in order, of which only the first `present` columns count.
pub(super) fn groups(matrix: &Matrix, present: usize) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut row = 0;
    while row < matrix.len() {
        let first = &matrix[row][..present];
        let pair = matrix.get(row + 1).and_then(|second| mirrored(first, &second[..present]));
        match pair {
            Some((same, opposite)) => groups.push(Group::Mirrored { same, opposite }),
            None => groups.push(Group::One(first.to_vec())),
        }
        row += groups.last().map_or(1, Group::rows);
    }
    groups
}

impl Group {
    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        match self {
            Group::One(_) => 1,
            Group::Mirrored { .. } => 2,
        }
    }

    /// The products of the rows with `inputs`, in registers that are the caller's to release.
    pub(super) fn product(&self, b: &mut Builder, constants: &Constants, inputs: &[V]) -> Vec<V> {
        match self {
            Group::One(row) => {
                let sum = b.vector();
                combine(b, constants, sum, row, inputs);
                vec![sum]
            }
            Group::Mirrored { same, opposite } => {
                let [even, odd, sum] = [b.vector(), b.vector(), b.vector()];
                combine(b, constants, even, same, inputs);
                combine(b, constants, odd, opposite, inputs);
                b.arith(Arith::Add, sum, even, odd);
                b.arith(Arith::Sub, even, even, odd);
                b.release([odd]);
                vec![sum, even]
            }
        }
    }
}

/// Splits two rows into what they have in common and what they have with opposite signs; `None` if they differ
/// otherwise, or if one part would be empty.
fn mirrored(first: &[f64], second: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let pick = |sign: f64| -> Vec<f64> {
        first.iter().zip(second).map(|(&a, &b)| if a == sign * b { a } else { 0.0 }).collect()
    };
    let (same, opposite) = (pick(1.0), pick(-1.0));
    let whole = first.iter().zip(&same).zip(&opposite).all(|((&a, &s), &o)| a == s || a == o);
    let filled = |part: &[f64]| part.iter().any(|&c| c != 0.0);
    (whole && filled(&same) && filled(&opposite)).then_some((same, opposite))
}

/// `dst = sum(coefficients[i] * inputs[i])`.
fn combine(b: &mut Builder, constants: &Constants, dst: V, coefficients: &[f64], inputs: &[V]) {
    let mut terms: Vec<(f32, V)> = coefficients
        .iter()
        .map(|&c| c as f32)
        .zip(inputs.iter().copied())
        .filter(|t| t.0 != 0.0)
        .collect();
    // A term that needs no multiplication makes the best start.
    terms.sort_by_key(|t| t.0 != 1.0);
    let Some((&(first, value), rest)) = terms.split_first() else {
        return b.constant(dst, 0.0);
    };
    match first == 1.0 {
        true => b.push(Inst::Copy { dst, src: value }),
        false => constants.with(b, first, |b, c| b.arith(Arith::Mul, dst, c, value)),
    }
    for &(c, value) in rest {
        match c {
            1.0 => b.arith(Arith::Add, dst, dst, value),
            -1.0 => b.arith(Arith::Sub, dst, dst, value),
            _ => constants.with(b, c, |b, c| b.multiply_add(dst, c, value)),
        }
    }
}
