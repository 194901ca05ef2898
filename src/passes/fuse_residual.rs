//! Adds the shortcut of a residual block in the convolution that ends its main branch.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant seed=1 : f32[2, 2, 1, 1] "shortcut.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] "shortcut"
//! %3 = constant seed=2 : f32[2, 2, 3, 3] "conv1.weight"
//! %4 = conv(%0, %3) kernel=[3, 3] pads=[1, 1, 1, 1] relu "conv1"
//! %5 = constant seed=3 : f32[2, 2, 1, 1] "conv2.weight"
//! %6 = conv(%4, %5) kernel=[1, 1] "conv2"
//! %7 = add(%2, %6) "sum"
//! output "y" = %7
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant fnv=3182eb79eab7477f : f32[2, 2, 3, 3] "conv1.weight"
//! %2 = conv(%0, %1) kernel=[3, 3] pads=[1, 1, 1, 1] relu : f32[1, 2, 4, 4] "conv1"
//! %3 = constant [-0.5, -0.75, -0.125, 0.25] : f32[2, 2, 1, 1] "conv2.weight"
//! %4 = constant [0.25, -1, -1, 0.5] : f32[2, 2, 1, 1] "shortcut.weight"
//! %5 = conv(%0, %4) kernel=[1, 1] : f32[1, 2, 4, 4] "shortcut"
//! %6 = conv(%2, %3, %5) kernel=[1, 1] residual : f32[1, 2, 4, 4] "conv2"
//! output "y" = %6
//! ```
//!
//! The sum of two convolutions is fused into the deeper one: that of the main branch, whose
//! operands are still being computed when the projection of the shortcut is done. No cycle can
//! arise: the convolution's only user is the sum, so a shortcut that depended on the convolution
//! would depend on the sum, and thus on itself.

use std::collections::HashMap;

use resnetc_ir::op::{Activation, Binary, Conv, Residual, SourceGradient};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::{depths, operators};
use super::near_misses::{NearMisses, Stop, describe};

/// Switched off by the name `fuse_residual`.
pub const PASS: Pass = Pass {
    name: "fuse_residual",
    doc: "add the shortcut of a residual block in the convolution that ends its main branch",
    sweep: |graph| {
        // New nodes are missing here, but they are convolutions with a residual, which never
        // compete for another one.
        let depths = depths(graph);
        Box::new(move |graph, node, near| rewrite(graph, node, near, &depths))
    },
    measure: Some(operators),
};

fn rewrite(
    graph: &Graph,
    node: NodeId,
    near: &mut NearMisses,
    depths: &HashMap<NodeId, u64>,
) -> Option<Patch> {
    if graph.node(node).op != Op::Binary(Binary::Add) {
        return None;
    }
    let (a, b) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    let mut near_misses = Vec::new();
    let mut candidates = Vec::new();
    for (conv, shortcut) in [(a, b), (b, a)] {
        match check(graph, node, conv, shortcut) {
            Ok(()) => candidates.push((conv, shortcut)),
            Err(Stop::Other | Stop::Memory(_)) => {}
            Err(Stop::Near(reason)) => {
                near_misses.push(format!("{}: {reason}", describe(graph, conv)));
            }
        }
    }
    // The first operand wins a tie: exporters write the main branch first.
    let best = candidates.iter().rev().max_by_key(|(conv, _)| depths.get(conv)).copied();
    let Some((conv, shortcut)) = best else {
        near_misses.into_iter().for_each(|reason| near.note(graph, node, reason));
        return None;
    };
    fuse(graph, node, conv, shortcut)
}

/// Whether the sum can be computed by `conv`.
fn check(graph: &Graph, sum: NodeId, conv: NodeId, shortcut: NodeId) -> Result<(), Stop> {
    let (has_shortcut, activation) = match graph.node(conv).op {
        Op::Conv(op) => (op.residual.is_some() || op.projection.is_some(), op.activation),
        // A gradient that is added to that of the shortcut.
        Op::ConvSource(op) => (op.residual, Activation::None),
        _ => return Err(Stop::Other),
    };
    if graph.constant_of(shortcut).is_some() {
        return Err(Stop::Other);
    }
    if graph.node(conv).ty.shape != graph.node(shortcut).ty.shape {
        return Err(Stop::Near("the sum broadcasts"));
    }
    if has_shortcut {
        return Err(Stop::Near("it has a shortcut"));
    }
    if activation != Activation::None {
        return Err(Stop::Near("an activation comes between"));
    }
    if graph.sole_user(conv) != Some(sum) {
        return Err(Stop::Near("it has two users"));
    }
    Ok(())
}

fn fuse(graph: &Graph, sum: NodeId, conv: NodeId, shortcut: NodeId) -> Option<Patch> {
    let op = match graph.node(conv).op {
        Op::Conv(op) => Op::Conv(Conv { residual: Some(Residual::PLAIN), ..op }),
        Op::ConvSource(op) => Op::ConvSource(SourceGradient { residual: true, ..op }),
        _ => return None,
    };
    let mut operands: Vec<_> = graph.operands(conv).into_iter().map(Into::into).collect();
    operands.push(shortcut.into());
    let label = format!("fuse {} into {}", describe(graph, sum), describe(graph, conv));
    let mut patch = Patch::new(label);
    let fused = patch.add(graph.node(conv).name.clone(), op, &operands);
    patch.replace(sum, fused);
    Some(patch)
}
