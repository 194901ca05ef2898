//! Adds a quantized shortcut in the convolution that ends the main branch: the quantized result of
//! the convolution and another quantized value, dequantized, added, and quantized.

use resnetc_ir::op::{Binary, Dequantize, Ending, Quantize, QuantizedConv, QuantizedResidual};
use resnetc_ir::{DType, Graph, NodeId, Op, Patch};

use super::activation::{activated, limited};
use crate::passes::near_misses::{NearMisses, describe};

pub(super) fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::Quantize(Quantize { scale, result }) = graph.node(node).op else { return None };
    let (sum, activation) = activated(graph, graph.operand(node, 0)?);
    if graph.node(sum).op != Op::Binary(Binary::Add) {
        return None;
    }
    let terms = [graph.operand(sum, 0)?, graph.operand(sum, 1)?];
    let [a, b] = terms.map(|term| dequantized(graph, term));
    let (a, b) = (a?, b?);
    let own = |term: Term| Some((convolution(graph, term)?, term));
    let Some(((conv, own, bytes), term, other)) = [(a, b), (b, a)]
        .into_iter()
        .find_map(|(term, other)| own(term).map(|(found, term)| (found, term, other)))
    else {
        near.note(graph, node, "no term of its sum is a convolution with this as its only user");
        return None;
    };
    if term.dequantize.zero != bytes.zero {
        near.note(graph, node, "a term is quantized with one zero point and read with another");
        return None;
    }
    let shape = &graph.node(other.bytes).ty.shape;
    if graph.node(conv).ty.shape != *shape {
        near.note(graph, node, "the sum broadcasts");
        return None;
    }
    let factor = |step: f32| (f64::from(step) / f64::from(scale)) as f32;
    let residual = QuantizedResidual {
        own: factor(term.dequantize.scale),
        factor: factor(other.dequantize.scale),
        zero: other.dequantize.zero,
        sum: limited(result, activation, scale),
    };
    let mut patch =
        Patch::new(format!("fuse {} into {}", describe(graph, sum), describe(graph, conv)));
    let mut operands: Vec<_> = graph.operands(conv).into_iter().map(Into::into).collect();
    operands.push(other.bytes.into());
    let op = Op::QuantizedConv(QuantizedConv { ending: Ending::Sum(bytes, residual), ..own });
    let fused = patch.add(graph.node(conv).name.clone(), op, &operands);
    patch.replace(node, fused);
    Some(patch)
}

/// Dequantized bytes.
#[derive(Clone, Copy)]
struct Term {
    node: NodeId,
    bytes: NodeId,
    dequantize: Dequantize,
}

fn dequantized(graph: &Graph, node: NodeId) -> Option<Term> {
    let Op::Dequantize(dequantize) = graph.node(node).op else { return None };
    Some(Term { node, bytes: graph.operand(node, 0)?, dequantize })
}

/// The convolution whose bytes a term is, if nothing else reads them, and how it makes them.
fn convolution(
    graph: &Graph,
    term: Term,
) -> Option<(NodeId, QuantizedConv, resnetc_ir::op::Requantize)> {
    let Op::QuantizedConv(conv) = graph.node(term.bytes).op else { return None };
    let Ending::Bytes(bytes) = conv.ending else { return None };
    let is_alone = [term.bytes, term.node].iter().all(|&node| graph.sole_user(node).is_some());
    (is_alone && bytes.to == DType::U8).then_some((term.bytes, conv, bytes))
}
