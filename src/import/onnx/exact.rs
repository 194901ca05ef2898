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
    let [left, right] = [0, 1].map(|i| graph.operand(node, i));
    let (weights, depth) = match &graph.node(node).op {
        Op::Conv(_) => (right?, graph.node(right?).ty.shape[1..].iter().product()),
        Op::MatMul | Op::Gemm(_) => (right?, *graph.node(left?).ty.shape.last()?),
        _ => return None,
    };
    let any = WIDEST * WIDEST * depth as f64;
    let Some(weights) = graph.f32_constant_of(weights).filter(|_| any > EXACT) else {
        return Some(any);
    };
    let sum = |weights: &[f32]| weights.iter().map(|&w| f64::from(w.abs())).sum::<f64>();
    let most = match &graph.node(node).op {
        Op::Conv(_) => weights.data().chunks(depth).map(sum).fold(0.0, f64::max),
        // Which axis of a matrix is summed does not matter for a bound on all of its weights.
        _ => {
            depth as f64 * weights.data().iter().fold(0.0, |most, &w| f64::from(w.abs()).max(most))
        }
    };
    Some(WIDEST * most)
}
