//! The order of the rules, from the loss back to the parameters, and the sums of what they give.

use std::collections::{HashMap, HashSet};

use resnetc_ir::op::Binary;
use resnetc_ir::{DType, Graph, NodeId, Op};

use super::error::GradientError;
use super::rules::{Rule, rule};
use super::scope::{Refusal, Scope, filled};

/// The gradients of a number with respect to values of the graph, each of the value's shape, in the
/// order of `at`: nodes that are added to the graph. A value that the number does not depend on has
/// a gradient of zeros.
///
/// # Errors
/// If `loss` is not a single f32, or an operator between it and one of the values has no gradient.
/// Then nodes may have been added that nothing uses.
pub fn gradients(
    graph: &mut Graph,
    loss: NodeId,
    at: &[NodeId],
) -> Result<Vec<NodeId>, GradientError> {
    let (name, ty) = (graph.node(loss).name.clone(), graph.node(loss).ty.clone());
    if ty.dtype != DType::F32 || ty.elements() != 1 {
        return Err(GradientError::NotANumber { name, ty: ty.to_string() });
    }
    let order = graph.topo();
    let active = between(graph, &order, at, loss);
    let one = graph.constant(format!("d{name}"), filled(&ty.shape, 1.0));
    let mut parts: HashMap<NodeId, Vec<NodeId>> = HashMap::from([(loss, vec![one])]);
    let mut found: HashMap<NodeId, NodeId> = HashMap::new();
    for &node in order.iter().rev().filter(|node| active.contains(node)) {
        let Some(given) = parts.remove(&node) else { continue };
        let dy = total(graph, node, &given)?;
        found.insert(node, dy);
        for (operand, part) in step(graph, node, dy, &active)? {
            parts.entry(operand).or_default().push(part);
        }
    }
    let gradient = |&value: &NodeId| match found.get(&value) {
        Some(&gradient) => gradient,
        None => {
            let node = graph.node(value);
            let (name, zeros) = (format!("d{}", node.name), filled(&node.ty.shape, 0.0));
            graph.constant(name, zeros)
        }
    };
    Ok(at.iter().map(gradient).collect())
}

/// The values that depend on one of `from` and that `to` depends on, both included.
fn between(graph: &Graph, order: &[NodeId], from: &[NodeId], to: NodeId) -> HashSet<NodeId> {
    let mut depends: HashSet<NodeId> = from.iter().copied().collect();
    for &node in order {
        if graph.operands(node).iter().any(|operand| depends.contains(operand)) {
            depends.insert(node);
        }
    }
    let mut needed = HashSet::from([to]);
    for &node in order.iter().rev() {
        if needed.contains(&node) {
            needed.extend(graph.operands(node));
        }
    }
    depends.retain(|node| needed.contains(node));
    depends
}

/// The sum of the parts of a value's gradient, one from each use.
fn total(graph: &mut Graph, node: NodeId, parts: &[NodeId]) -> Result<NodeId, GradientError> {
    let Some((&first, others)) = parts.split_first() else { unreachable!("a use gave a part") };
    let name = format!("d{}", graph.node(node).name);
    others.iter().try_fold(first, |sum, &part| {
        let sum = graph.add(name.clone(), Op::Binary(Binary::Add), &[sum, part]);
        sum.map_err(|error| failed(graph, node, Refusal::Graph(error)))
    })
}

/// What a node gives its operands.
fn step(
    graph: &mut Graph,
    node: NodeId,
    dy: NodeId,
    active: &HashSet<NodeId>,
) -> Result<Vec<(NodeId, NodeId)>, GradientError> {
    let operands = graph.operands(node);
    let wanted: Vec<bool> = operands.iter().map(|operand| active.contains(operand)).collect();
    if !wanted.contains(&true) {
        return Ok(Vec::new());
    }
    let of = match rule(graph.node(node).op.kind()) {
        Rule::Of(of) => of,
        Rule::Zero => return Ok(Vec::new()),
        Rule::None(reason) => {
            return Err(failed(graph, node, Refusal::Reason(reason.to_owned())));
        }
    };
    let given = of(&mut Scope::new(graph, node, dy, wanted));
    let given = given.map_err(|refusal| failed(graph, node, refusal))?;
    let pairs = operands.into_iter().zip(given);
    Ok(pairs.filter_map(|(operand, part)| Some((operand, part?))).collect())
}

fn failed(graph: &Graph, node: NodeId, refusal: Refusal) -> GradientError {
    let node = graph.node(node);
    let (name, op) = (node.name.clone(), node.op.name());
    match refusal {
        Refusal::Reason(reason) => GradientError::NoRule { name, op, reason },
        Refusal::Graph(error) => GradientError::Rule { name, op, error },
    }
}
