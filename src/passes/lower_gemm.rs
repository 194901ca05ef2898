//! Rewrites every matrix product with a constant right side to one form, a Gemm with
//!
//! * `transpose_a = false`, `transpose_b = true`, `alpha = beta = 1`,
//! * constant weights `[N, K]`: one row per output channel, as in a 1x1 convolution,
//! * no bias, or a constant bias `[N]`.
//!
//! Operators around it do what does not fit this form; a product of two computed values becomes a
//! MatMul. Required: kernels and folds handle only these two forms.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2] "x"
//! %1 = constant [1, 2, 3, 4, 5, 6] : f32[2, 3] "fc1.weight"
//! %2 = constant [1, 2, 3] "fc1.bias"
//! %3 = gemm(%0, %1, %2) alpha=0.5 beta=2 "fc1"
//! %4 = constant [1, 2, 3, 4, 5, 6] : f32[3, 2] "fc2.weight"
//! %5 = matmul(%3, %4) "fc2"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2] "x"
//! %1 = constant [0.5, 2, 1, 2.5, 1.5, 3] : f32[3, 2] "fc1.weight"
//! %2 = constant [2, 4, 6] : f32[3] "fc1.bias"
//! %3 = gemm(%0, %1, %2) transpose_b : f32[1, 3] "fc1"
//! %4 = constant [1, 3, 5, 2, 4, 6] : f32[2, 3] "fc2.weight"
//! %5 = gemm(%3, %4) transpose_b : f32[1, 2] "fc2"
//! output "y" = %5
//! ```

use std::sync::Arc;

use resnetc_ir::memory::{NoMemory, collected, copied, filled};
use resnetc_ir::op::{Activation, Binary, Gemm, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::affine::round;
use super::measure::{Measure, count};
use super::near_misses::{NearMisses, Stop, describe};
use super::permute::permuted;

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "lower_gemm",
    doc: "bring matrix products with constant weights into one form",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Matrix products that are not in the normal form.
fn remaining(graph: &Graph) -> Measure {
    count(graph, |node| match graph.node(node).op {
        Op::Gemm(gemm) => !is_normal(graph, node, gemm),
        Op::MatMul => constant_matrix(graph, node).is_some(),
        _ => false,
    })
}

/// The normal form, without bias and activation.
const NORMAL: Gemm = Gemm {
    alpha: 1.0,
    beta: 1.0,
    transpose_a: false,
    transpose_b: true,
    bias: false,
    activation: Activation::None,
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let lowered = match graph.node(node).op {
        Op::Gemm(gemm) if !is_normal(graph, node, gemm) => lower_gemm(graph, node, gemm),
        Op::MatMul => lower_matmul(graph, node),
        _ => return None,
    };
    near.settle(graph, node, lowered)
}

fn is_normal(graph: &Graph, node: NodeId, gemm: Gemm) -> bool {
    let form = Gemm { bias: gemm.bias, activation: gemm.activation, ..NORMAL };
    let constant = |i| graph.operand(node, i).and_then(|n| graph.f32_constant_of(n));
    let bias_fits = !gemm.bias
        || constant(2)
            .is_some_and(|c| c.shape().len() == 1 && c.shape() == &graph.node(node).ty.shape[1..]);
    gemm == form && constant(1).is_some() && bias_fits
}

fn lower_gemm(graph: &Graph, node: NodeId, gemm: Gemm) -> Result<Patch, Stop> {
    let mut lowering = Lowering::new(graph, node);
    let operand = |i| graph.operand(node, i).ok_or(Stop::Other);
    let (a, b) = (operand(0)?, operand(1)?);
    let c = graph.operand(node, 2).filter(|_| gemm.bias);
    let a = lowering.transposed(a, gemm.transpose_a);
    let Some(weights) = graph.f32_constant_of(b) else {
        let b = lowering.transposed(b, gemm.transpose_b);
        let product = lowering.add(Op::MatMul, &[a, b]);
        let product = lowering.scaled(product, gemm.alpha);
        return Ok(lowering.finish(product, c, gemm));
    };
    let rows = match gemm.transpose_b {
        true => (**weights).clone(),
        false => permuted(weights, &[1, 0])?.ok_or(Stop::Other)?,
    };
    let (rows, factor) = match scaled(&rows, gemm.alpha)? {
        Some(scaled) => (scaled, 1.0),
        None => (rows, gemm.alpha),
    };
    let weights = match gemm.transpose_b && gemm.alpha == 1.0 {
        true => Value::Old(b),
        false => lowering.constant("weight", rows),
    };
    let vector = c.map(|c| bias_vector(graph, node, c, gemm.beta)).transpose()?.flatten();
    let Some(vector) = vector.filter(|_| factor == 1.0) else {
        let product = lowering.add(Op::Gemm(NORMAL), &[a, weights]);
        let product = lowering.scaled(product, factor);
        return Ok(lowering.finish(product, c, gemm));
    };
    let bias = lowering.constant("bias", vector);
    let op = Op::Gemm(Gemm { bias: true, activation: gemm.activation, ..NORMAL });
    let product = lowering.add(op, &[a, weights, bias]);
    Ok(lowering.replace(product))
}

fn lower_matmul(graph: &Graph, node: NodeId) -> Result<Patch, Stop> {
    let weights = constant_matrix(graph, node).ok_or(Stop::Other)?;
    let a = graph.operand(node, 0).ok_or(Stop::Other)?;
    let shape = &graph.node(a).ty.shape;
    let columns = *shape.last().ok_or(Stop::Other)?;
    let mut lowering = Lowering::new(graph, node);
    let weights = permuted(weights, &[1, 0])?.ok_or(Stop::Other)?;
    let weights = lowering.constant("weight", weights);
    if shape.len() == 2 {
        let product = lowering.add(Op::Gemm(NORMAL), &[a.into(), weights]);
        return Ok(lowering.replace(product));
    }
    let rows = graph.node(a).ty.elements() / columns.max(1);
    let a = lowering.add(Op::Reshape { shape: vec![rows, columns] }, &[a.into()]);
    let product = lowering.add(Op::Gemm(NORMAL), &[a, weights]);
    let shape = graph.node(node).ty.shape.clone();
    let product = lowering.add(Op::Reshape { shape }, &[product]);
    Ok(lowering.replace(product))
}

/// The right side of a product, if it is a single constant matrix.
fn constant_matrix(graph: &Graph, product: NodeId) -> Option<&Arc<Tensor>> {
    let right = graph.operand(product, 1)?;
    graph.f32_constant_of(right).filter(|t| t.shape().len() == 2)
}

/// A constant multiplied by a factor; `None` if that makes a finite number infinite.
///
/// # Errors
/// If the system does not have enough memory.
fn scaled(tensor: &Tensor, factor: f32) -> Result<Option<Tensor>, NoMemory> {
    if factor == 1.0 {
        return Ok(Some(tensor.clone()));
    }
    let data = tensor.try_data()?;
    let products = collected(data.iter().map(|&x| round(f64::from(x) * f64::from(factor))))?;
    let stays = |(product, x): (&f32, &f32)| product.is_finite() || !x.is_finite();
    match products.iter().zip(data).all(stays) {
        true => Ok(Tensor::new(tensor.shape(), products)),
        false => Ok(None),
    }
}

/// `beta * c` as `[N]`, if `c` is a constant and the same for every row.
///
/// # Errors
/// If the system does not have enough memory.
fn bias_vector(
    graph: &Graph,
    node: NodeId,
    c: NodeId,
    beta: f32,
) -> Result<Option<Tensor>, NoMemory> {
    let Some(tensor) = graph.f32_constant_of(c) else { return Ok(None) };
    let [_, columns] = graph.node(node).ty.shape[..] else { return Ok(None) };
    let data = match tensor.shape() {
        _ if tensor.elements() == 1 => filled(columns, tensor.data()[0])?,
        [n] | [1, n] if *n == columns => copied(tensor.try_data()?)?,
        _ => return Ok(None),
    };
    scaled(&Tensor::vector(data), beta)
}

/// A patch under construction.
struct Lowering<'g> {
    graph: &'g Graph,
    node: NodeId,
    patch: Patch,
}

