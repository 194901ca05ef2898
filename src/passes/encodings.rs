//! How convolutions read the bytes of a value: which byte stands for zero around its image, of which
//! there is one in memory.

use resnetc_ir::op::Encoding;
use resnetc_ir::{Graph, NodeId, Op};

/// The zero point of a source, and the operand that has it if a run measures it.
pub(super) type ReadAs = (Encoding, Option<NodeId>);

/// How each convolution reads a value, if any does.
pub(super) fn read_as(graph: &Graph, value: NodeId) -> impl Iterator<Item = ReadAs> {
    graph.users(value).into_iter().filter_map(|(user, operand)| match graph.node(user).op {
        Op::QuantizedConv(conv) if operand == 0 => {
            let measured = conv.encoding_operand().and_then(|i| graph.operand(user, i));
            Some((conv.src, measured))
        }
        _ => None,
    })
}

/// Whether all convolutions that read two values read them alike, so that they may be one.
pub(super) fn agree(graph: &Graph, values: [NodeId; 2]) -> bool {
    let mut all = values.into_iter().flat_map(|value| read_as(graph, value));
    let first = all.next();
    all.all(|other| Some(other) == first)
}
