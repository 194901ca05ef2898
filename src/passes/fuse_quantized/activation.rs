//! Activations between a product or a sum and its quantizer: they become limits of the bytes.

use resnetc_ir::op::{Activation, Requantize, Unary};
use resnetc_ir::{Graph, NodeId, Op};

/// A value without the activation that it ends in, if it ends in one that nothing else reads.
pub(in crate::passes) fn activated(graph: &Graph, value: NodeId) -> (NodeId, Activation) {
    let activation = match graph.node(value).op {
        Op::Unary(Unary::Relu) => Activation::Relu,
        Op::Unary(Unary::Clip { lo, hi }) => Activation::Clip { lo, hi },
        _ => return (value, Activation::None),
    };
    graph.operand(value, 0).map_or((value, Activation::None), |x| (x, activation))
}

/// The limits of bytes after an activation: rounding keeps the order.
pub(in crate::passes) fn limited(
    bytes: Requantize,
    activation: Activation,
    scale: f32,
) -> Requantize {
    let (lo, hi) = match activation {
        Activation::None => return bytes,
        Activation::Relu => (0.0, f32::INFINITY),
        Activation::Clip { lo, hi } => (lo, hi),
    };
    let limit = |x: f32| bytes.apply(x / scale);
    Requantize { lo: limit(lo), hi: limit(hi).max(limit(lo)), ..bytes }
}
