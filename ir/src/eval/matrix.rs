//! Matrix products.

use std::borrow::Cow;

use super::elements::{filled, wrap};
use super::elementwise;
use super::error::EvalError;
use super::shape::transpose;
use super::value::Value;
use super::walk::{Walk, broadcast_strides};
use crate::op::Gemm;
use crate::ty::TensorType;

/// `activation(alpha * A * B + beta * c)`; `ty` is the result's, `[M, N]`.
pub(super) fn gemm(op: &Gemm, operands: &[&Value], ty: &TensorType) -> Result<Vec<f64>, EvalError> {
    let shape = &ty.shape[..];
    let a = oriented(operands[0], op.transpose_a)?;
    let b = oriented(operands[1], op.transpose_b)?;
    let mut result = filled(shape, 0.0)?;
    add_product(&a, &b, shape[1], &mut result);
    let alpha = f64::from(op.alpha);
    result.iter_mut().for_each(|y| *y *= alpha);
    if op.bias {
        let (c, beta) = (operands[2], f64::from(op.beta));
        let from_c = Walk::new(shape, broadcast_strides(&c.shape, shape));
        result.iter_mut().zip(from_c).for_each(|(y, i)| *y += beta * c.data[i]);
    }
    wrap(ty.dtype, &mut result);
    elementwise::activate(op.activation, &mut result);
    Ok(result)
}

/// The elements of a matrix or of its transpose.
fn oriented(matrix: &Value, transposed: bool) -> Result<Cow<'_, [f64]>, EvalError> {
    let shape = [matrix.shape[1], matrix.shape[0]];
    match transposed {
        true => transpose(&[1, 0], matrix, &shape).map(Cow::Owned),
        false => Ok(Cow::Borrowed(&matrix.data)),
    }
}

/// The product over the last two axes, the others broadcast; `ty` is the result's, `[.., M, N]`.
pub(super) fn matmul(a: &Value, b: &Value, ty: &TensorType) -> Result<Vec<f64>, EvalError> {
    let shape = &ty.shape[..];
    let mut result = filled(shape, 0.0)?;
    let (batch, [m, n]) =
        (&shape[..shape.len() - 2], [shape[shape.len() - 2], shape[shape.len() - 1]]);
    let (batch_a, batch_b) = (&a.shape[..a.shape.len() - 2], &b.shape[..b.shape.len() - 2]);
    let k = a.shape[a.shape.len() - 1];
    let from_a = Walk::new(batch, broadcast_strides(batch_a, batch));
    let from_b = Walk::new(batch, broadcast_strides(batch_b, batch));
    for ((y, i), j) in result.chunks_exact_mut(m * n).zip(from_a).zip(from_b) {
        add_product(&a.data[i * m * k..][..m * k], &b.data[j * k * n..][..k * n], n, y);
    }
    wrap(ty.dtype, &mut result);
    Ok(result)
}

/// Adds `a * b`, `b` having rows of `n`; one row of `b` at a time so that the innermost loop runs
/// along a row.
fn add_product(a: &[f64], b: &[f64], n: usize, result: &mut [f64]) {
    let k = b.len() / n;
    for (y, a) in result.chunks_exact_mut(n).zip(a.chunks_exact(k)) {
        for (&a, b) in a.iter().zip(b.chunks_exact(n)) {
            y.iter_mut().zip(b).for_each(|(y, b)| *y += a * b);
        }
    }
}
