//! Activations composed of other operators: piecewise ones from [`Unary::Relu`] and
//! [`Unary::Clip`], smooth ones from the exponential and related functions.

use std::sync::Arc;

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op, Tensor};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};

/// The negative part of a value, 0 elsewhere.
const NEGATIVE: Unary = Unary::Clip { lo: f32::NEG_INFINITY, hi: 0.0 };

fn one(node: NodeId) -> Result<Vec<Value>> {
    Ok(vec![Value::Node(node)])
}

/// Operators that are a single function of the graph.
pub(super) fn function(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let function = match call.op() {
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        _ => Unary::Erf,
    };
    let x = builder.operand(call, 0)?;
    builder.finish(call, Op::Unary(function), &[x])
}

/// `LeakyRelu`: the positive part, and the negative part times a slope.
pub(super) fn leaky_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let alpha = call.finite_or("alpha", 0.01)?;
    one(leaky(builder, call, x, alpha)?)
}

/// The value where it is positive, and `alpha` times the value where it is negative.
pub(super) fn leaky(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    alpha: f32,
) -> Result<NodeId> {
    let slope = builder.scalar(call, alpha);
    bent(builder, call, x, slope)
}

/// `PRelu`: the slope is an operand. It broadcasts like every operand, even where that makes the
/// result larger: converters write one-dimensional slopes, which do so on images of one pixel.
pub(super) fn prelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (x, slope) = (builder.operand(call, 0)?, builder.operand(call, 1)?);
    one(bent(builder, call, x, slope)?)
}

fn bent(builder: &mut Builder, call: &Call<'_>, x: NodeId, slope: NodeId) -> Result<NodeId> {
    let is_finite = |slope: &Arc<Tensor>| slope.data().iter().all(|x| x.is_finite());
    if !builder.graph.constant_of(slope).is_some_and(is_finite) {
        // An infinite slope times 0 would be NaN.
        let is_negative = builder.with_number(call, Binary::Less, x, 0.0)?;
        let negative = builder.binary(call, Binary::Mul, x, slope)?;
        return builder.add(call, Op::Where, &[is_negative, negative, x]);
    }
    let positive = builder.unary(call, Unary::Relu, x)?;
    let negative = builder.unary(call, NEGATIVE, x)?;
    let negative = builder.binary(call, Binary::Mul, negative, slope)?;
    builder.binary(call, Binary::Add, positive, negative)
}

/// `gamma * x` where positive, and `gamma * alpha * (exp(x / rate) - 1)` where negative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elu {
    pub(super) alpha: f32,
    pub(super) gamma: f32,
    pub(super) rate: f32,
}

impl Elu {
    pub(super) const PLAIN: Elu = Elu { alpha: 1.0, gamma: 1.0, rate: 1.0 };
    pub(super) const SCALED: Elu = Elu { alpha: 1.673_263_2, gamma: 1.050_701, rate: 1.0 };

    pub(super) fn of(self, builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
        let positive = builder.unary(call, Unary::Relu, x)?;
        let negative = builder.unary(call, NEGATIVE, x)?;
        let negative = match self.rate {
            1.0 => negative,
            rate => builder.with_number(call, Binary::Div, negative, rate)?,
        };
        let power = builder.unary(call, Unary::Exp, negative)?;
        let below = builder.with_number(call, Binary::Sub, power, 1.0)?;
        let below = builder.with_number(call, Binary::Mul, below, self.alpha)?;
        let sum = builder.binary(call, Binary::Add, positive, below)?;
        match self.gamma {
            1.0 => Ok(sum),
            gamma => builder.with_number(call, Binary::Mul, sum, gamma),
        }
    }
}

/// `Elu`, `Selu` and `Celu`.
pub(super) fn elu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let Elu { alpha, gamma, rate } = if call.op() == "Selu" { Elu::SCALED } else { Elu::PLAIN };
    let alpha = call.finite_or("alpha", alpha)?;
    let elu = match call.op() {
        "Celu" if alpha == 0.0 => return bad("alpha", "is 0, which would divide by zero"),
        "Celu" => Elu { alpha, gamma, rate: alpha },
        "Selu" => Elu { alpha, gamma: call.finite_or("gamma", gamma)?, rate },
        _ => Elu { alpha, gamma, rate },
    };
    let x = builder.operand(call, 0)?;
    one(elu.of(builder, call, x)?)
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

