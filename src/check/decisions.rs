//! Operators that decide within: fused functions with comparisons, such as the gradient of a ReLU,
//! and gradients of maximum pools, which go to the largest element of a window.
//!
//! As at a jump ([`super::jumps`]), the interpreter takes the side that the compiled code took: it
//! decides by the compiled code's operands, where these are within the tolerance of its own or
//! rounding explains the difference, and computes everything else from its own.

use resnetc_ir::Op;
use resnetc_ir::eval::{EvalError, Value, eval_node};
use resnetc_ir::expression::{Expression, Step, Term};
use resnetc_ir::memory::copied;
use resnetc_ir::op::Binary;

use super::CheckError;
use super::slack::Slack;

/// What an operator decided.
#[derive(Debug)]
pub(super) enum Decided {
    /// The results of an expression's comparisons, in their order.
    Comparisons(Vec<Value>),
    /// What a pool looked at to find the largest elements.
    Pooled(Value),
}

/// Whether an operator decides by its operands what its result depends on.
pub(super) fn decides(op: &Op) -> bool {
    pools(op) || expression(op).is_some_and(|expression| comparisons(expression).next().is_some())
}

/// Whether an operator looks for the largest elements of windows: all that decides within before any
/// pass.
pub(super) fn pools(op: &Op) -> bool {
    matches!(op, Op::MaxPoolSource(_))
}

/// Gives the elements that the compiled code has for an operand, if they are known.
pub(super) type Found<'a> = dyn Fn(usize) -> Result<Option<Vec<f64>>, CheckError> + 'a;

impl Decided {
    /// What an operator decides, if it [`decides`] anything. `operands` are the interpreter's.
    pub(super) fn of(
        op: &Op,
        operands: &[&Value],
        found: &Found<'_>,
        slack: Slack<'_>,
    ) -> Result<Self, CheckError> {
        let near = |position: usize| -> Result<Option<Value>, CheckError> {
            let found = found(position)?;
            let own = operands[position];
            let near = found.map(|found| near(own, &found, slack.of(position, own)));
            Ok(near.transpose()?)
        };
        let Some(expression) = expression(op) else {
            let pooled = near(1)?.map_or_else(|| operands[1].copy(), Ok)?;
            return Ok(Decided::Pooled(pooled));
        };
        let near = (0..operands.len()).map(near).collect::<Result<Vec<_>, _>>()?;
        let near: Vec<&Value> =
            near.iter().zip(operands).map(|(near, own)| near.as_ref().unwrap_or(own)).collect();
        let truth = |(step, _): (usize, &Step)| {
            let steps = expression.steps[..=step].to_vec();
            let truth = Expression { steps, results: vec![Term::Step(step)] };
            let read = truth.operand_count();
            eval_node(&Op::Pointwise(truth), &near[..read])
        };
        let truths = comparisons(expression).map(truth).collect::<Result<_, _>>()?;
        Ok(Decided::Comparisons(truths))
    }

    /// What a pool's gradient decides by what was `found` for the pool's operand.
    pub(super) fn pooled(x: &Value, found: &[f64], slack: f64) -> Result<Self, EvalError> {
        near(x, found, slack).map(Decided::Pooled)
    }

    /// The operator's result for other operands and the same decisions.
    pub(super) fn result(&self, op: &Op, operands: &[&Value]) -> Result<Value, EvalError> {
        match (self, operands) {
            (Decided::Pooled(x), &[dy, ..]) => eval_node(op, &[dy, x]),
            (Decided::Comparisons(truths), _) => {
                let given = decided(op, operands.len());
                let all: Vec<&Value> = operands.iter().copied().chain(truths).collect();
                eval_node(&given, &all)
            }
            (Decided::Pooled(_), []) => eval_node(op, operands),
        }
    }

    /// What was decided, for [`super::choices`].
    pub(super) fn taken(&self) -> Result<Vec<Value>, EvalError> {
        let values = match self {
            Decided::Comparisons(truths) => &truths[..],
            Decided::Pooled(x) => std::slice::from_ref(x),
        };
        values.iter().map(|value| Ok(value.copy()?)).collect()
    }
}

fn expression(op: &Op) -> Option<&Expression> {
    match op {
        Op::Pointwise(expression) | Op::ChannelSums(expression) => Some(expression),
        _ => None,
    }
}

/// The comparisons of an expression, with their positions among the steps.
fn comparisons(expression: &Expression) -> impl Iterator<Item = (usize, &Step)> {
    let is_comparison = |(_, step): &(usize, &Step)| {
        matches!(step, Step::Binary(Binary::Equal | Binary::Less | Binary::LessOrEqual, _))
    };
    expression.steps.iter().enumerate().filter(is_comparison)
}

/// The operator with the results of its comparisons as operands after its own.
fn decided(op: &Op, operands: usize) -> Op {
    let Some(expression) = expression(op) else { return op.clone() };
    let at: Vec<usize> = comparisons(expression).map(|(step, _)| step).collect();
    let given = |term: &mut Term| {
        if let Term::Step(step) = *term
            && let Some(position) = at.iter().position(|&comparison| comparison == step)
        {
            *term = Term::Operand(operands + position);
        }
    };
    let mut changed = expression.clone();
    changed.steps.iter_mut().flat_map(Step::terms_mut).for_each(given);
    changed.results.iter_mut().for_each(given);
    match op {
        Op::ChannelSums(_) => Op::ChannelSums(changed),
        _ => Op::Pointwise(changed),
    }
}

/// The elements that were found, where they are near; its own elsewhere.
fn near(own: &Value, found: &[f64], slack: f64) -> Result<Value, EvalError> {
    let mut data = copied(&own.data)?;
    for (x, &found) in data.iter_mut().zip(found) {
        if (*x - found).abs() <= slack {
            *x = found;
        }
    }
    Ok(Value::of(own.dtype, own.shape.clone(), data))
}
