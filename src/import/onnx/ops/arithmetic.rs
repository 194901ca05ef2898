//! Element-wise arithmetic. Constants are folded, in f64 for floats and exactly for integers; at
//! run time only some of the operators exist.

use resnetc_ir::Op;
use resnetc_ir::memory::collected;
use resnetc_ir::op::{Binary, Unary};

use super::logic;
use super::powers::power;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::literal::{Data, Literal, elements};
use crate::import::onnx::movement::{Walk, broadcast_shape};

/// What an operator of two operands does to constants; a comparison gives 0 or 1, whatever its
/// operands' type.
struct Two {
    op: &'static str,
    float: Float,
    /// `None` if the result does not exist or does not fit.
    int: fn(i64, i64) -> Option<i64>,
}

enum Float {
    Number(fn(f64, f64) -> f64),
    Truth(fn(f64, f64) -> bool),
    Refused,
}

const TWO: &[Two] = &[
    Two { op: "Add", float: Float::Number(|a, b| a + b), int: i64::checked_add },
    Two { op: "Sub", float: Float::Number(|a, b| a - b), int: i64::checked_sub },
    Two { op: "Mul", float: Float::Number(|a, b| a * b), int: i64::checked_mul },
    Two { op: "Div", float: Float::Number(|a, b| a / b), int: i64::checked_div },
    Two {
        op: "Pow",
        float: Float::Number(libm::pow),
        int: |a, b| a.checked_pow(u32::try_from(b).ok()?),
    },
    Two { op: "Mod", float: Float::Number(floor_mod_float), int: floor_mod },
    Two { op: "Min", float: Float::Number(lesser), int: |a, b| Some(a.min(b)) },
    Two { op: "Max", float: Float::Number(greater), int: |a, b| Some(a.max(b)) },
    Two { op: "Equal", float: Float::Truth(|a, b| a == b), int: |a, b| Some((a == b).into()) },
    Two { op: "Less", float: Float::Truth(|a, b| a < b), int: |a, b| Some((a < b).into()) },
    Two {
        op: "LessOrEqual",
        float: Float::Truth(|a, b| a <= b),
        int: |a, b| Some((a <= b).into()),
    },
    Two { op: "Greater", float: Float::Truth(|a, b| a > b), int: |a, b| Some((a > b).into()) },
    Two {
        op: "GreaterOrEqual",
        float: Float::Truth(|a, b| a >= b),
        int: |a, b| Some((a >= b).into()),
    },
    Two { op: "And", float: Float::Refused, int: |a, b| Some((a != 0 && b != 0).into()) },
    Two { op: "Or", float: Float::Refused, int: |a, b| Some((a != 0 || b != 0).into()) },
    Two { op: "Xor", float: Float::Refused, int: |a, b| Some(((a != 0) != (b != 0)).into()) },
];

/// `Mod` with the attribute `fmod`: the sign of the result is that of the dividend.
const TRUNCATED_MOD: Two =
    Two { op: "Mod", float: Float::Number(|a, b| a % b), int: i64::checked_rem };

/// The result has the sign of the divisor, unlike `%`, even if it is 0.
fn floor_mod_float(a: f64, b: f64) -> f64 {
    match a % b {
        0.0 => 0f64.copysign(b),
        rest if (rest < 0.0) != (b < 0.0) => rest + b,
        rest => rest,
    }
}

/// The result has the sign of the divisor, unlike `%`.
fn floor_mod(a: i64, b: i64) -> Option<i64> {
    let rest = a.checked_rem(b)?;
    if rest != 0 && (rest < 0) != (b < 0) { Some(rest + b) } else { Some(rest) }
}

