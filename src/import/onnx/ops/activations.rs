//! Activations that are made of others: piecewise ones from [`Unary::Relu`] and [`Unary::Clip`], smooth ones from the
//! exponential and its kin.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};

/// The negative part of a value, 0 elsewhere.
const NEGATIVE: Unary = Unary::Clip { lo: f32::NEG_INFINITY, hi: 0.0 };

fn one(node: NodeId) -> Result<Vec<Value>> {
    Ok(vec![Value::Node(node)])
}

/// Operators that are one function of the graph.
pub(super) fn function(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let function = match call.op() {
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        _ => Unary::Erf,
    };
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::Unary(function), &[x])
}

/// `LeakyRelu`: the positive part, and the negative part at a slope.
pub(super) fn leaky_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let alpha = call.finite_or("alpha", 0.01)?;
    let slope = builder.scalar(call, alpha);
    one(bent(builder, call, x, slope)?)
}

/// `PRelu`: the slope is an operand.
pub(super) fn prelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (x, slope) = (builder.operand(call, 0)?, builder.operand(call, 1)?);
    let shape = builder.shape_of(x);
    let bent = bent(builder, call, x, slope)?;
    match builder.shape_of(bent) == shape {
        true => one(bent),
        false => Err("its slope has a larger shape than its input".into()),
    }
}

fn bent(builder: &mut Builder, call: &Call<'_>, x: NodeId, slope: NodeId) -> Result<NodeId> {
    let positive = builder.unary(call, Unary::Relu, x)?;
    let negative = builder.unary(call, NEGATIVE, x)?;
    let negative = builder.binary(call, Binary::Mul, negative, slope)?;
    builder.binary(call, Binary::Add, positive, negative)
}

/// `Elu`, `Selu` and `Celu`: the positive part, and `alpha * (exp(x / rate) - 1)` where negative.
pub(super) fn elu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let alpha = call.finite_or("alpha", if call.op() == "Selu" { 1.673_263_2 } else { 1.0 })?;
    let (rate, gamma) = match call.op() {
        "Celu" if alpha == 0.0 => return bad("alpha", "is 0, by which nothing can be divided"),
        "Celu" => (alpha, 1.0),
        "Selu" => (1.0, call.finite_or("gamma", 1.050_701)?),
        _ => (1.0, 1.0),
    };
    let x = builder.operand(call, 0)?;
    let positive = builder.unary(call, Unary::Relu, x)?;
    let negative = builder.unary(call, NEGATIVE, x)?;
    let negative = match rate {
        1.0 => negative,
        rate => builder.with_number(call, Binary::Div, negative, rate)?,
    };
    let power = builder.unary(call, Unary::Exp, negative)?;
    let below = builder.with_number(call, Binary::Sub, power, 1.0)?;
    let below = builder.with_number(call, Binary::Mul, below, alpha)?;
    let sum = builder.binary(call, Binary::Add, positive, below)?;
    match gamma {
        1.0 => one(sum),
        gamma => one(builder.with_number(call, Binary::Mul, sum, gamma)?),
    }
}

/// `HardSigmoid`.
pub(super) fn hard_sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (alpha, beta) = (call.finite_or("alpha", 0.2)?, call.finite_or("beta", 0.5)?);
    let x = builder.operand(call, 0)?;
    one(hard_gate(builder, call, x, alpha, beta)?)
}

/// `HardSwish`: the value times a hard sigmoid of it.
pub(super) fn hard_swish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let gate = hard_gate(builder, call, x, 1.0 / 6.0, 0.5)?;
    one(builder.binary(call, Binary::Mul, x, gate)?)
}

fn hard_gate(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    alpha: f32,
    beta: f32,
) -> Result<NodeId> {
    let line = builder.with_number(call, Binary::Mul, x, alpha)?;
    let line = builder.with_number(call, Binary::Add, line, beta)?;
    builder.unary(call, Unary::Clip { lo: 0.0, hi: 1.0 }, line)
}

/// `Swish`, also called SiLU: the value times a sigmoid of it.
pub(super) fn swish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let scaled = match call.finite_or("alpha", 1.0)? {
        1.0 => x,
        alpha => builder.with_number(call, Binary::Mul, x, alpha)?,
    };
    let gate = builder.unary(call, Unary::Sigmoid, scaled)?;
    one(builder.binary(call, Binary::Mul, x, gate)?)
}

/// `Softplus`.
pub(super) fn softplus(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    one(log_one_plus_exp(builder, call, x)?)
}

/// `log(1 + exp(x))` as `max(x, 0) + log(1 + exp(-|x|))`, whose exponential does not overflow.
fn log_one_plus_exp(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let positive = builder.unary(call, Unary::Relu, x)?;
    let magnitude = builder.unary(call, Unary::Abs, x)?;
    let negative = builder.with_number(call, Binary::Mul, magnitude, -1.0)?;
    let power = builder.unary(call, Unary::Exp, negative)?;
    let sum = builder.with_number(call, Binary::Add, power, 1.0)?;
    let log = builder.unary(call, Unary::Log, sum)?;
    builder.binary(call, Binary::Add, positive, log)
}

/// `Mish`: the value times the hyperbolic tangent of its softplus.
pub(super) fn mish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let plus = log_one_plus_exp(builder, call, x)?;
    let gate = builder.unary(call, Unary::Tanh, plus)?;
    one(builder.binary(call, Binary::Mul, x, gate)?)
}

/// `Softsign`: `x / (1 + |x|)`.
pub(super) fn softsign(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let magnitude = builder.unary(call, Unary::Abs, x)?;
    let divisor = builder.with_number(call, Binary::Add, magnitude, 1.0)?;
    builder.finish(call, Op::Binary(Binary::Div), &[x, divisor])
}

/// `Gelu`: `x / 2 * (1 + erf(x / sqrt 2))`, or its approximation by a hyperbolic tangent.
pub(super) fn gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let bend = match call.string("approximate")? {
        None | Some("none") => {
            let scaled =
                builder.with_number(call, Binary::Mul, x, std::f32::consts::FRAC_1_SQRT_2)?;
            builder.unary(call, Unary::Erf, scaled)?
        }
        Some("tanh") => {
            let square = builder.binary(call, Binary::Mul, x, x)?;
            let cubic = builder.with_number(call, Binary::Mul, square, 0.044_715)?;
            let slope = builder.with_number(call, Binary::Add, cubic, 1.0)?;
            let line = builder.binary(call, Binary::Mul, x, slope)?;
            let root = (2.0 / std::f32::consts::PI).sqrt();
            let scaled = builder.with_number(call, Binary::Mul, line, root)?;
            builder.unary(call, Unary::Tanh, scaled)?
        }
        Some(other) => return bad("approximate", format!("\"{other}\" is unknown")),
    };
    let gate = builder.with_number(call, Binary::Add, bend, 1.0)?;
    let half = builder.with_number(call, Binary::Mul, x, 0.5)?;
    one(builder.binary(call, Binary::Mul, half, gate)?)
}
