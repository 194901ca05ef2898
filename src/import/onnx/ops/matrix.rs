//! Matrix products.

use resnetc_ir::op::{Activation, Gemm};
use resnetc_ir::{NodeId, Op};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};

/// `Gemm`.
pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    Ok(vec![Value::Node(general(builder, call)?)])
}

/// The product common to `Gemm` and similar operators, before what is specific to each.
pub(super) fn general(builder: &mut Builder, call: &Call<'_>) -> Result<NodeId> {
    let mut operands = vec![builder.operand(call, 0)?, builder.operand(call, 1)?];
    let c = builder.optional(call, 2)?;
    operands.extend(c);
    let gemm = Gemm {
        alpha: call.finite_or("alpha", 1.0)?,
        beta: call.finite_or("beta", 1.0)?,
        transpose_a: call.flag("transA", false)?,
        transpose_b: call.flag("transB", false)?,
        bias: c.is_some(),
        activation: Activation::None,
    };
    builder.add(call, Op::Gemm(gemm), &operands)
}

/// `MatMul`. An operand of rank 1 is a row on the left and a column on the right, and its axis of
/// extent 1 is removed afterwards.
pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let (a, b) = (builder.operand(call, 0)?, builder.operand(call, 1)?);
    Ok(vec![Value::Node(product(builder, call, a, b)?)])
}

/// The matrix product of two values of any rank except 0.
pub(super) fn product(
    builder: &mut Builder,
    call: &Call<'_>,
    a: NodeId,
    b: NodeId,
) -> Result<NodeId> {
    let (row, column) = (builder.shape_of(a), builder.shape_of(b));
    let left = match row[..] {
        [k] => builder.reshape(call, a, vec![1, k])?,
        _ => a,
    };
    let right = match column[..] {
        [k] => builder.reshape(call, b, vec![k, 1])?,
        _ => b,
    };
    let product = builder.add(call, Op::MatMul, &[left, right])?;
    let mut shape = builder.shape_of(product);
    if column.len() == 1 {
        shape.pop();
    }
    if row.len() == 1 {
        shape.remove(shape.len() - if column.len() == 1 { 1 } else { 2 });
    }
    builder.reshape(call, product, shape)
}
