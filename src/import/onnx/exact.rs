//! Integers that are outputs, and whether the f32 that a network computes with hold them.

use resnetc_ir::{Graph, NodeId, Op};

/// Up to here, an f32 holds every integer.
const EXACT: f64 = (1u64 << 24) as f64;

/// The largest magnitude of an 8-bit element without its zero point.
const WIDEST: f64 = 255.0;

/// The sum of products of 8-bit integers that a value is, in another shape or order, if it may be
/// too large for an f32.
pub(super) fn inexact_sum(graph: &Graph, mut value: NodeId) -> Option<NodeId> {
    while let Op::Reshape { .. }
    | Op::Transpose { .. }
    | Op::Slice(_)
    | Op::MaxPool(_)
    | Op::Identity = graph.node(value).op
    {
        value = graph.operand(value, 0)?;
    }
    (largest(graph, value)? > EXACT).then_some(value)
}

/// A bound on the sums of a product of integers.
fn largest(graph: &Graph, node: NodeId) -> Option<f64> {
    let factors = graph.operand(node, 1)?;
    let depth = match &graph.node(node).op {
        Op::Conv(_) => graph.node(factors).ty.shape[1..].iter().product(),
        Op::MatMul | Op::Gemm(_) => *graph.node(graph.operand(node, 0)?).ty.shape.last()?,
        _ => return None,
    };
    let any = WIDEST * WIDEST * depth as f64;
    let Some(weights) = graph.f32_constant_of(factors).filter(|_| any > EXACT) else {
        return Some(any);
    };
    // Along which axis a matrix is summed does not matter for a bound on all of its weights.
    let widest = weights.data().iter().fold(0.0f32, |most, w| most.max(w.abs()));
    Some(WIDEST * f64::from(widest) * depth as f64)
}
