//! Orders in which the operators can run.

use std::collections::{HashMap, HashSet};

use resnetc_ir::{Graph, NodeId, Op};

/// Orders worth planning: depth first from the outputs, operands from the first to the last, and
/// the other way round. They differ in which branch of a block runs first, and so in which values
/// must stay in memory meanwhile.
pub fn orders(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut orders = vec![depth_first(graph, false), depth_first(graph, true)];
    orders.dedup();
    orders
}

/// Updates of state are computed in the place of the state, so they run after everything that reads
/// it.
fn depth_first(graph: &Graph, reversed: bool) -> Vec<NodeId> {
    let updates: HashMap<NodeId, NodeId> =
        graph.outputs().iter().filter_map(|output| Some((output.node, output.next_of?))).collect();
    let operands = |node: NodeId| {
        let mut list = graph.operands(node);
        if reversed {
            list.reverse();
        }
        if let Some(&state) = updates.get(&node) {
            list.extend(readers(graph, state).into_iter().filter(|&reader| reader != node));
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

/// The operators that read a value, as it is or in another shape.
fn readers(graph: &Graph, value: NodeId) -> Vec<NodeId> {
    let (mut readers, mut work) = (Vec::new(), vec![value]);
    while let Some(value) = work.pop() {
        for (user, _) in graph.users(value) {
            if matches!(graph.node(user).op, Op::Reshape { .. } | Op::Identity | Op::Reorder(_)) {
                work.push(user);
            }
            readers.push(user);
        }
    }
    readers
}
