//! Orders in which the operators can run.

use std::collections::HashSet;

use resnetc_ir::{Graph, NodeId};

/// Orders worth planning: depth first from the outputs, operands from the first to the last, and
/// the other way round. They differ in which branch of a block runs first, and so in which values
/// must stay in memory meanwhile.
pub fn orders(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut orders = vec![depth_first(graph, false), depth_first(graph, true)];
    orders.dedup();
    orders
}

fn depth_first(graph: &Graph, reversed: bool) -> Vec<NodeId> {
    let operands = |node: NodeId| {
        let mut list = graph.operands(node);
        if reversed {
            list.reverse();
        }
        list
    };
    let mut seen = HashSet::new();
    let mut order = Vec::new();
    for output in graph.outputs() {
        // (node, its operands, how many operands are done)
        let mut stack = Vec::new();
        if seen.insert(output.node) {
            stack.push((output.node, operands(output.node), 0));
        }
        while let Some((node, list, next)) = stack.last_mut() {
            match list.get(*next) {
                Some(&operand) => {
                    *next += 1;
                    if seen.insert(operand) {
                        stack.push((operand, operands(operand), 0));
                    }
                }
                None => {
                    if graph.node(*node).op.is_computed() {
                        order.push(*node);
                    }
                    stack.pop();
                }
            }
        }
    }
    order
}
