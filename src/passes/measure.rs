//! Why a pass comes to an end: each of its patches makes something smaller that cannot become
//! smaller forever.

use std::collections::HashMap;

use resnetc_ir::{Graph, NodeId, Op};

/// Three numbers of a graph, the first of which counts most. Every patch of a pass makes its
/// measure smaller.
pub type Measure = [u64; 3];

/// Operators; then how deep the operands of all operators lie; then constants.
///
/// The first falls where operators are removed or merged, the second where an operator reads what
/// its operand was computed from, the third where constants are removed or shared. A normalization
/// counts as the two operators that it is lowered to.
pub(super) fn operators(graph: &Graph) -> Measure {
    let depths = depths(graph);
    let weight = |node: NodeId| match graph.node(node).op {
        Op::BatchNorm { .. } => 2,
        ref op => u64::from(op.is_computed()),
    };
    let operands = graph.nodes().flat_map(|node| graph.operands(node));
    let constants = graph.nodes().filter(|&node| graph.constant_of(node).is_some());
    [
        graph.nodes().map(weight).sum(),
        operands.map(|operand| depths[&operand]).sum(),
        constants.count() as u64,
    ]
}

/// The number of nodes that a pass has still to rewrite.
pub(super) fn count(graph: &Graph, remains: impl Fn(NodeId) -> bool) -> Measure {
    [graph.nodes().filter(|&node| remains(node)).count() as u64, 0, 0]
}

/// The number of operators on the longest path to each node.
pub(super) fn depths(graph: &Graph) -> HashMap<NodeId, u64> {
    let mut depths = HashMap::new();
    for node in graph.topo() {
        let operands = graph.operands(node);
        let depth = operands.iter().filter_map(|o| depths.get(o)).max().map_or(0, |d| d + 1);
        depths.insert(node, depth);
    }
    depths
}
