//! Which results reuse an operand's place.
//!
//! A view (a reshape that keeps every byte where it is) always does. A result that is computed
//! element by element from an operand of the same geometry does if nothing reads the operand's
//! buffer later: the accumulation of an identity shortcut, and element-wise functions.

use std::collections::HashMap;

use resnetc_ir::ty::Layout;
use resnetc_ir::{Graph, NodeId, Op};

use crate::kernels::geometry::Geometry;
use crate::kernels::sink::ALIGN;

use super::halo::Halo;
use super::memory::Access;
use super::{Buffer, PlanStep, Reuse, dense};

/// Steps, buffers without offsets yet, and the geometry of every value.
pub struct Aliasing {
    /// The steps in order.
    pub steps: Vec<PlanStep>,
    /// The buffers; all offsets are 0.
    pub buffers: Vec<Buffer>,
    /// How each value is laid out in its buffer.
    pub geometries: HashMap<NodeId, Geometry>,
    /// The last step that reads each value; outputs are read after the last one.
    pub last_use: HashMap<NodeId, usize>,
}

struct Assign<'a> {
    graph: &'a Graph,
    reuse: Reuse,
    halos: HashMap<NodeId, Halo>,
    /// Last step that reads each value.
    last_use: HashMap<NodeId, usize>,
    buffers: Vec<Buffer>,
    buffer_of: HashMap<NodeId, usize>,
    geometries: HashMap<NodeId, Geometry>,
}

/// Gives every value a buffer, in the order of the steps.
pub fn assign(
    graph: &Graph,
    order: &[NodeId],
    halos: HashMap<NodeId, Halo>,
    reuse: Reuse,
) -> Aliasing {
    let last_use = last_uses(graph, order);
    let maps = (HashMap::new(), HashMap::new());
    let mut assign = Assign {
        graph,
        reuse,
        halos,
        last_use,
        buffers: Vec::new(),
        buffer_of: maps.0,
        geometries: maps.1,
    };
    for &input in graph.inputs() {
        assign.open(input, dense(&graph.node(input).ty), 0);
        let buffer = assign.buffer_of[&input];
        assign.buffers[buffer].live.1 = order.len();
    }
    let steps = order.iter().enumerate().map(|(at, &node)| assign.step(at, node)).collect();
    let Assign { buffers, geometries, last_use, .. } = assign;
    Aliasing { steps, buffers, geometries, last_use }
}