/// `alpha * x + beta`, between 0 and 1.
pub(super) fn hard_gate(
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

/// `Swish`, also called SiLU.
pub(super) fn swish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let alpha = call.finite_or("alpha", 1.0)?;
    one(gated(builder, call, x, alpha)?)
}

/// ONNX Runtime's `QuickGelu`.
pub(super) fn quick_gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    let alpha = call.finite_or("alpha", 1.702)?;
    one(gated(builder, call, x, alpha)?)
}

/// The value times a sigmoid of `alpha` times it.
fn gated(builder: &mut Builder, call: &Call<'_>, x: NodeId, alpha: f32) -> Result<NodeId> {
    let scaled = match alpha {
        1.0 => x,
        alpha => builder.with_number(call, Binary::Mul, x, alpha)?,
    };
    let gate = builder.unary(call, Unary::Sigmoid, scaled)?;
    builder.binary(call, Binary::Mul, x, gate)
}

/// `Softplus`.
pub(super) fn softplus(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    one(log_one_plus_exp(builder, call, x)?)
}

/// `log(1 + exp(x))` as `max(x, 0) + log(1 + exp(-|x|))`, whose exponential does not overflow.
pub(super) fn log_one_plus_exp(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
) -> Result<NodeId> {
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

/// `Softsign`.
pub(super) fn softsign(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    one(over_one_plus(builder, call, x)?)
}

/// `x / (1 + |x|)`.
pub(super) fn over_one_plus(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let magnitude = builder.unary(call, Unary::Abs, x)?;
    let divisor = builder.with_number(call, Binary::Add, magnitude, 1.0)?;
    builder.binary(call, Binary::Div, x, divisor)
}

/// `Gelu`, exact or approximate.
pub(super) fn gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = builder.operand(call, 0)?;
    match call.string("approximate")? {
        None | Some("none") => one(bell(builder, call, x)?),
        Some("tanh") => one(tanh_bell(builder, call, x)?),
        Some(other) => bad("approximate", format!("\"{other}\" is not supported")),
    }
}

/// ONNX Runtime's `BiasGelu`, and its `Gelu`, which is the same without a bias.
pub(super) fn bias_gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = biased(builder, call)?;
    one(bell(builder, call, x)?)
}

/// ONNX Runtime's `FastGelu`: the approximation, after a bias if there is one.
pub(super) fn fast_gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let x = biased(builder, call)?;
    one(tanh_bell(builder, call, x)?)
}

fn biased(builder: &mut Builder, call: &Call<'_>) -> Result<NodeId> {
    let x = builder.operand(call, 0)?;
    match builder.optional(call, 1)? {
        Some(bias) => builder.binary(call, Binary::Add, x, bias),
        None => Ok(x),
    }
}

/// `x / 2 * (1 + erf(x / sqrt 2))`.
fn bell(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let scaled = builder.with_number(call, Binary::Mul, x, std::f32::consts::FRAC_1_SQRT_2)?;
    let bend = builder.unary(call, Unary::Erf, scaled)?;
    half_of_one_plus(builder, call, x, bend)
}

/// The approximation of [`bell`] by a hyperbolic tangent.
fn tanh_bell(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let square = builder.binary(call, Binary::Mul, x, x)?;
    let cubic = builder.with_number(call, Binary::Mul, square, 0.044_715)?;
    let slope = builder.with_number(call, Binary::Add, cubic, 1.0)?;
    let line = builder.binary(call, Binary::Mul, x, slope)?;
    let root = (2.0 / std::f32::consts::PI).sqrt();
    let scaled = builder.with_number(call, Binary::Mul, line, root)?;
    let bend = builder.unary(call, Unary::Tanh, scaled)?;
    half_of_one_plus(builder, call, x, bend)
}

/// `x / 2 * (1 + bend)`.
fn half_of_one_plus(
    builder: &mut Builder,
    call: &Call<'_>,
    x: NodeId,
    bend: NodeId,
) -> Result<NodeId> {
    let gate = builder.with_number(call, Binary::Add, bend, 1.0)?;
    let half = builder.with_number(call, Binary::Mul, x, 0.5)?;
    builder.binary(call, Binary::Mul, half, gate)
}
