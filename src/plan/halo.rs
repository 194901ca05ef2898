//! Which values need a border that stands for zeros, and how wide.
//!
//! A convolution reads beyond its source only as far as its last window reaches, which is less than
//! its padding where the stride does not divide evenly. A value that a result may overwrite in
//! place also gets the result's border, because the two then share one geometry.

use std::collections::HashMap;

use resnetc_ir::op::Pads;
use resnetc_ir::ty::Layout;
use resnetc_ir::{DType, Graph, NodeId};

use super::memory::{self, Access, Read};
use crate::kernels::conv::PLANAR_BYTES_BEYOND;
use crate::kernels::geometry::{Geometry, Zero};

/// A border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Halo {
    /// How wide it is.
    pub pads: Pads,
    /// What it consists of.
    pub zero: Zero,
}

impl Halo {
    /// Whether a value has at least this border.
    pub fn is_in(self, geometry: &Geometry) -> bool {
        let is_none = self.pads == Pads::default();
        is_none || covers(geometry.halo, self.pads) && self.zero == geometry.zero
    }
}

/// The border of each value that has one. Readers of a value agree about what stands for zero; a
/// result with another zero point does not reuse its place.
pub fn halos(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, Halo> {
    let mut halos: HashMap<NodeId, Halo> = HashMap::new();
    for &node in order.iter().rev() {
        let operands = graph.operands(node);
        let access = Access::of(&graph.node(node).op);
        for read in access.windows {
            let source = operands[read.operand];
            let (pads, zero) = (reach(graph, node, source, &read), memory::zero(graph, node));
            widen(&mut halos, source, Halo { pads, zero });
        }
        if let Some(&first) = access.in_place.first() {
            pass_on(graph, &mut halos, node, operands[first]);
        }
    }
    halos
}

/// How far the windows of a convolution reach beyond a source. The rows of planar bytes are read
/// several bytes at a time.
fn reach(graph: &Graph, node: NodeId, source: NodeId, read: &Read) -> Pads {
    let window = &read.window;
    let result = || graph.node(node).ty.nchw().map(|[.., rows, columns]| [rows, columns]);
    let (Some([rows, columns]), Some([.., h, w])) =
        (read.outputs.or_else(result), graph.node(source).ty.nchw())
    else {
        return Pads::default();
    };
    let ty = &graph.node(source).ty;
    let more = match ty.layout == Layout::Planar && ty.dtype == DType::U8 {
        true => [0, PLANAR_BYTES_BEYOND],
        false => [0, 0],
    };
    let beyond = |outputs: usize, extent: usize, axis: usize, before: usize| {
        let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
        let last = (outputs - 1) * window.strides[axis] + reach;
        (last + more[axis]).saturating_sub(before + extent)
    };
    Pads {
        top: window.pads.top,
        left: window.pads.left,
        bottom: beyond(rows, h, 0, window.pads.top),
        right: beyond(columns, w, 1, window.pads.left),
    }
}

/// Adds the border that a reader needs. One of another zero point is for a result that would reuse
/// the place.
fn widen(halos: &mut HashMap<NodeId, Halo>, value: NodeId, by: Halo) {
    if by.pads == Pads::default() {
        return;
    }
    let halo = halos.entry(value).or_insert(by);
    match halo.zero == by.zero {
        true => halo.pads = join(halo.pads, by.pads),
        false => *halo = by,
    }
}

/// As wide as both on every side.
fn join(a: Pads, b: Pads) -> Pads {
    Pads {
        top: a.top.max(b.top),
        left: a.left.max(b.left),
        bottom: a.bottom.max(b.bottom),
        right: a.right.max(b.right),
    }
}

/// Gives an operand the border of the result that may reuse its place, unless the zero point may
/// not be known yet when the operand is written.
fn pass_on(graph: &Graph, halos: &mut HashMap<NodeId, Halo>, result: NodeId, operand: NodeId) {
    let (from, to) = (graph.node(result), graph.node(operand));
    let may_alias = to.op.is_computed() && from.ty == to.ty && !graph.is_output(operand);
    let is_known = |halo: &&Halo| matches!(halo.zero, Zero::Byte(_));
    let Some(&by) = halos.get(&result).filter(is_known).filter(|_| may_alias) else { return };
    let halo = halos.entry(operand).or_insert(by);
    if halo.zero == by.zero {
        halo.pads = join(halo.pads, by.pads);
    }
}

/// Whether `outer` is at least as wide as `inner` on every side.
fn covers(outer: Pads, inner: Pads) -> bool {
    outer.top >= inner.top
        && outer.left >= inner.left
        && outer.bottom >= inner.bottom
        && outer.right >= inner.right
}
