//! What convolutions and matrix products with constant weights have in common: a row of weights per channel.

use std::sync::Arc;

use resnetc_ir::op::Activation;
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::affine::{Affine, round};
use super::remarks::Stop;

/// A convolution or a normalized matrix product into whose weights an affine function can be folded.
pub(super) struct Weighted<'g> {
    node: NodeId,
    weights: &'g Arc<Tensor>,
    bias: Option<&'g Arc<Tensor>>,
}

impl<'g> Weighted<'g> {
    /// The operator of a node, if it is one of the two and nothing is applied to its sums yet.
    pub(super) fn of(graph: &'g Graph, node: NodeId) -> Result<Self, Stop> {
        let (has_bias, shortcut, activation) = match graph.node(node).op {
            Op::Conv(conv) => {
                (conv.bias, conv.residual || conv.projection.is_some(), conv.activation)
            }
            Op::Gemm(gemm) if !gemm.transpose_b || gemm.alpha != 1.0 || gemm.beta != 1.0 => {
                return Err(Stop::Near("the matrix product is not normalized"));
            }
            Op::Gemm(gemm) => (gemm.bias, false, gemm.activation),
            _ => return Err(Stop::Other),
        };
        let constant = |i| graph.operand(node, i).and_then(|n| graph.constant_of(n));
        if activation != Activation::None {
            return Err(Stop::Near("an activation stands between"));
        }
        if shortcut {
            return Err(Stop::Near("a shortcut is added between"));
        }
        let weights = constant(1).ok_or(Stop::Near("the weights are not constant"))?;
        let bias = constant(2).filter(|_| has_bias);
        let channels = weights.shape().first();
        if has_bias && bias.is_none_or(|b| b.shape().first() != channels || b.shape().len() != 1) {
            return Err(Stop::Near("the bias is not a constant vector"));
        }
        Ok(Weighted { node, weights, bias })
    }

    /// Replaces `last` by this operator with `affine` folded into its weights and bias. The weights become a
    /// constant of their own, so that other users of the old ones keep theirs.
    pub(super) fn fold(
        &self,
        graph: &Graph,
        affine: &Affine,
        last: NodeId,
        label: String,
    ) -> Result<Patch, Stop> {
        let node = graph.node(self.node);
        let operands = graph.operands(self.node);
        let bias = self.folded_bias(affine)?;
        let mut patch = Patch::new(label);
        let weights = match affine.keeps_scale() {
            true => Value::Old(operands[1]),
            false => patch.constant(format!("{}.weight", node.name), self.folded_weights(affine)?),
        };
        let bias = patch.constant(format!("{}.bias", node.name), bias);
        let mut op = node.op.clone();
        match &mut op {
            Op::Conv(conv) => conv.bias = true,
            Op::Gemm(gemm) => gemm.bias = true,
            _ => return Err(Stop::Other),
        }
        let folded = patch.add(node.name.clone(), op, &[operands[0].into(), weights, bias]);
        patch.replace(last, folded);
        Ok(patch)
    }

    fn folded_weights(&self, affine: &Affine) -> Result<Tensor, Stop> {
        let row = self.weights.data().len() / affine.scale.len().max(1);
        let rows = self.weights.data().chunks(row.max(1)).zip(&affine.scale);
        let mut data = Vec::with_capacity(self.weights.data().len());
        for (row, s) in rows {
            data.extend(row.iter().map(|&w| round(f64::from(w) * s)));
        }
        finite(self.weights.shape(), data)
    }

    fn folded_bias(&self, affine: &Affine) -> Result<Tensor, Stop> {
        let at = |c: usize| self.bias.map_or(0.0, |b| f64::from(b.data()[c]));
        let channels = affine.scale.iter().zip(&affine.shift).enumerate();
        let data: Vec<f32> = channels.map(|(c, (s, t))| round(at(c) * s + t)).collect();
        finite(&[data.len()], data)
    }
}

fn finite(shape: &[usize], data: Vec<f32>) -> Result<Tensor, Stop> {
    // No early exit: so the loop runs on whole vectors, and weights are finite as a rule.
    if !data.iter().fold(true, |finite, x| finite & x.is_finite()) {
        return Err(Stop::Near("the folded weights are not finite"));
    }
    Tensor::new(shape, data).ok_or(Stop::Near("the weights do not fit their shape"))
}
