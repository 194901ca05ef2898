//! The operators of a quantized network that compute on floats.

use std::collections::HashSet;

use resnetc_ir::op::OnBytes;
use resnetc_ir::{DType, Graph, NodeId, Op};
use serde::Serialize;

use crate::passes::{NodeRef, Remarks, fuse_bytes, fuse_measured, fuse_quantized};

/// An operator that computes on dequantized values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FloatOperator {
    /// The operator.
    pub node: NodeRef,
    /// Why it does not compute on integers.
    pub reason: String,
}

/// The operators of a scheduled graph whose operands come from dequantized values and whose results
/// are quantized again, and all products of dequantized values.
pub fn float_operators(graph: &Graph, remarks: &Remarks) -> Vec<FloatOperator> {
    let order = graph.topo();
    let mut from_bytes: HashSet<NodeId> = HashSet::new();
    for &node in &order {
        let is_float = match graph.node(node).op {
            Op::Dequantize(_) | Op::Convert { .. } => is_dequantizer(graph, node),
            Op::OnBytes(OnBytes { ref from, to: None, .. }) if from.iter().any(Option::is_some) => {
                true
            }
            _ => {
                computes_on_floats(&graph.node(node).op)
                    && graph.operands(node).iter().any(|operand| from_bytes.contains(operand))
            }
        };
        from_bytes.extend(is_float.then_some(node));
    }
    let mut to_bytes: HashSet<NodeId> = HashSet::new();
    for &node in order.iter().rev() {
        let reads = |&(user, _): &(NodeId, usize)| {
            let op = &graph.node(user).op;
            matches!(op, Op::Quantize(_) | Op::OnBytes(OnBytes { to: Some(_), .. }))
                || to_bytes.contains(&user)
        };
        let is_float =
            computes_on_floats(&graph.node(node).op) && graph.users(node).iter().any(reads);
        to_bytes.extend(is_float.then_some(node));
    }
    let is_island = |&node: &NodeId| {
        let op = &graph.node(node).op;
        let computes =
            computes_on_floats(op) && !matches!(op, Op::Reorder(_)) && !is_dequantizer(graph, node);
        let ends = is_product(op) || matches!(op, Op::OnBytes(OnBytes { to: Some(_), .. }));
        computes && from_bytes.contains(&node) && (to_bytes.contains(&node) || ends)
    };
    let reason = |node: NodeId| {
        let name = NodeRef::of(node, graph.node(node));
        let passes = [fuse_quantized::PASS, fuse_measured::PASS, fuse_bytes::PASS];
        let passes = passes.map(|pass| pass.name);
        let mut declined = remarks.declined.iter().filter(|d| passes.contains(&d.pass));
        let declined = declined.find(|d| d.node == name.known_as());
        match (&graph.node(node).op, declined) {
            (_, Some(declined)) => declined.reason.clone(),
            (Op::OnBytes(OnBytes { to: None, .. }), _) => {
                "it reads bytes, but what reads its result does not".to_owned()
            }
            (Op::OnBytes(_), _) => "it writes bytes, but an operand is floats".to_owned(),
            _ => "it has no form on integers".to_owned(),
        }
    };
    let islands = order.into_iter().filter(is_island);
    islands
        .map(|node| FloatOperator {
            node: NodeRef::of(node, graph.node(node)),
            reason: reason(node),
        })
        .collect()
}

/// Whether a node makes floats of bytes.
fn is_dequantizer(graph: &Graph, node: NodeId) -> bool {
    let is_bytes = |operand| matches!(graph.node(operand).ty.dtype, DType::U8 | DType::I8);
    match graph.node(node).op {
        Op::Dequantize(_) => true,
        Op::Convert { to: DType::F32 } => graph.operand(node, 0).is_some_and(is_bytes),
        _ => false,
    }
}

fn computes_on_floats(op: &Op) -> bool {
    let on_bytes = matches!(
        op,
        Op::Quantize(_)
            | Op::Measure
            | Op::QuantizeMeasured
            | Op::Dequantize(_)
            | Op::QuantizedConv(_)
            | Op::Lookup { .. }
    );
    let is_both = |on_bytes: &OnBytes| on_bytes.to.is_none() || on_bytes.from.contains(&None);
    match op {
        Op::OnBytes(on_bytes) => is_both(on_bytes),
        _ => op.is_computed() && !on_bytes,
    }
}

fn is_product(op: &Op) -> bool {
    matches!(op, Op::Conv(_) | Op::Gemm(_) | Op::MatMul)
}
