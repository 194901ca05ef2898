//! Functions of single elements.

use resnetc_ir::op::{Activation, Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::scope::{Added, Gradients, Refusal, Scope};

/// The gradient before an activation, from that behind it: 0 where the result is at a limit, as in
/// PyTorch.
pub(super) fn through(activation: Activation, scope: &mut Scope<'_>) -> Added {
    match activation {
        Activation::None => Ok(scope.dy),
        Activation::Relu => inside(scope, 0.0, f32::INFINITY),
        Activation::Clip { lo, hi } => inside(scope, lo, hi),
    }
}

/// `dy` where the result is between limits, 0 where it is at one of them. NaN is at none.
fn inside(scope: &mut Scope<'_>, lo: f32, hi: f32) -> Added {
    let (y, zero) = (scope.y, scope.scalar(0.0));
    let mut gradient = scope.dy;
    for (limit, is_low) in [(lo, true), (hi, false)] {
        if limit.is_finite() {
            let limit = scope.scalar(limit);
            let (a, b) = if is_low { (y, limit) } else { (limit, y) };
            let is_beyond = scope.binary(Binary::LessOrEqual, a, b)?;
            gradient = scope.add(Op::Where, &[is_beyond, zero, gradient])?;
        }
    }
    Ok(gradient)
}

/// Functions of one operand.
pub(super) fn unary(scope: &mut Scope<'_>) -> Gradients {
    let Op::Unary(function) = scope.op() else { return Ok(Vec::new()) };
    let (x, y, dy) = (scope.operand(0), scope.y, scope.dy);
    let gradient = match function {
        Unary::Relu => inside(scope, 0.0, f32::INFINITY),
        Unary::Clip { lo, hi } => inside(scope, lo, hi),
        // dx = dy * y * (1 - y)
        Unary::Sigmoid => {
            let one = scope.scalar(1.0);
            let rest = scope.sub(one, y)?;
            let slope = scope.mul(y, rest)?;
            scope.mul(dy, slope)
        }
        // dx = dy * (1 - y^2)
        Unary::Tanh => {
            let (one, square) = (scope.scalar(1.0), scope.mul(y, y)?);
            let slope = scope.sub(one, square)?;
            scope.mul(dy, slope)
        }
        // dx = dy * 2 / sqrt(pi) * exp(-x^2)
        Unary::Erf => {
            let square = scope.mul(x, x)?;
            let negative = scope.scaled(square, -1.0)?;
            let bell = scope.add(Op::Unary(Unary::Exp), &[negative])?;
            let slope = scope.scaled(bell, std::f64::consts::FRAC_2_SQRT_PI)?;
            scope.mul(dy, slope)
        }
        // dx = dy * y
        Unary::Exp => scope.mul(dy, y),
        // dx = dy / x
        Unary::Log => scope.div(dy, x),
        // dx = dy / (2 * y)
        Unary::Sqrt => {
            let half = scope.scaled(dy, 0.5)?;
            scope.div(half, y)
        }
        // dx = dy * sign(x)
        Unary::Abs => {
            let sign = scope.add(Op::Unary(Unary::Sign), &[x])?;
            scope.mul(dy, sign)
        }
        Unary::Round | Unary::Floor | Unary::Ceil | Unary::Sign => return Ok(vec![None]),
    };
    Ok(vec![Some(gradient?)])
}

/// Functions of two operands, each of which may have been broadcast.
pub(super) fn binary(scope: &mut Scope<'_>) -> Gradients {
    let Op::Binary(function) = scope.op() else { return Ok(Vec::new()) };
    let dy = scope.dy;
    match function {
        Binary::Add => both(scope, |_| Ok(dy), |_| Ok(dy)),
        Binary::Sub => both(scope, |_| Ok(dy), |scope| scope.scaled(dy, -1.0)),
        // da = dy * b, db = dy * a
        Binary::Mul => {
            let (a, b) = (scope.operand(0), scope.operand(1));
            both(scope, |scope| scope.mul(dy, b), |scope| scope.mul(dy, a))
        }
        // da = dy / b, db = -dy * y / b
        Binary::Div => {
            let (y, b) = (scope.y, scope.operand(1));
            let of_divisor = |scope: &mut Scope<'_>| {
                let product = scope.mul(dy, y)?;
                let quotient = scope.div(product, b)?;
                scope.scaled(quotient, -1.0)
            };
            both(scope, |scope| scope.div(dy, b), of_divisor)
        }
        // To the larger one, to both in halves where they are equal.
        Binary::Max => {
            let (a, b) = (scope.operand(0), scope.operand(1));
            both(scope, |scope| share(scope, a, b), |scope| share(scope, b, a))
        }
        Binary::Pow => both(scope, of_base, of_exponent),
        Binary::Equal | Binary::Less | Binary::LessOrEqual => Ok(vec![None, None]),
    }
}

