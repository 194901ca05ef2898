//! Shapes of functions that are expressions, and of what is summed over channels.

use super::activation::check_clip;
use super::broadcast::broadcast;
use super::error::{TypeError, fail};
use crate::elementwise::Unary;
use crate::expression::{Expression, Step, Term};

/// The shape to which the operands broadcast, after a check of the expression.
pub(super) fn broadcast_all(
    expression: &Expression,
    shapes: &[&[usize]],
) -> Result<Vec<usize>, TypeError> {
    check(expression)?;
    shapes.iter().try_fold(Vec::new(), |all: Vec<usize>, shape| broadcast(&all, shape))
}

/// A function of the operands' elements.
pub(super) fn pointwise(
    expression: &Expression,
    shapes: &[&[usize]],
) -> Result<Vec<usize>, TypeError> {
    match expression.results.len() {
        1 => broadcast_all(expression, shapes),
        count => fail(format!("the expression has {count} results, not 1")),
    }
}

/// A row of sums for each result of the expression.
pub(super) fn channel_sums(
    expression: &Expression,
    shapes: &[&[usize]],
) -> Result<Vec<usize>, TypeError> {
    let all = broadcast_all(expression, shapes)?;
    Ok(vec![expression.results.len(), channels(&all)?])
}

/// Mean and variance of each channel.
pub(super) fn moments(x: &[usize]) -> Result<Vec<usize>, TypeError> {
    Ok(vec![2, channels(x)?])
}

fn channels(shape: &[usize]) -> Result<usize, TypeError> {
    match shape.get(1) {
        Some(&channels) => Ok(channels),
        None => fail(format!("X {shape:?} has rank {}, channels are axis 1", shape.len())),
    }
}

fn check(expression: &Expression) -> Result<(), TypeError> {
    let Expression { steps, results } = expression;
    if steps.len() > Expression::MAX_STEPS {
        return fail(format!(
            "the expression has {} steps, the maximum is {}",
            steps.len(),
            Expression::MAX_STEPS
        ));
    }
    if results.is_empty() {
        return fail("the expression has no result".into());
    }
    if expression.operand_count() == 0 {
        return fail("the expression reads no operand".into());
    }
    let known = |before: usize, terms: &[Term]| {
        terms.iter().try_for_each(|term| match *term {
            Term::Step(step) if step >= before => {
                fail(format!("step {step} is read before it is computed"))
            }
            Term::Step(_) | Term::Operand(_) | Term::Number(_) => Ok(()),
        })
    };
    for (at, step) in steps.iter().enumerate() {
        known(at, step.terms())?;
        if let Step::Unary(Unary::Clip { lo, hi }, _) = *step {
            check_clip(lo, hi)?;
        }
    }
    known(steps.len(), results)
}