/// NaN wins, unlike in `f64::min`.
fn lesser(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

fn greater(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// 0 for zeros of either sign, NaN for NaN, unlike `f64::signum`.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// What an operator of one operand does to constants.
struct One {
    op: &'static str,
    float: Option<fn(f64) -> f64>,
    int: Option<fn(i64) -> Option<i64>>,
    /// What it is at run time.
    run: Option<Unary>,
}

const ONE: &[One] = &[
    One { op: "Abs", float: Some(f64::abs), int: Some(i64::checked_abs), run: Some(Unary::Abs) },
    One { op: "Neg", float: Some(|x| -x), int: Some(i64::checked_neg), run: None },
    One { op: "Floor", float: Some(f64::floor), int: None, run: Some(Unary::Floor) },
    One { op: "Ceil", float: Some(f64::ceil), int: None, run: Some(Unary::Ceil) },
    One { op: "Sign", float: Some(sign), int: Some(|x| Some(x.signum())), run: Some(Unary::Sign) },
    One { op: "Round", float: Some(f64::round_ties_even), int: None, run: Some(Unary::Round) },
    One { op: "Sqrt", float: Some(f64::sqrt), int: None, run: Some(Unary::Sqrt) },
    One { op: "Exp", float: Some(libm::exp), int: None, run: Some(Unary::Exp) },
    One { op: "Log", float: Some(libm::log), int: None, run: Some(Unary::Log) },
    One { op: "Tanh", float: Some(libm::tanh), int: None, run: Some(Unary::Tanh) },
    One { op: "Reciprocal", float: Some(f64::recip), int: None, run: None },
    One { op: "Not", float: None, int: Some(|x| Some((x == 0).into())), run: None },
];

/// An operator of two operands.
pub(super) fn binary(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    if let Some(known) = call.all_known() {
        let [a, b] = known[..] else { return Err("two operands are needed".into()) };
        return Ok(vec![Value::Known(fold_two(builder, call, a, b)?)]);
    }
    let op = match call.op() {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => return power(builder, call),
        "Mod" => return Err("the operator is supported between constants only".into()),
        _ => return logic::binary(builder, call),
    };
    let operands = [builder.operand(call, 0)?, builder.operand(call, 1)?];
    builder.finish(call, Op::Binary(op), &operands)
}

/// The result of the call's operator on two constants.
pub(super) fn fold_two(
    builder: &mut Builder,
    call: &Call<'_>,
    a: &Literal,
    b: &Literal,
) -> Result<Literal> {
    let Some(two) = TWO.iter().find(|two| two.op == call.op()) else {
        return Err("the operator is not supported between constants".into());
    };
    let two = match call.op() == "Mod" && call.flag("fmod", false)? {
        true => &TRUNCATED_MOD,
        false => two,
    };
    let shape = broadcast_shape(&a.shape, &b.shape)?;
    let count = elements(&shape)?;
    builder.claim(count)?;
    let pairs = Walk::broadcast(&a.shape, &shape).zip(Walk::broadcast(&b.shape, &shape));
    let (a, b) = (a.widened()?, b.widened()?);
    match (&a.data, &b.data) {
        (Data::Int(x), Data::Int(y)) => {
            let result: Option<Vec<i64>> = pairs.map(|(i, j)| (two.int)(x[i], y[j])).collect();
            let result = result.ok_or("integer overflow, or division by zero")?;
            Ok(Literal::ints(shape, result)?)
        }
        (Data::Float(x), Data::Float(y)) => {
            let (x, y) = (x.try_data()?, y.try_data()?);
            let pairs = pairs.map(|(i, j)| (f64::from(x[i]), f64::from(y[j])));
            match two.float {
                Float::Number(f) => {
                    Ok(Literal::floats(shape, collected(pairs.map(|(a, b)| f(a, b) as f32))?)?)
                }
                Float::Truth(f) => {
                    Ok(Literal::ints(shape, collected(pairs.map(|(a, b)| f(a, b).into()))?)?)
                }
                Float::Refused => Err("the operator is not defined for floats".into()),
            }
        }
        _ => Err("one operand is integer, the other float".into()),
    }
}

/// An operator of one operand.
pub(super) fn unary(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    match call.required(0)? {
        Value::Known(x) => {
            builder.claim(x.len())?;
            Ok(vec![Value::Known(fold_one(call, x)?)])
        }
        Value::Node(x) => {
            if let Some(op) = ONE.iter().find(|one| one.op == call.op()).and_then(|one| one.run) {
                return builder.finish(call, Op::Unary(op), &[*x]);
            }
            let (op, constant) = match call.op() {
                "Neg" => (Binary::Mul, -1.0),
                "Reciprocal" => (Binary::Div, 1.0),
                "Not" => return logic::not(builder, call),
                _ => return Err("the operator is supported on constants only".into()),
            };
            let constant = builder.scalar(call, constant);
            let operands = if op == Binary::Div { [constant, *x] } else { [*x, constant] };
            builder.finish(call, Op::Binary(op), &operands)
        }
    }
}

fn fold_one(call: &Call<'_>, x: &Literal) -> Result<Literal> {
    let one = ONE.iter().find(|one| one.op == call.op());
    let shape = x.shape.clone();
    match (&x.widened()?.data, one.and_then(|o| o.float), one.and_then(|o| o.int)) {
        (Data::Float(t), Some(f), _) => Ok(Literal::floats(
            shape,
            collected(t.try_data()?.iter().map(|&x| f(x.into()) as f32))?,
        )?),
        (Data::Int(v), _, Some(f)) => {
            let result: Option<Vec<i64>> = v.iter().map(|&x| f(x)).collect();
            Ok(Literal::ints(shape, result.ok_or("integer overflow")?)?)
        }
        _ => Err("the operator is not defined for this element type".into()),
    }
}
