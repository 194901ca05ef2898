//! Operators that ONNX Runtime fuses: a convolution or a product with the operators that follow it.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::layout::Channels;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};
use crate::import::onnx::ops::activations::{self, Elu};
use crate::import::onnx::ops::conv::convolution;
use crate::import::onnx::ops::matrix::{general, product};

/// An activation with which a fused operator may end.
struct Function {
    name: &'static str,
    /// The parameters, with the defaults of the standard.
    parameters: &'static [(&'static str, f32)],
    of: fn(&mut Builder, &Call<'_>, NodeId, &[f32]) -> Result<NodeId>,
}

const FUNCTIONS: &[Function] = &[
    Function {
        name: "Clip",
        parameters: &[("min", f32::NEG_INFINITY), ("max", f32::INFINITY)],
        of: |b, c, x, p| b.unary(c, Unary::Clip { lo: p[0], hi: p[1] }, x),
    },
    Function {
        name: "Elu",
        parameters: &[("alpha", Elu::PLAIN.alpha)],
        of: |b, c, x, p| Elu { alpha: p[0], ..Elu::PLAIN }.of(b, c, x),
    },
    Function {
        name: "HardSigmoid",
        parameters: &[("alpha", 0.2), ("beta", 0.5)],
        of: |b, c, x, p| activations::hard_gate(b, c, x, p[0], p[1]),
    },
    Function {
        name: "LeakyRelu",
        parameters: &[("alpha", 0.01)],
        of: |b, c, x, p| activations::leaky(b, c, x, p[0]),
    },
    Function { name: "Relu", parameters: &[], of: |b, c, x, _| b.unary(c, Unary::Relu, x) },
    Function {
        name: "Selu",
        parameters: &[("alpha", Elu::SCALED.alpha), ("gamma", Elu::SCALED.gamma)],
        of: |b, c, x, p| Elu { alpha: p[0], gamma: p[1], ..Elu::PLAIN }.of(b, c, x),
    },
    Function { name: "Sigmoid", parameters: &[], of: |b, c, x, _| b.unary(c, Unary::Sigmoid, x) },
    Function {
        name: "Softplus",
        parameters: &[],
        of: |b, c, x, _| activations::log_one_plus_exp(b, c, x),
    },
    Function {
        name: "Softsign",
        parameters: &[],
        of: |b, c, x, _| activations::over_one_plus(b, c, x),
    },
    Function { name: "Tanh", parameters: &[], of: |b, c, x, _| b.unary(c, Unary::Tanh, x) },
];

/// The function that the attribute `activation` names, if it is given.
fn function(call: &Call<'_>) -> Result<Option<&'static Function>> {
    match call.string("activation")? {
        None | Some("") => Ok(None),
        Some(name) => match FUNCTIONS.iter().find(|f| f.name == name) {
            Some(function) => Ok(Some(function)),
            None => bad("activation", format!("\"{name}\" is not supported")),
        },
    }
}

/// Applies the attribute `activation`, whose parameters are a list.
fn by_list(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let Some(function) = function(call)? else { return Ok(x) };
    let given = call.floats("activation_params")?.unwrap_or_default();
    let (found, wanted) = (given.len(), function.parameters.len());
    if found != wanted {
        let reason = format!("has {found} entries; {} needs {wanted}", function.name);
        return bad("activation_params", reason);
    }
    if given.iter().any(|x| x.is_nan()) {
        return bad("activation_params", "has a NaN");
    }
    (function.of)(builder, call, x, given)
}

/// Applies the attribute `activation`, each of whose parameters is an attribute.
fn by_name(builder: &mut Builder, call: &Call<'_>, x: NodeId) -> Result<NodeId> {
    let Some(function) = function(call)? else { return Ok(x) };
    let parameter = |&(name, default): &(&str, f32)| {
        let name = format!("activation_{name}");
        match call.float(&name)?.unwrap_or(default) {
            x if x.is_nan() => bad(&name, "is NaN"),
            x => Ok(x),
        }
    };
    let parameters = function.parameters.iter().map(parameter).collect::<Result<Vec<_>>>()?;
    (function.of)(builder, call, x, &parameters)
}

/// `FusedConv`: a convolution, optionally plus a value, followed by a function.
pub(super) fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    convolve(builder, call, Channels::First)
}

/// `NhwcFusedConv`: a `FusedConv` on images with channels last. The weights are those of a `Conv`.
pub(super) fn nhwc_conv(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    convolve(builder, call, Channels::Last)
}

fn convolve(builder: &mut Builder, call: &Call<'_>, channels: Channels) -> Result<Vec<Value>> {
    let (x, weights) = (builder.operand(call, 0)?, builder.operand(call, 1)?);
    let (bias, added) = (builder.optional(call, 2)?, builder.optional(call, 3)?);
    let x = channels.put_first(builder, call, x)?;
    let mut y = convolution(builder, call, [x, weights], bias)?;
    if let Some(added) = added {
        let added = channels.put_first(builder, call, added)?;
        if builder.shape_of(added) != builder.shape_of(y) {
            let (found, wanted) = (builder.shape_of(added), builder.shape_of(y));
            return Err(
                format!("the added value is {found:?}, but the result is {wanted:?}").into()
            );
        }
        y = builder.binary(call, Binary::Add, y, added)?;
    }
    let y = by_list(builder, call, y)?;
    Ok(vec![Value::Node(channels.put_back(builder, call, y)?)])
}

/// `FusedGemm`.
pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let y = general(builder, call)?;
    Ok(vec![Value::Node(by_name(builder, call, y)?)])
}

/// `FusedMatMul` and `FusedMatMulActivation`: the product of optionally transposed values, times a
/// number.
pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let a = transposed(builder, call, 0, ["transA", "transBatchA"])?;
    let b = transposed(builder, call, 1, ["transB", "transBatchB"])?;
    let y = product(builder, call, a, b)?;
    let y = match call.finite_or("alpha", 1.0)? {
        1.0 => y,
        alpha => builder.with_number(call, Binary::Mul, y, alpha)?,
    };
    Ok(vec![Value::Node(by_name(builder, call, y)?)])
}

/// An operand transposed as the attributes say: first the first axis is moved after those of the
/// batch, then the last two axes are swapped.
fn transposed(
    builder: &mut Builder,
    call: &Call<'_>,
    i: usize,
    [matrix, batch]: [&str; 2],
) -> Result<NodeId> {
    let x = builder.operand(call, i)?;
    let (matrix, batch) = (call.flag(matrix, false)?, call.flag(batch, false)?);
    let rank = builder.shape_of(x).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    if rank < 2 || !(matrix || batch) {
        return Ok(x);
    }
    if batch {
        perm[..rank - 1].rotate_left(1);
    }
    if matrix {
        perm.swap(rank - 2, rank - 1);
    }
    builder.add(call, Op::Transpose { perm }, &[x])
}
