//! The cost of an operator by its definition, however it is computed.

use std::collections::HashSet;

use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// Multiply-adds of a node by the operator's definition.
pub fn macs(graph: &Graph, node: NodeId) -> u64 {
    let n = graph.node(node);
    let weights = |operand: usize| -> usize {
        graph.operand(node, operand).map_or(0, |w| graph.node(w).ty.shape[1..].iter().product())
    };
    let per_output = match &n.op {
        Op::Conv(conv) => weights(1) + conv.projected_operand().map_or(0, |i| weights(i + 1)),
        Op::QuantizedConv(_) => weights(1),
        // As many as the convolution has.
        Op::ConvSource(_) | Op::ConvWeights(_) => return conv_gradient_macs(graph, node),
        Op::Gemm(g) => graph
            .operand(node, 0)
            .map_or(0, |a| graph.node(a).ty.shape[usize::from(!g.transpose_a)]),
        Op::MatMul => {
            graph.operand(node, 0).and_then(|a| graph.node(a).ty.shape.last().copied()).unwrap_or(0)
        }
        Op::Input
        | Op::Constant(_)
        | Op::BatchNorm { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::Pointwise(_)
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::Softmax { .. }
        | Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::Measure
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::OnBytes(_)
        | Op::Lookup { .. }
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy
        | Op::Identity
        | Op::Reorder(_) => 0,
    };
    (n.ty.elements() * per_output) as u64
}

fn conv_gradient_macs(graph: &Graph, node: NodeId) -> u64 {
    let n = graph.node(node);
    let shape = |operand: usize| graph.operand(node, operand).map(|o| &graph.node(o).ty.shape);
    let weights = match &n.op {
        Op::ConvSource(_) => shape(1),
        _ => Some(&n.ty.shape),
    };
    let outputs: usize = shape(0).map_or(0, |dy| dy.iter().product());
    (outputs * weights.map_or(0, |w| w[1..].iter().product())) as u64
}

/// Bytes of a node's operands and result by the operator's definition.
pub fn moved_bytes(graph: &Graph, node: NodeId) -> u64 {
    let bytes = |node| graph.node(node).ty.bytes() as u64;
    let read: u64 = graph.operands(node).into_iter().map(bytes).sum();
    read + bytes(node)
}

/// Multiply-adds of a run: those of all nodes except the ones that depend on constants alone, which
/// are computed once.
pub fn run_macs(graph: &Graph) -> u64 {
    let mut given: HashSet<NodeId> = HashSet::new();
    let mut sum = 0;
    for node in graph.topo() {
        let is_given = graph.node(node).op == Op::Input
            || graph.operands(node).iter().any(|operand| given.contains(operand));
        if is_given {
            given.insert(node);
            sum += macs(graph, node);
        }
    }
    sum
}
