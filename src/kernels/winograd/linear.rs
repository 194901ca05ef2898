//! Small constant matrices times vectors of registers.

use crate::codegen::vir::{Arith, Builder, Inst, Integer, OverBudget, Program, Short, V};

use super::matrices::Matrix;

/// What registers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// f32.
    Floats,
    /// 32-bit integers.
    Integers,
    /// 16-bit integers.
    Shorts,
}

impl Numbers {
    /// `dst = a + c`.
    fn add(self, b: &mut Builder, dst: V, a: V, c: V) {
        match self {
            Numbers::Floats => b.arith(Arith::Add, dst, a, c),
            Numbers::Integers => b.integer(Integer::Add, dst, a, c),
            Numbers::Shorts => b.short(Short::Add, dst, a, c),
        }
    }

    /// `dst = a - c`.
    fn sub(self, b: &mut Builder, dst: V, a: V, c: V) {
        match self {
            Numbers::Floats => b.arith(Arith::Sub, dst, a, c),
            Numbers::Integers => b.integer(Integer::Sub, dst, a, c),
            Numbers::Shorts => b.short(Short::Sub, dst, a, c),
        }
    }

    /// `dst = n * value` by doubling and adding, for integers. `dst` is not `value`, and `n` is at
    /// least 1.
    fn times(self, b: &mut Builder, dst: V, n: u32, value: V) {
        let mut product = value;
        for bit in (0..n.ilog2()).rev() {
            self.add(b, dst, product, product);
            product = dst;
            if n >> bit & 1 == 1 {
                self.add(b, dst, dst, value);
            }
        }
        if product == value {
            b.push(Inst::Copy { dst, src: value });
        }
    }
}

/// Coefficients of floats that stay in registers for the whole program, as far as there are enough
/// registers. Those of integers are in the code.
pub(in crate::kernels) struct Constants {
    numbers: Numbers,
    held: Vec<(f32, V)>,
}

/// The program that `build` makes with as many coefficients of `matrix` in registers as it has
/// registers for.
///
/// # Errors
/// If it has not enough registers without any.
pub(in crate::kernels) fn with_most_held(
    matrix: &Matrix,
    build: impl Fn(&[f32]) -> Result<Program, OverBudget>,
) -> Result<Program, OverBudget> {
    let all = coefficients(matrix);
    let fewer = (0..all.len()).rev().map(|count| &all[..count]);
    let is_full =
        |program: &Result<Program, OverBudget>| matches!(program, Err(OverBudget::Vectors(_)));
    fewer.fold(build(&all), |program, held| if is_full(&program) { build(held) } else { program })
}

/// The coefficients that a matrix multiplies with, those that it has most often first.
fn coefficients(matrix: &Matrix) -> Vec<f32> {
    let mut counts: Vec<(f32, usize)> = Vec::new();
    for c in matrix.iter().flatten().map(|&c| c as f32).filter(|c| *c != 0.0 && c.abs() != 1.0) {
        match counts.iter_mut().find(|(known, _)| *known == c) {
            Some((_, count)) => *count += 1,
            None => counts.push((c, 1)),
        }
    }
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts.into_iter().map(|(c, _)| c).collect()
}

impl Constants {
    /// Loads coefficients. Call it before any loop.
    pub(in crate::kernels) fn held(b: &mut Builder, coefficients: &[f32]) -> Self {
        let held = coefficients.iter().map(|&c| {
            let register = b.vector();
            b.constant(register, c);
            (c, register)
        });
        Constants { numbers: Numbers::Floats, held: held.collect() }
    }