/// The gradients of both operands, each summed to its operand's shape.
fn both(
    scope: &mut Scope<'_>,
    first: impl FnOnce(&mut Scope<'_>) -> Added,
    second: impl FnOnce(&mut Scope<'_>) -> Added,
) -> Gradients {
    let shapes = [0, 1].map(|position| scope.shape(scope.operand(position)));
    let fit = |scope: &mut Scope<'_>, gradient: Added, shape: &[usize]| {
        let gradient = gradient?;
        scope.fitted(gradient, shape)
    };
    Ok(vec![
        scope.wanted(0, |scope| {
            let gradient = first(scope);
            fit(scope, gradient, &shapes[0])
        })?,
        scope.wanted(1, |scope| {
            let gradient = second(scope);
            fit(scope, gradient, &shapes[1])
        })?,
    ])
}

/// `dy` where `own` is larger than `other`, half of it where they are equal.
fn share(scope: &mut Scope<'_>, own: NodeId, other: NodeId) -> Added {
    let is_larger = scope.binary(Binary::Less, other, own)?;
    let is_equal = scope.binary(Binary::Equal, own, other)?;
    let half = scope.scaled(is_equal, 0.5)?;
    let part = scope.binary(Binary::Add, is_larger, half)?;
    let dy = scope.dy;
    scope.mul(dy, part)
}

/// `da = dy * b * a^(b - 1)`
fn of_base(scope: &mut Scope<'_>) -> Added {
    let (a, b, dy, one) = (scope.operand(0), scope.operand(1), scope.dy, scope.scalar(1.0));
    let exponent = scope.sub(b, one)?;
    let power = scope.binary(Binary::Pow, a, exponent)?;
    let slope = scope.mul(b, power)?;
    scope.mul(dy, slope)
}

/// `db = dy * y * log(a)`, and 0 for a base that is not positive.
fn of_exponent(scope: &mut Scope<'_>) -> Added {
    let (a, y, dy, zero) = (scope.operand(0), scope.y, scope.dy, scope.scalar(0.0));
    let log = scope.add(Op::Unary(Unary::Log), &[a])?;
    let slope = scope.mul(y, log)?;
    let gradient = scope.mul(dy, slope)?;
    let is_none = scope.binary(Binary::LessOrEqual, a, zero)?;
    scope.add(Op::Where, &[is_none, zero, gradient])
}

/// `dx` is `dy` where the condition holds, `dy` elsewhere goes to the other one.
pub(super) fn choose(scope: &mut Scope<'_>) -> Gradients {
    let (condition, dy) = (scope.operand(0), scope.dy);
    let mut gradients = vec![None];
    for position in [1, 2] {
        let shape = scope.shape(scope.operand(position));
        gradients.push(scope.wanted(position, |scope| {
            let zero = scope.scalar(0.0);
            let (x, y) = if position == 1 { (dy, zero) } else { (zero, dy) };
            let gradient = scope.add(Op::Where, &[condition, x, y])?;
            scope.fitted(gradient, &shape)
        })?);
    }
    Ok::<_, Refusal>(gradients)
}
