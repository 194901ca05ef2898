//! Functions that are expressions, and what is summed over channels.

use super::elements::filled;
use super::elementwise::{of_one, of_two};
use super::error::EvalError;
use super::value::Value;
use super::walk::{Walk, broadcast_strides};
use crate::DType;
use crate::expression::{Expression, Step, Term};
use crate::infer::broadcast;

/// Passes to `take`, for each element of the shape to which the operands broadcast, its position, the
/// operands' elements and the results of the steps, which give the [`value`] of every term.
pub(super) fn each(
    expression: &Expression,
    operands: &[&Value],
    shape: &[usize],
    mut take: impl FnMut(usize, &[f64], &[f64]),
) {
    let walk = |value: &&Value| Walk::new(shape, broadcast_strides(&value.shape, shape));
    let mut walks: Vec<Walk<'_>> = operands.iter().map(walk).collect();
    let (mut elements, mut steps) = (vec![0.0; operands.len()], Vec::new());
    for position in 0..shape.iter().product() {
        for ((element, operand), walk) in elements.iter_mut().zip(operands).zip(&mut walks) {
            *element = walk.next().map_or(f64::NAN, |at| operand.data[at]);
        }
        steps.clear();
        for step in &expression.steps {
            let of = |term| value(term, &elements, &steps);
            let result = match *step {
                Step::Unary(op, term) => of_one(op, of(term)),
                Step::Binary(op, [a, b]) => of_two(op, DType::F32, of(a), of(b)),
                Step::Where([condition, x, y]) if of(condition) != 0.0 => {
                    let _ = y;
                    of(x)
                }
                Step::Where([_, _, y]) => of(y),
            };
            steps.push(result);
        }
        take(position, &elements, &steps);
    }
}

/// The value of a term.
pub(super) fn value(term: Term, elements: &[f64], steps: &[f64]) -> f64 {
    match term {
        Term::Operand(position) => elements[position],
        Term::Step(step) => steps[step],
        Term::Number(number) => number.into(),
    }
}

/// The function of every element.
pub(super) fn pointwise(
    expression: &Expression,
    operands: &[&Value],
    shape: &[usize],
) -> Result<Vec<f64>, EvalError> {
    let mut all = filled(shape, 0.0)?;
    each(expression, operands, shape, |position, elements, steps| {
        all[position] = value(expression.results[0], elements, steps);
    });
    Ok(all)
}

/// The sums of each result over everything but the channels.
pub(super) fn channel_sums(
    expression: &Expression,
    operands: &[&Value],
) -> Result<Vec<f64>, EvalError> {
    summed(expression, operands, |row, elements, steps| {
        value(expression.results[row], elements, steps)
    })
}

/// The shape to which operands broadcast.
pub(super) fn common_shape(operands: &[&Value]) -> Vec<usize> {
    operands.iter().fold(Vec::new(), |shape, operand| {
        // Inference has checked that they do.
        broadcast(&shape, &operand.shape).unwrap_or(shape)
    })
}

/// For each result of an expression, one after the other, the sums of `of` it over everything but
/// the channels.
pub(super) fn summed(
    expression: &Expression,
    operands: &[&Value],
    mut of: impl FnMut(usize, &[f64], &[f64]) -> f64,
) -> Result<Vec<f64>, EvalError> {
    let shape = common_shape(operands);
    let (channels, inner): (usize, usize) = (shape[1], shape[2..].iter().product());
    let mut sums = filled(&[expression.results.len(), channels], 0.0)?;
    each(expression, operands, &shape, |position, elements, steps| {
        let channel = position / inner % channels;
        for row in 0..expression.results.len() {
            sums[row * channels + channel] += of(row, elements, steps);
        }
    });
    Ok(sums)
}

/// The mean and the biased variance of each channel.
pub(super) fn moments(x: &Value) -> Result<Vec<f64>, EvalError> {
    let (channels, inner): (usize, usize) = (x.shape[1], x.shape[2..].iter().product());
    let count = (x.data.len() / channels) as f64;
    let mut moments = filled(&[2, channels], 0.0)?;
    let (means, variances) = moments.split_at_mut(channels);
    let planes = || x.data.chunks_exact(inner).enumerate();
    planes().for_each(|(i, plane)| means[i % channels] += plane.iter().sum::<f64>());
    means.iter_mut().for_each(|mean| *mean /= count);
    for (i, plane) in planes() {
        let mean = means[i % channels];
        variances[i % channels] += plane.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    }
    variances.iter_mut().for_each(|variance| *variance /= count);
    Ok(moments)
}
