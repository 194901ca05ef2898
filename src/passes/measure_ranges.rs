//! Makes one operator of the arithmetic that finds the range of a value in a run and the scale and
//! the zero point for it, and one of the quantizer to unsigned bytes that they are for.
//!
//! So the value is read once, not five times, and its bytes are bytes.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant fill=47.75 : f32[1, 1, 4, 4] "most"
//! %2 = constant fill=-16 : f32[1, 1, 4, 4] "least"
//! %3 = concat(%0, %1, %2) axis=1 "image"
//! %4 = reduce_max(%3) axes=[0, 1, 2, 3]
//! %5 = relu(%4) "above"
//! %6 = constant [-1] : f32[]
//! %7 = mul(%3, %6)
//! %8 = reduce_max(%7) axes=[0, 1, 2, 3]
//! %9 = relu(%8) "below"
//! %10 = add(%5, %9) "range"
//! %11 = constant [255] : f32[]
//! %12 = div(%10, %11)
//! %13 = constant [2.3509887e-38] : f32[]
//! %14 = max(%12, %13)
//! %15 = less(%10, %13)
//! %16 = max(%14, %15) "scale"
//! %17 = div(%9, %16)
//! %18 = round(%17)
//! %19 = clip(%18) lo=0 hi=255 "zero"
//! %20 = div(%3, %16)
//! %21 = round(%20)
//! %22 = add(%21, %19)
//! %23 = clip(%22) lo=0 hi=255 "bytes"
//! %24 = mul(%23, %16) "product"
//! output "y" = %24
//! ```
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75] : f32[1, 1, 4, 4] "most"
//! %2 = constant [-16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16] : f32[1, 1, 4, 4] "least"
//! %3 = concat(%0, %1, %2) axis=1 : f32[1, 4, 4, 4] "image"
//! %4 = measure(%3) : f32[2] "scale"
//! %5 = quantize_measured(%3, %4) : u8[1, 4, 4, 4] "bytes"
//! %6 = convert(%5) to=f32 : f32[1, 4, 4, 4] "bytes"
//! %7 = slice(%4) start=[0] len=[1] : f32[1] "scale"
//! %8 = reshape(%7) shape=[] : f32[] "scale"
//! %9 = mul(%6, %8) : f32[1, 4, 4, 4] "product"
//! output "y" = %9
//! ```

use resnetc_ir::op::{Binary, SliceAxis, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::quantized::LEAST_STEP;
use resnetc_ir::{DType, Graph, NodeId, Op, Patch};

use super::Pass;
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `measure_ranges`.
pub const PASS: Pass = Pass {
    name: "measure_ranges",
    doc: "measure the range of a value that a run quantizes in one pass over it",
    sweep: |_| Box::new(rewrite),
    measure: None,
};

/// The elements of a scale and a zero point.
pub(super) const SCALE: usize = 0;
pub(super) const ZERO: usize = 1;

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    // Operands come first, so what they are made of has been rewritten.
    scale(graph, node).or_else(|| zero(graph, node)).or_else(|| quantizer(graph, node))
}

/// The measurement of which a node is an element, and which one.
pub(super) fn element(graph: &Graph, node: NodeId) -> Option<(NodeId, usize)> {
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
    let is_single = graph.node(x).ty.dtype == DType::F32;
    (is_scale && is_single && least_of(graph, below)? == x).then_some(())?;
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