/// The last step that reads each value; outputs are read after the last one.
fn last_uses(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, usize> {
    let mut last: HashMap<NodeId, usize> = HashMap::new();
    for (at, &node) in order.iter().enumerate() {
        last.insert(node, at);
        for operand in graph.operands(node) {
            last.insert(operand, at);
        }
    }
    for output in graph.outputs() {
        last.insert(output.node, order.len());
    }
    last
}

impl Assign<'_> {
    fn step(&mut self, at: usize, node: NodeId) -> PlanStep {
        if let Some(operand) = self.view(node) {
            let ty = self.graph.node(node).ty.clone();
            let geometry = Geometry { ty, ..self.geometries[&operand].clone() };
            self.join(node, operand, geometry);
            return PlanStep {
                node,
                in_place: None,
                is_view: true,
                fill_halo: false,
                scratch: None,
                published: Vec::new(),
            };
        }
        let state = self.updated(at, node);
        if let Some(operand) = state.or_else(|| self.in_place(at, node)) {
            let geometry = self.geometries[&operand].clone();
            self.join(node, operand, geometry);
            return PlanStep {
                node,
                in_place: Some(operand),
                is_view: false,
                fill_halo: false,
                scratch: None,
                published: Vec::new(),
            };
        }
        let Halo { pads: halo, zero } = self.halo(node);
        let geometry = Geometry { halo, zero, ..dense(&self.graph.node(node).ty) };
        let fill_halo = !geometry.is_dense();
        self.open(node, geometry, at);
        PlanStep {
            node,
            in_place: None,
            is_view: false,
            fill_halo,
            scratch: None,
            published: Vec::new(),
        }
    }

    /// A new buffer, live from step `at` on.
    fn open(&mut self, value: NodeId, geometry: Geometry, at: usize) {
        let bytes = geometry.bytes().next_multiple_of(ALIGN).max(ALIGN);
        let live = (at, self.last_use.get(&value).copied().unwrap_or(at).max(at));
        self.buffer_of.insert(value, self.buffers.len());
        self.buffers.push(Buffer { bytes, live, offset: 0, values: vec![value] });
        self.geometries.insert(value, geometry);
    }

    /// The buffer of `operand`.
    fn join(&mut self, value: NodeId, operand: NodeId, geometry: Geometry) {
        let index = self.buffer_of[&operand];
        let buffer = &mut self.buffers[index];
        buffer.live.1 = buffer.live.1.max(self.last_use[&value]);
        buffer.values.push(value);
        self.buffer_of.insert(value, index);
        self.geometries.insert(value, geometry);
    }

    /// The operand whose bytes the result shares unchanged.
    fn view(&self, node: NodeId) -> Option<NodeId> {
        let n = self.graph.node(node);
        if !Access::of(&n.op).view {
            return None;
        }
        let operand = self.graph.operand(node, 0)?;
        let from = self.geometries.get(&operand)?;
        let needs = self.halo(node);
        let same_bytes = match (from.ty.layout, n.ty.layout) {
            (Layout::Planar, Layout::Planar) => from.is_dense() || from.ty.shape == n.ty.shape,
            (Layout::Blocked, Layout::Blocked) => from.nchw() == dense(&n.ty).nchw(),
            _ => false,
        };
        // An output must be dense, and must not be an input's memory, which the caller may write
        // meanwhile.
        let fits_output =
            !self.graph.is_output(node) || from.is_dense() && !self.holds_input(operand);
        (same_bytes && needs.is_in(from) && fits_output).then_some(operand)
    }

    /// The border that a value needs.
    fn halo(&self, value: NodeId) -> Halo {
        self.halos.get(&value).copied().unwrap_or_default()
    }

    fn holds_input(&self, value: NodeId) -> bool {
        let buffer = &self.buffers[self.buffer_of[&value]];
        buffer.values.iter().any(|&v| self.graph.node(v).op == Op::Input)
    }

    /// The input whose next value the result is, if it can be computed in its place: nothing reads
    /// the input later.
    fn updated(&self, at: usize, node: NodeId) -> Option<NodeId> {
        let mut outputs = self.graph.outputs().iter();
        let input = outputs.find_map(|o| o.next_of.filter(|_| o.node == node))?;
        let buffer = &self.buffers[*self.buffer_of.get(&input)?];
        let is_free = |value: &NodeId| self.last_use.get(value).is_none_or(|&last| last <= at);
        let operands = self.graph.operands(node);
        let position = operands.iter().position(|&operand| operand == input)?;
        let is_element_wise = Access::of(&self.graph.node(node).op).in_place.contains(&position);
        (is_element_wise && buffer.values.iter().all(is_free)).then_some(input)
    }

    /// The operand that the result may overwrite element by element.
    fn in_place(&self, at: usize, node: NodeId) -> Option<NodeId> {
        if self.reuse != Reuse::InPlace {
            return None;
        }
        let n = self.graph.node(node);
        let operands = self.graph.operands(node);
        let candidates = Access::of(&n.op).in_place;
        let needs = self.halo(node);
        candidates.into_iter().map(|c| operands[c]).find(|&operand| {
            let (Some(from), Some(&buffer)) =
                (self.geometries.get(&operand), self.buffer_of.get(&operand))
            else {
                return false;
            };
            let elsewhere =
                |other: &NodeId| *other == operand || self.buffer_of.get(other) != Some(&buffer);
            from.ty == n.ty
                && needs.is_in(from)
                && (from.is_dense() || !self.graph.is_output(node))
                && self.buffers[buffer].live.1 == at
                && !self.reads_twice(node, operand)
                && operands.iter().all(elsewhere)
        })
    }

    /// Whether a convolution also reads its residual as source or weights.
    fn reads_twice(&self, node: NodeId, operand: NodeId) -> bool {
        let reads = self.graph.operands(node).iter().filter(|&&o| o == operand).count();
        let is_sum = matches!(
            self.graph.node(node).op,
            Op::Conv(_) | Op::QuantizedConv(_) | Op::ConvSource(_)
        );
        is_sum && reads > 1
    }
}
