//! Merges a chain of constant per-channel arithmetic that follows no convolution into at most one
//! Mul and one Add.
//!
//! Pre-activation networks normalize before they convolve, and exporters write that as four
//! operators.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [1, 2] : f32[2, 1, 1] "mean"
//! %2 = sub(%0, %1) "sub"
//! %3 = constant [0.5, 4] : f32[2, 1, 1] "scale"
//! %4 = mul(%2, %3) "mul"
//! %5 = constant [7, 9] : f32[2, 1, 1] "shift"
//! %6 = add(%4, %5) "add"
//! output "y" = %6
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.5, 4] : f32[2, 1, 1] "add.scale"
//! %2 = mul(%0, %1) : f32[1, 2, 4, 4] "add"
//! %3 = constant [6.5, 1] : f32[2, 1, 1] "add.shift"
//! %4 = add(%2, %3) : f32[1, 2, 4, 4] "add"
//! output "y" = %4
//! ```

use resnetc_ir::op::Binary;
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::affine::{Affine, Chain, channel_constant};
use super::measure::operators;
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `merge_affine`.
pub const PASS: Pass = Pass {
    name: "merge_affine",
    doc: "merge a chain of constant per-channel arithmetic into one multiplication and one addition",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let source = chained_operand(graph, node)?;
    let mut affine = Affine::identity(*graph.node(source).ty.shape.get(1)?);
    affine = affine.then(graph, node, source).ok()?;
    let rest = Chain::behind(graph, node)?;
    let mut cost = cost(graph, node);
    let mut value = node;
    for &member in &rest.members {
        affine = affine.then(graph, member, value).ok()?;
        cost += self::cost(graph, member);
        value = member;
    }
    let (scales, shifts) = (!affine.keeps_scale(), !affine.keeps_zero());
    if usize::from(scales) + usize::from(shifts) >= cost {
        return None;
    }
    let members = rest.members.len() + 1;
    let label = format!("merge {members} operators up to {}", describe(graph, value));
    let mut patch = Patch::new(label);
    let merged = emit(&mut patch, graph, &affine, source, value)?;
    patch.replace(value, merged);
    Some(patch)
}

/// The operand of the first operator of a chain: a value that is not itself the result of such a
/// chain.
fn chained_operand(graph: &Graph, node: NodeId) -> Option<NodeId> {
    if !matches!(graph.node(node).op, Op::Binary(_) | Op::BatchNorm { .. }) {
        return None;
    }
    let mut operands = graph.operands(node).into_iter();
    operands.find(|&o| graph.constant_of(o).is_none())
}

/// The number of operators to which this one is lowered.
fn cost(graph: &Graph, node: NodeId) -> usize {
    if matches!(graph.node(node).op, Op::BatchNorm { .. }) { 2 } else { 1 }
}

/// Adds `source * scale + shift`, named after the value that it replaces. Leaves out factors and
/// shifts that change nothing.
pub(super) fn emit(
    patch: &mut Patch,
    graph: &Graph,
    affine: &Affine,
    source: NodeId,
    replaced: NodeId,
) -> Option<Value> {
    let node = graph.node(replaced);
    let rank = node.ty.shape.len();
    let mut value = Value::Old(source);
    if !affine.keeps_scale() {
        let scale =
            patch.constant(format!("{}.scale", node.name), channel_constant(&affine.scale, rank)?);
        value = patch.add(node.name.clone(), Op::Binary(Binary::Mul), &[value, scale]);
    }
    if !affine.keeps_zero() {
        let shift =
            patch.constant(format!("{}.shift", node.name), channel_constant(&affine.shift, rank)?);
        value = patch.add(node.name.clone(), Op::Binary(Binary::Add), &[value, shift]);
    }
    Some(value)
}
