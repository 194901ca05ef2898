//! Fuses functions of single elements into sums over channels, and sums of the same values into
//! one.
//!
//! Before:
//! ```text
//! %0 = input : f32[2, 3, 4, 4] "dy"
//! %1 = input : f32[2, 3, 4, 4] "x"
//! %2 = mul(%0, %1) "product"
//! %3 = channel_sums(%2) steps=[] results=[x0] "scale"
//! %4 = channel_sums(%0) steps=[] results=[x0] "shift"
//! output "a" = %3
//! output "b" = %4
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[2, 3, 4, 4] "dy"
//! %1 = input : f32[2, 3, 4, 4] "x"
//! %2 = channel_sums(%0, %1) steps=[mul/x0/x1] results=[s0, x0] : f32[2, 3] "shift"
//! %3 = slice(%2) start=[0, 0] len=[1, 3] : f32[1, 3] "scale"
//! %4 = slice(%2) start=[1, 0] len=[1, 3] : f32[1, 3] "shift"
//! output "a" = %3
//! output "b" = %4
//! ```

use std::collections::HashSet;

use resnetc_ir::expression::{Expression, Term};
use resnetc_ir::op::SliceAxis;
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::fused::{Fused, MAX_OPERANDS, MAX_SUMS, depth_of_reads, function, is_inlined};
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `fuse_channel_sums`.
pub const PASS: Pass = Pass {
    name: "fuse_channel_sums",
    doc: "fuse functions into sums over channels, and such sums into one",
    sweep: |_| Box::new(rewrite),
    measure: Some(depth_of_reads),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let sums = Fused::of_sums(graph, node)?;
    with_functions(graph, node, &sums, near).or_else(|| with_others(graph, node, &sums))
}

/// The sums of functions in place of sums of their results.
fn with_functions(
    graph: &Graph,
    node: NodeId,
    sums: &Fused,
    near: &mut NearMisses,
) -> Option<Patch> {
    let mut fused = sums.clone();
    for operand in graph.operands(node) {
        let whole = &graph.node(graph.operand(node, 0)?).ty.shape;
        let is_function = function(graph, operand).is_some();
        if !is_function || graph.node(operand).ty.shape != *whole {
            continue;
        }
        if !is_inlined(graph, operand) {
            near.note(
                graph,
                node,
                format!("{} is stored for another reader", describe(graph, operand)),
            );
            continue;
        }
        if let Some(larger) = fused.with(graph, operand) {
            fused = larger;
        }
    }
    if fused == *sums {
        return None;
    }
    let mut patch = Patch::new(format!("fuse functions into {}", describe(graph, node)));
    let operands: Vec<Value> = fused.operands.iter().map(|&o| o.into()).collect();
    let name = graph.node(node).name.clone();
    let sum = patch.add(name, Op::ChannelSums(fused.expression), &operands);
    patch.replace(node, sum);
    Some(patch)
}

/// The sums together with others that read one of the same values.
fn with_others(graph: &Graph, node: NodeId, sums: &Fused) -> Option<Patch> {
    let whole = |operand: &NodeId| graph.node(*operand).ty.shape.len() > 2;
    let shared = sums.operands.iter().filter(|operand| whole(operand));
    let users = shared.flat_map(|&operand| graph.users(operand)).map(|(user, _)| user);
    let mut others: Vec<NodeId> = users.filter(|&user| user != node).collect();
    others.dedup();
    let (other, joined) = others.into_iter().find_map(|other| {
        let joined = joined(graph, &Fused::of_sums(graph, other)?, sums)?;
        (!depends(graph, node, other) && !depends(graph, other, node)).then_some((other, joined))
    })?;
    let names = [other, node].map(|node| describe(graph, node));
    let mut patch = Patch::new(format!("compute {} and {} together", names[0], names[1]));
    let operands: Vec<Value> = joined.operands.iter().map(|&o| o.into()).collect();
    let name = graph.node(node).name.clone();
    let all = patch.add(name, Op::ChannelSums(joined.expression), &operands);
    let mut start = 0;
    for old in [other, node] {
        let [rows, channels] = graph.node(old).ty.shape[..] else { return None };
        let axis = |start, len| SliceAxis { start, step: 1, len };
        let axes = vec![axis(start, rows), axis(0, channels)];
        let part = patch.add(graph.node(old).name.clone(), Op::Slice(axes), &[all]);
        patch.replace(old, part);
        start += rows;
    }
    Some(patch)
}

/// The sums of both; `None` if that are too many, or of values of different shapes.
fn joined(graph: &Graph, first: &Fused, second: &Fused) -> Option<Fused> {
    let shape = |sums: &Fused| {
        let shapes = sums.operands.iter().map(|&operand| &graph.node(operand).ty.shape);
        shapes.max_by_key(|shape| shape.iter().product::<usize>()).cloned()
    };
    let whole = shape(first).filter(|whole| Some(whole) == shape(second).as_ref())?;
    let (steps, own) = (first.expression.steps.len(), first.operands.len());
    let moved = |term: Term| match term {
        Term::Operand(position) => Term::Operand(own + position),
        Term::Step(step) => Term::Step(steps + step),
        Term::Number(_) => term,
    };
    let mut added: Expression = second.expression.clone();
    added.steps.iter_mut().for_each(|s| s.terms_mut().iter_mut().for_each(|t| *t = moved(*t)));
    added.results.iter_mut().for_each(|term| *term = moved(*term));
    let mut expression = first.expression.clone();
    expression.steps.extend(added.steps);
    expression.results.extend(added.results);
    let operands = first.operands.iter().chain(&second.operands).copied().collect();
    let all = Fused { expression, operands }.tidied(graph, &whole)?;
    let fits = all.expression.results.len() <= MAX_SUMS && all.operands.len() <= MAX_OPERANDS;
    fits.then_some(all)
}

/// Whether one value is computed from another.
fn depends(graph: &Graph, value: NodeId, on: NodeId) -> bool {
    let (mut seen, mut work) = (HashSet::new(), vec![value]);
    while let Some(node) = work.pop() {
        if node == on {
            return true;
        }
        work.extend(graph.operands(node).into_iter().filter(|&operand| seen.insert(operand)));
    }
    false
}
