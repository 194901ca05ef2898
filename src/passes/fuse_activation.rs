//! Makes a ReLU or a clip the last step of the convolution or matrix product before it.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 1, 4, 4] "x"
//! %1 = constant [3, 5] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] "conv"
//! %3 = relu(%2) "relu"
//! output "y" = %3
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 1, 4, 4] "x"
//! %1 = constant [3, 5] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] relu : f32[1, 2, 4, 4] "conv"
//! output "y" = %2
//! ```

use resnetc_ir::op::{Activation, Unary};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::operators;
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `fuse_activation`.
pub const PASS: Pass = Pass {
    name: "fuse_activation",
    doc: "apply a ReLU or a clip in the convolution or matrix product before it",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let wanted = match graph.node(node).op {
        Op::Unary(Unary::Relu) => Activation::Relu,
        Op::Unary(Unary::Clip { lo, hi }) => Activation::Clip { lo, hi },
        _ => return None,
    };
    let source = graph.operand(node, 0)?;
    let mut op = graph.node(source).op.clone();
    let activation = match &mut op {
        Op::Conv(conv) => &mut conv.activation,
        Op::Gemm(gemm) => &mut gemm.activation,
        _ => return None,
    };
    if *activation != Activation::None {
        near.note(graph, node, format!("{} has an activation", describe(graph, source)));
        return None;
    }
    if graph.sole_user(source) != Some(node) {
        near.note(graph, node, format!("{} has two users", describe(graph, source)));
        return None;
    }
    *activation = wanted;
    let label = format!("fuse {} into {}", describe(graph, node), describe(graph, source));
    let mut patch = Patch::new(label);
    let operands: Vec<_> = graph.operands(source).into_iter().map(Into::into).collect();
    let fused = patch.add(graph.node(source).name.clone(), op, &operands);
    patch.replace(node, fused);
    Some(patch)
}
