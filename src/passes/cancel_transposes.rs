//! Removes the transposes of networks that were written for channels-last images.
//!
//! Exports of such networks wrap every convolution in two transposes and do everything else on
//! `[N, H, W, C]`. Two transposes in a row become one or none. If there are operators between them,
//! the largest connected region of operators that work in any order of axes is computed in the
//! other order as a whole: transposes at its borders cancel, those that the new order needs are
//! added, and the region is only rewritten if fewer elements are moved than before. A transpose
//! counts as saved only if nothing reads it afterwards. So the pass terminates.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant seed=1 : f32[2, 2, 1, 1] "conv1.weight"
//! %2 = constant [1, 2] : f32[1, 1, 1, 2] "bias"
//! %3 = constant seed=2 : f32[2, 2, 1, 1] "conv2.weight"
//! %4 = conv(%0, %1) kernel=[1, 1] "conv1"
//! %5 = transpose(%4) perm=[0, 2, 3, 1] "to nhwc"
//! %6 = add(%5, %2) "add"
//! %7 = relu(%6) "relu"
//! %8 = transpose(%7) perm=[0, 3, 1, 2] "to nchw"
//! %9 = conv(%8, %3) kernel=[1, 1] "conv2"
//! %10 = reduce_mean(%7) axes=[1, 2] "mean"
//! output "y" = %9
//! output "features" = %10
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.25, -1, -1, 0.5] : f32[2, 2, 1, 1] "conv1.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] : f32[1, 2, 4, 4] "conv1"
//! %3 = constant [1, 2] : f32[1, 2, 1, 1] "bias"
//! %4 = add(%2, %3) : f32[1, 2, 4, 4] "add"
//! %5 = relu(%4) : f32[1, 2, 4, 4] "relu"
//! %6 = constant [1, -0.625, 0.125, 0] : f32[2, 2, 1, 1] "conv2.weight"
//! %7 = conv(%5, %6) kernel=[1, 1] : f32[1, 2, 4, 4] "conv2"
//! %8 = reduce_mean(%5) axes=[2, 3] : f32[1, 2] "mean"
//! output "y" = %7
//! output "features" = %8
//! ```

mod region;

use std::collections::HashSet;
use std::iter::successors;

use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::Measure;
use super::near_misses::{NearMisses, describe};
use super::permute::{compose, inverse, is_identity, keeps_order};
use region::{Region, absorbed, cost};

/// Switched off by the name `cancel_transposes`.
pub const PASS: Pass = Pass {
    name: "cancel_transposes",
    doc: "cancel transposes, across whole regions of operators that work in any order of axes",
    sweep: |_| {
        let mut tried = Tried::new();
        Box::new(move |graph, node, near| rewrite(graph, node, near, &mut tried))
    },
    measure: Some(moved),
};

/// Elements that transposes move; then the number of transposes; then how many of them precede each
/// transpose and each mean.
fn moved(graph: &Graph) -> Measure {
    let is_transpose = |&node: &NodeId| matches!(graph.node(node).op, Op::Transpose { .. });
    let above = |node: NodeId| {
        let above = successors(graph.operand(node, 0), |&n| graph.operand(n, 0));
        above.take_while(is_transpose).count()
    };
    let [mut elements, mut transposes, mut standing_above] = [0; 3];
    for node in graph.nodes() {
        match &graph.node(node).op {
            Op::Transpose { perm } => {
                elements += graph.operand(node, 0).map_or(0, |source| cost(graph, source, perm));
                transposes += 1;
                standing_above += above(node);
            }
            Op::ReduceMean { .. } => standing_above += above(node),
            _ => {}
        }
    }
    [elements, transposes, standing_above].map(|n| n as u64)
}

/// Nodes of regions for which rewriting did not pay, with their permutation; keeps a sweep linear.
type Tried = HashSet<(Vec<usize>, NodeId)>;

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses, tried: &mut Tried) -> Option<Patch> {
    let source = graph.operand(node, 0)?;
    match &graph.node(node).op {
        Op::ReduceMean { .. } => absorb(graph, node, source),
        Op::Transpose { perm } => merge(graph, node, source, perm)
            .or_else(|| move_region(graph, node, source, perm, near, tried))
            .or_else(|| reshape(graph, node, source, perm)),
        _ => None,
    }
}

/// Merges two transposes into one. If the first has other readers, the second may be one that moves
/// nothing; then it is left alone.
fn merge(graph: &Graph, node: NodeId, source: NodeId, perm: &[usize]) -> Option<Patch> {
    let Op::Transpose { perm: first } = &graph.node(source).op else { return None };
    let origin = graph.operand(source, 0)?;
    let both = compose(first, perm);
    let is_shared = graph.sole_user(source) != Some(node);
    if is_shared && cost(graph, origin, &both) > cost(graph, source, perm) {
        return None;
    }
    let label = format!("merge {} with {}", describe(graph, node), describe(graph, source));
    let mut patch = Patch::new(label);
    let perm = both;
    let merged = match is_identity(&perm) {
        true => origin.into(),
        false => {
            let name = graph.node(node).name.clone();
            patch.add(name, Op::Transpose { perm }, &[origin.into()])
        }
    };
    patch.replace(node, merged);
    Some(patch)
}

/// Tries the operators after a transpose, then those before it.
fn move_region(
    graph: &Graph,
    node: NodeId,
    source: NodeId,
    perm: &[usize],
    near: &mut NearMisses,
    tried: &mut Tried,
) -> Option<Patch> {
    let behind = graph.users(node).into_iter().map(|(user, _)| (perm.to_vec(), user));
    let seeds: Vec<_> = behind.chain([(inverse(perm), source)]).collect();
    let mut failed = false;
    for (perm, seed) in seeds {
        if tried.contains(&(perm.clone(), seed)) {
            continue;
        }
        let Some(region) = Region::grow(graph, perm.clone(), seed) else { continue };
        if region.saves() {
            return region.patch(near);
        }
        failed = true;
        tried.extend(region.members().iter().map(|&member| (perm.clone(), member)));
    }
    if failed {
        near.note(graph, node, "moving it would move more elements than it saves");
    }
    None
}

/// A transpose that only moves axes of extent 1 is a reshape.
fn reshape(graph: &Graph, node: NodeId, source: NodeId, perm: &[usize]) -> Option<Patch> {
    if !keeps_order(&graph.node(source).ty.shape, perm) {
        return None;
    }
    let mut patch = Patch::new(format!("{} is a reshape", describe(graph, node)));
    let shape = graph.node(node).ty.shape.clone();
    let name = graph.node(node).name.clone();
    let reshaped = patch.add(name, Op::Reshape { shape }, &[source.into()]);
    patch.replace(node, reshaped);
    Some(patch)
}

/// A mean of a transposed value is a mean over other axes, if the remaining axes keep their order.
fn absorb(graph: &Graph, node: NodeId, source: NodeId) -> Option<Patch> {
    let Op::Transpose { perm } = &graph.node(source).op else { return None };
    let (op, rest) = absorbed(&graph.node(node).op, perm)?;
    if !is_identity(&rest) {
        return None;
    }
    let origin = graph.operand(source, 0)?;
    let label = format!("let {} read before {}", describe(graph, node), describe(graph, source));
    let mut patch = Patch::new(label);
    let mean = patch.add(graph.node(node).name.clone(), op, &[origin.into()]);
    patch.replace(node, mean);
    Some(patch)
}
