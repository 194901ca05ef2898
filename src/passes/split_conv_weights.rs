//! Splits the gradient of a convolution with respect to its weights into one for each group, where
//! groups of channels are neither whole blocks of sixteen nor equal parts of one. Required: kernels
//! multiply whole blocks.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 6, 3, 3] "dy"
//! %1 = input : f32[1, 4, 3, 3] "x"
//! %2 = conv_weights(%0, %1) kernel=[1, 1] groups=2 image=[3, 3] "dw"
//! output "y" = %2
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 6, 3, 3] "dy"
//! %1 = input : f32[1, 4, 3, 3] "x"
//! %2 = slice(%0) start=[0, 0, 0, 0] len=[1, 3, 3, 3] : f32[1, 3, 3, 3] "dw"
//! %3 = slice(%1) start=[0, 0, 0, 0] len=[1, 2, 3, 3] : f32[1, 2, 3, 3] "dw"
//! %4 = conv_weights(%2, %3) kernel=[1, 1] image=[3, 3] : f32[3, 2, 1, 1] "dw"
//! %5 = slice(%0) start=[0, 3, 0, 0] len=[1, 3, 3, 3] : f32[1, 3, 3, 3] "dw"
//! %6 = slice(%1) start=[0, 2, 0, 0] len=[1, 2, 3, 3] : f32[1, 2, 3, 3] "dw"
//! %7 = conv_weights(%5, %6) kernel=[1, 1] image=[3, 3] : f32[3, 2, 1, 1] "dw"
//! %8 = concat(%4, %7) axis=0 : f32[6, 2, 1, 1] "dw"
//! output "y" = %8
//! ```

use resnetc_ir::op::{ConvGradient, SliceAxis};
use resnetc_ir::patch::Value;
use resnetc_ir::ty::BLOCK;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::{Measure, count};
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "split_conv_weights",
    doc: "split gradients of weights by groups that are no blocks",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Gradients with groups that kernels do not multiply.
fn remaining(graph: &Graph) -> Measure {
    count(graph, |node| is_uneven(graph, node).is_some())
}

/// The attributes of a gradient whose groups are neither whole blocks nor equal parts of one.
fn is_uneven(graph: &Graph, node: NodeId) -> Option<ConvGradient> {
    let Op::ConvWeights(gradient) = graph.node(node).op else { return None };
    let [outputs, inputs, ..] = graph.node(node).ty.nchw()?;
    let outputs = outputs / gradient.groups;
    let is_whole = outputs.is_multiple_of(BLOCK) && inputs.is_multiple_of(BLOCK);
    let is_part = outputs == inputs && BLOCK.is_multiple_of(outputs);
    (gradient.groups > 1 && !is_whole && !is_part).then_some(gradient)
}

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let gradient = is_uneven(graph, node)?;
    let name = &graph.node(node).name;
    let mut patch = Patch::new(format!("split {}", describe(graph, node)));
    let operands = [graph.operand(node, 0)?, graph.operand(node, 1)?];
    let shapes = [graph.node(operands[0]).ty.nchw()?, graph.node(operands[1]).ty.nchw()?];
    let mut groups: Vec<Value> = Vec::new();
    for group in 0..gradient.groups {
        let parts = [0, 1].map(|i| {
            let [n, c, h, w] = shapes[i];
            let own = c / gradient.groups;
            let axis = |start, len| SliceAxis { start, step: 1, len };
            let axes = vec![axis(0, n), axis(group * own, own), axis(0, h), axis(0, w)];
            patch.add(name, Op::Slice(axes), &[operands[i].into()])
        });
        let op = Op::ConvWeights(ConvGradient { groups: 1, ..gradient });
        groups.push(patch.add(name, op, &parts));
    }
    let all = patch.add(name, Op::Concat { axis: 0 }, &groups);
    patch.replace(node, all);
    Some(patch)
}
