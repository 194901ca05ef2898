//! Matrix products.

use resnetc_ir::op::{Activation, Gemm};
use resnetc_ir::{NodeId, Op};

use super::elementwise::through;
use super::scope::{Added, Gradients, Scope};

/// `y = activation(alpha * A * B + beta * c)`: `dA = alpha * dy * B^T`, `dB = alpha * A^T * dy`,
/// `dc = beta * dy`, each transposed if its operand is.
pub(super) fn gemm(scope: &mut Scope<'_>) -> Gradients {
    let Op::Gemm(gemm) = scope.op() else { return Ok(Vec::new()) };
    let dy = through(gemm.activation, scope)?;
    let (a, b) = (scope.operand(0), scope.operand(1));
    let product = |transpose_a: bool, transpose_b: bool| {
        let plain = Gemm { beta: 1.0, bias: false, activation: Activation::None, ..gemm };
        Op::Gemm(Gemm { transpose_a, transpose_b, ..plain })
    };
    let mut gradients = vec![
        scope.wanted(0, |scope| match gemm.transpose_a {
            false => scope.add(product(false, !gemm.transpose_b), &[dy, b]),
            true => scope.add(product(gemm.transpose_b, true), &[b, dy]),
        })?,
        scope.wanted(1, |scope| match gemm.transpose_b {
            false => scope.add(product(!gemm.transpose_a, false), &[a, dy]),
            true => scope.add(product(true, gemm.transpose_a), &[dy, a]),
        })?,
    ];
    if gemm.bias {
        let shape = scope.shape(scope.operand(2));
        gradients.push(scope.wanted(2, |scope| {
            let sum = scope.fitted(dy, &shape)?;
            scope.scaled(sum, gemm.beta.into())
        })?);
    }
    Ok(gradients)
}

/// `da = dy * b^T`, `db = a^T * dy`, summed over the axes along which an operand was repeated.
pub(super) fn matmul(scope: &mut Scope<'_>) -> Gradients {
    let (a, b, dy) = (scope.operand(0), scope.operand(1), scope.dy);
    let [of_a, of_b] = [a, b].map(|operand| scope.shape(operand));
    Ok(vec![
        scope.wanted(0, |scope| {
            let b = transposed(scope, b)?;
            let product = scope.add(Op::MatMul, &[dy, b])?;
            scope.fitted(product, &of_a)
        })?,
        scope.wanted(1, |scope| {
            let a = transposed(scope, a)?;
            let product = scope.add(Op::MatMul, &[a, dy])?;
            scope.fitted(product, &of_b)
        })?,
    ])
}

/// The last two axes exchanged.
fn transposed(scope: &mut Scope<'_>, value: NodeId) -> Added {
    let rank = scope.shape(value).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    scope.add(Op::Transpose { perm }, &[value])
}
