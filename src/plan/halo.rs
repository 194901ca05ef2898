//! Which values need a zero border, and how wide.
//!
//! A convolution reads beyond its source only as far as its last window reaches, which is less than its padding where
//! the stride does not divide. A value that may be overwritten in place by a result is given the result's border as
//! well, for the two then share one geometry.

use std::collections::HashMap;

use resnetc_ir::op::{Pads, Window};
use resnetc_ir::{Graph, NodeId, Op};

/// The border of each value that has one.
pub fn halos(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, Pads> {
    let mut halos: HashMap<NodeId, Pads> = HashMap::new();
    for &node in order.iter().rev() {
        let operands = graph.operands(node);
        match &graph.node(node).op {
            Op::Conv(conv) => {
                widen(&mut halos, operands[0], reach(graph, node, operands[0], &conv.window));
                if let (Some(window), Some(i)) = (&conv.projection, conv.projected_operand()) {
                    widen(&mut halos, operands[i], reach(graph, node, operands[i], window));
                }
                if let Some(residual) = conv.residual_operand() {
                    pass_on(graph, &mut halos, node, operands[residual]);
                }
            }
            Op::Unary(_) | Op::Binary(_) => pass_on(graph, &mut halos, node, operands[0]),
            _ => {}
        }
    }
    halos
}

/// How far the windows of a convolution's result reach beyond a source.
fn reach(graph: &Graph, node: NodeId, source: NodeId, window: &Window) -> Pads {
    let (Some([.., rows, columns]), Some([.., h, w])) =
        (graph.node(node).ty.nchw(), graph.node(source).ty.nchw())
    else {
        return Pads::default();
    };
    let beyond = |outputs: usize, extent: usize, axis: usize, before: usize| {
        let last = (outputs - 1) * window.strides[axis]
            + (window.kernel[axis] - 1) * window.dilations[axis]
            + 1;
        last.saturating_sub(before + extent)
    };
    Pads {
        top: window.pads.top,
        left: window.pads.left,
        bottom: beyond(rows, h, 0, window.pads.top),
        right: beyond(columns, w, 1, window.pads.left),
    }
}

fn widen(halos: &mut HashMap<NodeId, Pads>, value: NodeId, by: Pads) {
    let halo = halos.entry(value).or_default();
    *halo = Pads {
        top: halo.top.max(by.top),
        left: halo.left.max(by.left),
        bottom: halo.bottom.max(by.bottom),
        right: halo.right.max(by.right),
    };
}

/// Gives an operand the border of the result that may take its place.
fn pass_on(graph: &Graph, halos: &mut HashMap<NodeId, Pads>, result: NodeId, operand: NodeId) {
    let (from, to) = (graph.node(result), graph.node(operand));
    let may_alias = to.op.is_computed() && from.ty == to.ty && !graph.is_output(operand);
    if let (true, Some(&halo)) = (may_alias, halos.get(&result)) {
        widen(halos, operand, halo);
    }
}

/// Whether `outer` is at least as wide as `inner` on every side.
pub fn covers(outer: Pads, inner: Pads) -> bool {
    outer.top >= inner.top
        && outer.left >= inner.left
        && outer.bottom >= inner.bottom
        && outer.right >= inner.right
}
