//! Which values need a zero border, and how wide.
//!
//! A convolution reads beyond its source only as far as its last window reaches, which is less than
//! its padding where the stride does not divide evenly. A value that a result may overwrite in
//! place also gets the result's border, because the two then share one geometry.

use std::collections::HashMap;

use resnetc_ir::op::{Pads, Window};
use resnetc_ir::{Graph, NodeId};

use super::memory::Access;

/// The border of each value that has one.
pub fn halos(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, Pads> {
    let mut halos: HashMap<NodeId, Pads> = HashMap::new();
    for &node in order.iter().rev() {
        let operands = graph.operands(node);
        let access = Access::of(&graph.node(node).op);
        for (i, window) in access.windows {
            widen(&mut halos, operands[i], reach(graph, node, operands[i], &window));
        }
        if let Some(&first) = access.in_place.first() {
            pass_on(graph, &mut halos, node, operands[first]);
        }
    }
    halos
}

/// How far the windows of a convolution reach beyond a source.
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

/// Gives an operand the border of the result that may reuse its place.
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
