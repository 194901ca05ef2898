//! What rounding does to a function of several steps.
//!
//! A step is rounded relative to its result, and the steps after it enlarge that, or make it small.
//! So beside each step's result goes the sum of the magnitudes of everything that was rounded on the
//! way to it, each as far as the step depends on it: a running error analysis (Higham, Accuracy and
//! Stability of Numerical Algorithms, 3.3).

use super::elements::filled;
use super::error::EvalError;
use super::expression::{common_shape, each, summed, value};
use super::value::Value;
use crate::expression::{Expression, Step, Term};
use crate::op::{Binary, Op, Unary};

/// For each element of the result of an expression, the sum of the magnitudes of everything that is
/// rounded on the way to it: times the error of one rounding, this bounds the error of the element,
/// to first order. `None` for operators that are no expressions.
///
/// # Errors
/// If the value does not fit into memory.
pub fn eval_rounding(op: &Op, operands: &[&Value]) -> Result<Option<Value>, EvalError> {
    let shape = common_shape(operands);
    let mut errors = Vec::new();
    Ok(match op {
        Op::Pointwise(expression) => {
            let mut all = filled(&shape, 0.0)?;
            each(expression, operands, &shape, |position, elements, steps| {
                running(expression, elements, steps, &mut errors);
                all[position] = error(expression.results[0], &errors);
            });
            Some(Value::new(shape, all))
        }
        Op::ChannelSums(expression) => {
            // What is added up is rounded once more in the sum.
            let sums = summed(expression, operands, |row, elements, steps| {
                if row == 0 {
                    running(expression, elements, steps, &mut errors);
                }
                let result = expression.results[row];
                error(result, &errors) + value(result, elements, steps).abs()
            })?;
            Some(Value::new(vec![expression.results.len(), shape[1]], sums))
        }
        _ => None,
    })
}

/// What was rounded on the way to a term. Operands and numbers are exact.
fn error(term: Term, errors: &[f64]) -> f64 {
    match term {
        Term::Step(step) => errors[step],
        Term::Operand(_) | Term::Number(_) => 0.0,
    }
}

/// What was rounded on the way to each step, from the results of all.
fn running(expression: &Expression, elements: &[f64], steps: &[f64], errors: &mut Vec<f64>) {
    errors.clear();
    for (step, &result) in expression.steps.iter().zip(steps) {
        let of = |term| value(term, elements, steps);
        let by = |term| error(term, errors);
        let error = match *step {
            Step::Unary(op, x) => of_one(op, of(x), by(x), result),
            Step::Binary(op, [a, b]) => of_two(op, [of(a), of(b)], [by(a), by(b)], result),
            Step::Where([condition, x, _]) if of(condition) != 0.0 => by(x),
            Step::Where([_, _, y]) => by(y),
        };
        errors.push(error);
    }
}

/// An error times the slope with which a function goes on. What is exact stays so at a pole.
fn times(error: f64, slope: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error * slope.abs() }
}

fn of_one(op: Unary, x: f64, error: f64, result: f64) -> f64 {
    let slope = match op {
        Unary::Relu | Unary::Clip { .. } | Unary::Abs => return error,
        // These jump; between their jumps they are exact.
        Unary::Round | Unary::Floor | Unary::Ceil | Unary::Sign => return 0.0,
        Unary::Sigmoid => result * (1.0 - result),
        Unary::Tanh => 1.0 - result * result,
        Unary::Erf => std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-x * x),
        Unary::Exp => result,
        Unary::Log => 1.0 / x,
        Unary::Sqrt => 0.5 / result,
    };
    times(error, slope) + result.abs()
}

fn of_two(op: Binary, [a, b]: [f64; 2], errors: [f64; 2], result: f64) -> f64 {
    let slopes = match op {
        Binary::Add | Binary::Sub => [1.0, 1.0],
        Binary::Mul => [b, a],
        Binary::Div => [1.0 / b, result / b],
        Binary::Pow => [b * result / a, result * libm::log(a)],
        Binary::Max => return errors[0].max(errors[1]),
        Binary::Equal | Binary::Less | Binary::LessOrEqual => return 0.0,
    };
    times(errors[0], slopes[0]) + times(errors[1], slopes[1]) + result.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(a + b) - b`, and that over its own magnitude.
    fn cancelling() -> Expression {
        let sum = Step::Binary(Binary::Add, [Term::Operand(0), Term::Operand(1)]);
        let back = Step::Binary(Binary::Sub, [Term::Step(0), Term::Operand(1)]);
        let ratio = Step::Binary(Binary::Div, [Term::Step(1), Term::Number(0.25)]);
        Expression { steps: vec![sum, back, ratio], results: vec![Term::Step(1), Term::Step(2)] }
    }

    #[test]
    fn what_cancels_was_as_large_as_its_terms() {
        let (a, b) = (Value::new([1], vec![0.5]), Value::new([1], vec![1000.0]));
        let rounded = eval_rounding(&Op::Pointwise(cancelling()), &[&a, &b]);
        assert_eq!(rounded.expect("fits").expect("is one").data, [1000.5 + 0.5]);
    }

    #[test]
    fn a_sum_adds_what_its_terms_were_rounded_by_and_their_magnitudes() {
        let a = Value::new([2, 1, 1, 1], vec![0.5, -0.5]);
        let b = Value::new([1], vec![1000.0]);
        let rounded = eval_rounding(&Op::ChannelSums(cancelling()), &[&a, &b]);
        let rounded = rounded.expect("fits").expect("is one");
        let back = 1000.5 + 0.5 + 0.5 + 999.5 + 0.5 + 0.5;
        // Its quotients are rounded once more, and added.
        assert_eq!(rounded.data, [back, 4.0 * (back - 1.0) + 2.0 * (2.0 + 2.0)]);
        assert_eq!(rounded.shape, [2, 1]);
    }

    #[test]
    fn other_operators_are_no_expressions() {
        let x = Value::new([1], vec![0.5]);
        assert_eq!(eval_rounding(&Op::Unary(Unary::Sqrt), &[&x]), Ok(None));
    }
}
