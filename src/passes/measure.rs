//! Why a pass terminates: each of its patches decreases a measure that cannot decrease forever.

use std::collections::HashMap;

use resnetc_ir::{Graph, NodeId, Op};

/// Three numbers of a graph, in lexicographic order. Every patch of a pass decreases its measure.
pub type Measure = [u64; 3];

/// The number of operators; then the sum of the depths of all operands; then the number of
/// constants.
///
/// The first decreases if operators are removed or merged, the second if an operator reads an
/// operand of its operand instead, the third if constants are removed or shared. A normalization
/// counts as the two operators to which it is lowered.
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

/// The number of nodes that a pass still has to rewrite.
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