    /// Those of a matrix of integers.
    pub(super) fn integers(numbers: Numbers) -> Self {
        Constants { numbers, held: Vec::new() }
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
    /// Two rows that differ only in signs: they are `same + opposite` and `same - opposite`.
    Mirrored {
        /// The coefficients that the rows have in common.
        same: Vec<f64>,
        /// The coefficients that they have with opposite signs, with the signs of the first row.
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
    /// Whether the rows have a coefficient for an input.
    pub(super) fn reads(&self, input: usize) -> bool {
        match self {
            Group::One(row) => row[input] != 0.0,
            Group::Mirrored { same, opposite } => same[input] != 0.0 || opposite[input] != 0.0,
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        match self {
            Group::One(_) => 1,
            Group::Mirrored { .. } => 2,
        }
    }

    /// The products of the rows with `inputs`, in registers that the caller must release.
    pub(super) fn product(&self, b: &mut Builder, constants: &Constants, inputs: &[V]) -> Vec<V> {
        match self {
            Group::One(row) => {
                let sum = b.vector();
                combine(b, constants, sum, row, inputs);
                vec![sum]
            }
            Group::Mirrored { same, opposite } => {
                let [even, sum] = [b.vector(), b.vector()];
                combine(b, constants, even, same, inputs);
                let mut terms = opposite.iter().zip(inputs).filter(|t| *t.0 != 0.0);
                match (terms.next(), terms.next()) {
                    (Some((&c, &input)), None) => {
                        b.push(Inst::Copy { dst: sum, src: even });
                        add_term(b, constants, sum, c as f32, input);
                        add_term(b, constants, even, -c as f32, input);
                    }
                    _ => {
                        let odd = b.vector();
                        combine(b, constants, odd, opposite, inputs);
                        constants.numbers.add(b, sum, even, odd);
                        constants.numbers.sub(b, even, even, odd);
                        b.release([odd]);
                    }
                }
                vec![sum, even]
            }
        }
    }
}

/// Splits two rows into the coefficients that they have in common and those that have opposite
/// signs; `None` if they differ otherwise, or if one part would be empty.
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
    // Start with a term that needs no multiplication, and integers at least without a subtraction.
    terms.sort_by_key(|&(c, _)| match constants.numbers {
        _ if c == 1.0 => 0,
        Numbers::Integers | Numbers::Shorts if c < 0.0 => 2,
        _ => 1,
    });
    let Some((&(first, value), rest)) = terms.split_first() else {
        return b.constant(dst, 0.0);
    };
    match constants.numbers {
        _ if first == 1.0 => b.push(Inst::Copy { dst, src: value }),
        Numbers::Floats => {
            constants.with(b, first, |b, c| b.arith(Arith::Mul, dst, c, value));
        }
        numbers if first > 0.0 => numbers.times(b, dst, first as u32, value),
        _ => {
            b.constant(dst, 0.0);
            add_term(b, constants, dst, first, value);
        }
    }
    rest.iter().for_each(|&(c, value)| add_term(b, constants, dst, c, value));
}

/// `dst += c * value`.
fn add_term(b: &mut Builder, constants: &Constants, dst: V, c: f32, value: V) {
    let numbers = constants.numbers;
    match (c, numbers) {
        (1.0, _) => numbers.add(b, dst, dst, value),
        (-1.0, _) => numbers.sub(b, dst, dst, value),
        (_, Numbers::Floats) => constants.with(b, c, |b, c| b.multiply_add(dst, c, value)),
        _ => {
            let term = b.vector();
            numbers.times(b, term, c.abs() as u32, value);
            match c > 0.0 {
                true => numbers.add(b, dst, dst, term),
                false => numbers.sub(b, dst, dst, term),
            }
            b.release([term]);
        }
    }
}

/// A matrix applied to sums and differences of neighbouring inputs.
pub(super) struct Folded {
    /// The first of each pair of inputs that is replaced by their sum, the second by their
    /// difference.
    pub(super) pairs: Vec<usize>,
    /// The matrix for the replaced inputs.
    pub(super) matrix: Matrix,
}

impl Folded {
    /// Folds neighbouring columns that differ only in signs: their coefficients are then multiplied
    /// with a sum or a difference, once instead of twice. Only the first `present` columns count.
    pub(super) fn of(matrix: &[Vec<f64>], present: usize) -> Self {
        let matrix: Matrix = matrix.iter().map(|row| row[..present].to_vec()).collect();
        let mut folded = Folded { pairs: Vec::new(), matrix: matrix.clone() };
        let mut column = 0;
        while column + 1 < present {
            let pair = |row: &Vec<f64>| (row[column], row[column + 1]);
            let both = |sign: f64| matrix.iter().map(pair).any(|(a, b)| a != 0.0 && a == sign * b);
            if matrix.iter().map(pair).all(|(a, b)| a.abs() == b.abs()) && both(1.0) && both(-1.0) {
                folded.pairs.push(column);
                for row in &mut folded.matrix {
                    let zero = if row[column] == row[column + 1] { column + 1 } else { column };
                    row[column + 1] = row[column];
                    row[zero] = 0.0;
                }
                column += 1;
            }
            column += 1;
        }
        folded
    }

    /// Replaces the inputs.
    pub(super) fn fold(&self, b: &mut Builder, constants: &Constants, inputs: &mut [V]) {
        for &i in &self.pairs {
            let sum = b.vector();
            constants.numbers.add(b, sum, inputs[i], inputs[i + 1]);
            constants.numbers.sub(b, inputs[i + 1], inputs[i], inputs[i + 1]);
            b.release([inputs[i]]);
            inputs[i] = sum;
        }
    }
}

/// Multiplies a matrix with a vector whose first `present` elements exist, and passes each row's
/// product to `store` in a register that is valid only during that call.
pub(in crate::kernels) fn apply(
    b: &mut Builder,
    constants: &Constants,
    matrix: &[Vec<f64>],
    present: usize,
    load: impl Fn(&mut Builder, usize, V),
    mut store: impl FnMut(&mut Builder, usize, V),
) {
    let mut inputs = b.vectors(present);
    inputs.iter().enumerate().for_each(|(i, &register)| load(b, i, register));
    let folded = Folded::of(matrix, present);
    folded.fold(b, constants, &mut inputs);
    let mut row = 0;
    for group in groups(&folded.matrix, present) {
        for value in group.product(b, constants, &inputs) {
            store(b, row, value);
            b.release([value]);
            row += 1;
        }
    }
    b.release(inputs);
}
