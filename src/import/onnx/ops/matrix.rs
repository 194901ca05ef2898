//! Matrix products.

use resnetc_ir::Op;
use resnetc_ir::op::{Activation, Gemm};

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};

/// `Gemm`.
pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
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
    builder.finish(call, Op::Gemm(gemm), &operands)
}

/// `MatMul`.
pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let operands = [builder.operand(call, 0)?, builder.operand(call, 1)?];
    builder.finish(call, Op::MatMul, &operands)
}