impl<'g> Lowering<'g> {
    fn new(graph: &'g Graph, node: NodeId) -> Self {
        let patch = Patch::new(format!("normalize {}", describe(graph, node)));
        Lowering { graph, node, patch }
    }

    fn name(&self) -> &'g str {
        &self.graph.node(self.node).name
    }

    fn add(&mut self, op: Op, operands: &[Value]) -> Value {
        self.patch.add(self.name(), op, operands)
    }

    fn constant(&mut self, suffix: &str, tensor: Tensor) -> Value {
        self.patch.constant(format!("{}.{suffix}", self.name()), tensor)
    }

    fn transposed(&mut self, value: NodeId, transpose: bool) -> Value {
        match transpose {
            true => self.add(Op::Transpose { perm: vec![1, 0] }, &[value.into()]),
            false => value.into(),
        }
    }

    fn scaled(&mut self, value: Value, factor: f32) -> Value {
        if factor == 1.0 {
            return value;
        }
        let factor = self.constant("factor", Tensor::scalar(factor));
        self.add(Op::Binary(Binary::Mul), &[value, factor])
    }

    /// Adds `beta * c` and the activation as separate operators.
    fn finish(mut self, mut value: Value, c: Option<NodeId>, gemm: Gemm) -> Patch {
        if let Some(c) = c {
            let c = self.scaled(c.into(), gemm.beta);
            value = self.add(Op::Binary(Binary::Add), &[value, c]);
        }
        let activation = match gemm.activation {
            Activation::None => return self.replace(value),
            Activation::Relu => Unary::Relu,
            Activation::Clip { lo, hi } => Unary::Clip { lo, hi },
        };
        let value = self.add(Op::Unary(activation), &[value]);
        self.replace(value)
    }

    fn replace(mut self, value: Value) -> Patch {
        self.patch.replace(self.node, value);
        self.patch
    }
}
