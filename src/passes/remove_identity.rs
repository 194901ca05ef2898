//! Removes operators that return their operand unchanged: Identity, a Reshape to the same shape, a
//! Transpose that moves nothing, a Pad by nothing, a Slice of everything, a Concat of one. Two
//! Reshapes in a row become one, and so do two Slices: exporters write a shortcut at stride 2 as
//! one Slice per axis. An expansion, which is a product with ones, is removed before a function of
//! two values that itself broadcasts: exporters expand the gate of an attention.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = identity(%0) "dropout"
//! %2 = pad(%1) before=[0, 0, 0, 0] after=[0, 0, 0, 0] "pad"
//! %3 = relu(%2) "relu"
//! %4 = reshape(%3) shape=[2, 16] "rows"
//! %5 = reshape(%4) shape=[1, 32] "flatten"
//! %6 = slice(%3) start=[0, 0, 0, 0] len=[1, 2, 2, 4] step=[1, 1, 2, 1] "every second row"
//! %7 = slice(%6) start=[0, 0, 0, 1] len=[1, 2, 2, 2] step=[1, 1, 1, 2] "every second column"
//! %8 = input : f32[1, 2, 1, 1] "gate"
//! %9 = constant fill=1 : f32[1, 1, 4, 4] "ones"
//! %10 = mul(%8, %9) "expanded"
//! %11 = mul(%0, %10) "gated"
//! output "y" = %5
//! output "z" = %7
//! output "w" = %11
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = input : f32[1, 2, 1, 1] "gate"
//! %2 = relu(%0) : f32[1, 2, 4, 4] "relu"
//! %3 = reshape(%2) shape=[1, 32] : f32[1, 32] "flatten"
//! %4 = slice(%2) start=[0, 0, 0, 1] len=[1, 2, 2, 2] step=[1, 1, 2, 2] : f32[1, 2, 2, 2] "every second column"
//! %5 = mul(%0, %1) : f32[1, 2, 4, 4] "gated"
//! output "y" = %3
//! output "z" = %4
//! output "w" = %5
//! ```

use resnetc_ir::infer::broadcast;
use resnetc_ir::op::{Binary, SliceAxis};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::operators;
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off: no kernel copies a value unchanged.
pub const PASS: Pass = Pass {
    name: "remove_identity",
    doc: "remove operators that return their operand unchanged, merge reshapes and slices in a row",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let source = graph.operand(node, 0)?;
    if is_identity(graph, node, source) {
        let mut patch = Patch::new(format!("remove {}", describe(graph, node)));
        patch.replace(node, source);
        return Some(patch);
    }
    unexpanded(graph, node).or_else(|| merge(graph, node, source))
}

fn is_identity(graph: &Graph, node: NodeId, source: NodeId) -> bool {
    let from = &graph.node(source).ty.shape;
    match &graph.node(node).op {
        Op::Identity => true,
        Op::Reshape { shape } => shape == from,
        Op::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
        Op::Pad { before, after, .. } => before.iter().chain(after).all(|&n| n == 0),
        Op::Slice(axes) => axes
            .iter()
            .zip(from)
            .all(|(axis, &extent)| axis.len == extent && (axis.step == 1 || extent == 1)),
        Op::Concat { .. } => graph.operands(node).len() == 1,
        _ => false,
    }
}

/// A function of two values, one of which was expanded, applied to the value before the expansion.
fn unexpanded(graph: &Graph, node: NodeId) -> Option<Patch> {
    let found = graph.node(node);
    let Op::Binary(_) = found.op else { return None };
    let operands = [graph.operand(node, 0)?, graph.operand(node, 1)?];
    let shape = |n: NodeId| &graph.node(n).ty.shape;
    let (at, source) = (0..2).find_map(|at| {
        let source = expanded(graph, operands[at])?;
        let broadcasts = broadcast(shape(source), shape(operands[1 - at])).ok()?;
        (broadcasts == found.ty.shape).then_some((at, source))
    })?;
    let mut reads = operands;
    reads[at] = source;
    let mut patch = Patch::new(format!("leave out {}", describe(graph, operands[at])));
    let same = patch.add(found.name.clone(), found.op.clone(), &reads.map(Into::into));
    patch.replace(node, same);
    Some(patch)
}

/// The value that a product with ones repeats.
fn expanded(graph: &Graph, node: NodeId) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = graph.node(node).op else { return None };
    let (a, b) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    let is_ones = |n| graph.f32_constant_of(n).is_some_and(|tensor| tensor.all(|x| x == 1.0));
    [(a, b), (b, a)].into_iter().find_map(|(source, ones)| is_ones(ones).then_some(source))
}

/// Merges two operators of the same kind into one.
fn merge(graph: &Graph, node: NodeId, source: NodeId) -> Option<Patch> {
    let origin = graph.operand(source, 0)?;
    let op = match (&graph.node(source).op, &graph.node(node).op) {
        (Op::Reshape { .. }, Op::Reshape { shape }) => Op::Reshape { shape: shape.clone() },
        (Op::Slice(inner), Op::Slice(outer)) => Op::Slice(composed(inner, outer)?),
        _ => return None,
    };
    let label = format!("merge {} with {}", describe(graph, node), describe(graph, source));
    let mut patch = Patch::new(label);
    let merged = patch.add(graph.node(node).name.clone(), op, &[origin.into()]);
    patch.replace(node, merged);
    Some(patch)
}

/// The slice equivalent to `inner` followed by `outer`.
fn composed(inner: &[SliceAxis], outer: &[SliceAxis]) -> Option<Vec<SliceAxis>> {
    let axis = |(inner, outer): (&SliceAxis, &SliceAxis)| {
        let offset = isize::try_from(outer.start).ok()?.checked_mul(inner.step)?;
        let start = inner.start.checked_add_signed(offset)?;
        Some(SliceAxis { start, step: inner.step.checked_mul(outer.step)?, len: outer.len })
    };
    inner.iter().zip(outer).map(axis).collect()
}
