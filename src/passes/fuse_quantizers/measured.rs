//! The arithmetic of quantizers that measure the range of their value in a run, as importers compose
//! it: the scale, the zero point, and the quantizer. Scale and zero point become the two elements of
//! a [`Measure`](Op::Measure).

use resnetc_ir::op::{Binary, SliceAxis, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::quantized::LEAST_STEP;
use resnetc_ir::{DType, Graph, NodeId, Op, Patch};

use crate::passes::near_misses::describe;

/// The elements of a scale and a zero point.
pub(in crate::passes) const SCALE: usize = 0;
pub(in crate::passes) const ZERO: usize = 1;

pub(super) fn rewrite(graph: &Graph, node: NodeId) -> Option<Patch> {
    scale(graph, node).or_else(|| zero(graph, node)).or_else(|| quantizer(graph, node))
}

/// The measurement of which a node is an element, and which one.
pub(in crate::passes) fn element(graph: &Graph, node: NodeId) -> Option<(NodeId, usize)> {
    let Op::Reshape { shape } = &graph.node(node).op else { return None };
    let slice = graph.operand(node, 0)?;
    let Op::Slice(axes) = &graph.node(slice).op else { return None };
    let measured = graph.operand(slice, 0)?;
    match axes[..] {
        [SliceAxis { start, len: 1, .. }]
            if shape.is_empty() && graph.node(measured).op == Op::Measure =>
        {
            Some((measured, start))
        }
        _ => None,
    }
}

fn take(patch: &mut Patch, name: &str, measured: impl Into<Value>, element: usize) -> Value {
    let axes = vec![SliceAxis { start: element, step: 1, len: 1 }];
    let taken = patch.add(name, Op::Slice(axes), &[measured.into()]);
    patch.add(name, Op::Reshape { shape: vec![] }, &[taken])
}

/// `max(max((above + below) / 255, least), above + below < least)`.
fn scale(graph: &Graph, node: NodeId) -> Option<Patch> {
    let [scale, empty] = binary(graph, node, Binary::Max)?;
    let (scale, least) = with_number(graph, scale, Binary::Max)?;
    let (range, steps) = with_number(graph, scale, Binary::Div)?;
    let (compared, bound) = with_number(graph, empty, Binary::Less)?;
    let [above, below] = binary(graph, range, Binary::Add)?;
    let is_scale = (steps, least, bound) == (255.0, LEAST_STEP, LEAST_STEP) && compared == range;
    let x = most(graph, above)?;
    (is_scale && least_of(graph, below)? == x).then_some(())?;
    let name = &graph.node(node).name;
    let mut patch = Patch::new(format!("measure {}", describe(graph, x)));
    let measured = patch.add(name.clone(), Op::Measure, &[x.into()]);
    let scale = take(&mut patch, name, measured, SCALE);
    patch.replace(node, scale);
    Some(patch)
}

/// `clip(round(below / scale))`, of a measured scale.
fn zero(graph: &Graph, node: NodeId) -> Option<Patch> {
    let rounded = byte(graph, node)?;
    let [below, scale] = quotient(graph, rounded)?;
    let (measured, SCALE) = element(graph, scale)? else { return None };
    let x = graph.operand(measured, 0)?;
    (least_of(graph, below)? == x).then_some(())?;
    let mut patch = Patch::new(format!("take the zero point of {}", describe(graph, x)));
    let zero = take(&mut patch, &graph.node(node).name, measured, ZERO);
    patch.replace(node, zero);
    Some(patch)
}

/// `clip(round(x / scale) + zero)`, of one measurement.
fn quantizer(graph: &Graph, node: NodeId) -> Option<Patch> {
    let [rounded, zero] = binary(graph, byte(graph, node)?, Binary::Add)?;
    let [x, scale] = quotient(graph, rounded)?;
    let (measured, SCALE) = element(graph, scale)? else { return None };
    (element(graph, zero)? == (measured, ZERO)).then_some(())?;
    let name = &graph.node(node).name;
    let mut patch = Patch::new(format!("quantize {} to bytes", describe(graph, x)));
    let bytes = patch.add(name.clone(), Op::QuantizeMeasured, &[x.into(), measured.into()]);
    let floats = patch.add(name.clone(), Op::Convert { to: DType::F32 }, &[bytes]);
    patch.replace(node, floats);
    Some(patch)
}

/// What a node limits to unsigned bytes.
fn byte(graph: &Graph, node: NodeId) -> Option<NodeId> {
    let is_byte = graph.node(node).op == Op::Unary(Unary::Clip { lo: 0.0, hi: 255.0 });
    is_byte.then(|| graph.operand(node, 0)).flatten()
}

/// The quotient that a node rounds.
fn quotient(graph: &Graph, node: NodeId) -> Option<[NodeId; 2]> {
    let is_round = graph.node(node).op == Op::Unary(Unary::Round);
    binary(graph, graph.operand(node, 0).filter(|_| is_round)?, Binary::Div)
}

/// The value whose greatest element, or 0, a node is.
fn most(graph: &Graph, node: NodeId) -> Option<NodeId> {
    let is_relu = graph.node(node).op == Op::Unary(Unary::Relu);
    let greatest = graph.operand(node, 0).filter(|_| is_relu)?;
    match &graph.node(greatest).op {
        Op::ReduceMax { axes, keep_dims: false } => {
            let x = graph.operand(greatest, 0)?;
            (axes.len() == graph.node(x).ty.shape.len()).then_some(x)
        }
        // Of a single number.
        _ => graph.node(greatest).ty.shape.is_empty().then_some(greatest),
    }
}

/// The value whose least element, or 0, a node is, negated.
fn least_of(graph: &Graph, node: NodeId) -> Option<NodeId> {
    let (x, sign) = with_number(graph, most(graph, node)?, Binary::Mul)?;
    (sign == -1.0).then_some(x)
}

fn binary(graph: &Graph, node: NodeId, op: Binary) -> Option<[NodeId; 2]> {
    let is_binary = graph.node(node).op == Op::Binary(op);
    is_binary.then(|| Some([graph.operand(node, 0)?, graph.operand(node, 1)?])).flatten()
}

/// The operand and the number of a function of a value and a constant.
fn with_number(graph: &Graph, node: NodeId, op: Binary) -> Option<(NodeId, f32)> {
    let [x, number] = binary(graph, node, op)?;
    let number = graph.f32_constant_of(number)?;
    (number.elements() == 1).then(|| (x, number.data()[0]))
}
