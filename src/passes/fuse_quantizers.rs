//! Makes one operator of the arithmetic of a quantizer, and one of that of a dequantizer, with
//! bytes between them.
//!
//! A dequantizer is moved after operators that only move or select elements, so that they work on
//! bytes. A quantizer that undoes a dequantizer is left out. Inputs that are declared to be bytes
//! become bytes where they are dequantized. Bytes are unsigned; signed ones are held 128 higher.
//! NaN, which no byte stands for, becomes the smallest byte.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.25] : f32[] "scale"
//! %2 = constant [3] : f32[] "zero"
//! %3 = div(%0, %1)
//! %4 = round(%3)
//! %5 = add(%4, %2)
//! %6 = clip(%5) lo=-128 hi=127 "quantizer"
//! %7 = sub(%6, %2)
//! %8 = mul(%7, %1) "dequantizer"
//! %9 = max_pool(%8) kernel=[2, 2] "pool"
//! %10 = div(%9, %1)
//! %11 = round(%10)
//! %12 = add(%11, %2)
//! %13 = clip(%12) lo=-128 hi=127 "the same quantizer"
//! %14 = sub(%13, %2)
//! %15 = mul(%14, %1) "result"
//! output "y" = %15
//! ```
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = quantize(%0) scale=0.25 to=u8 zero=131 limits=[0, 255] : u8[1, 2, 4, 4] "quantizer"
//! %2 = max_pool(%1) kernel=[2, 2] : u8[1, 2, 3, 3] "pool"
//! %3 = dequantize(%2) scale=0.25 zero=131 : f32[1, 2, 3, 3] "result"
//! output "y" = %3
//! ```

use resnetc_ir::op::{Dequantize, Quantize, Requantize};
use resnetc_ir::patch::Value;
use resnetc_ir::{DType, Graph, NodeId, Op, Patch};

use super::Pass;
use super::near_misses::{NearMisses, describe};

mod chains;

use chains::{Dequantizer, Quantizer};

/// Switched off by the name `fuse_quantizers`.
pub const PASS: Pass = Pass {
    name: "fuse_quantizers",
    doc: "make bytes of quantized values, and one operator of every quantizer and dequantizer",
    sweep: |_| Box::new(rewrite),
    measure: None,
};

/// Signed bytes are held as unsigned ones, this much higher.
const OFFSET: i32 = 128;

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    // Operands come first, so what they are made of has been rewritten.
    quantizer(graph, node)
        .or_else(|| dequantizer(graph, node))
        .or_else(|| undone(graph, node))
        .or_else(|| moved(graph, node))
}

fn quantizer(graph: &Graph, node: NodeId) -> Option<Patch> {
    let Quantizer { x, quantize } = Quantizer::of(graph, node)?;
    let name = &graph.node(node).name;
    let mut patch = Patch::new(format!("quantize {} to bytes", describe(graph, x)));
    let Requantize { to, zero, lo, hi } = quantize.result;
    let offset = if to == DType::U8 { 0 } else { OFFSET };
    let result =
        Requantize { to: DType::U8, zero: zero + offset, lo: lo + offset, hi: hi + offset };
    let quantize = Quantize { result, ..quantize };
    let bytes = match same_bytes(graph, x, quantize) {
        Some(bytes) => bytes.into(),
        None => patch.add(name.clone(), Op::Quantize(quantize), &[x.into()]),
    };
    let floats = match offset {
        0 => Op::Convert { to: DType::F32 },
        zero => Op::Dequantize(Dequantize { scale: 1.0, zero }),
    };
    let floats = patch.add(name.clone(), floats, &[bytes]);
    patch.replace(node, floats);
    Some(patch)
}

/// The bytes that a value is, minus a number.
fn centred_bytes(graph: &Graph, value: NodeId) -> Option<(NodeId, i32)> {
    let (bytes, zero) = match graph.node(value).op {
        Op::Dequantize(Dequantize { scale: 1.0, zero }) => (graph.operand(value, 0)?, zero),
        Op::Convert { to: DType::F32 } => (graph.operand(value, 0)?, 0),
        _ => return None,
    };
    (graph.node(bytes).ty.dtype == DType::U8).then_some((bytes, zero))
}

fn dequantizer(graph: &Graph, node: NodeId) -> Option<Patch> {
    let Dequantizer { q, zero, scale } = Dequantizer::of(graph, node)?;
    let known = centred_bytes(graph, q);
    let offset = known.map(|(_, offset)| offset).or_else(|| declared_offset(graph, q))?;
    let zero = zero + offset;
    (0..=i32::from(u8::MAX)).contains(&zero).then_some(())?;
    let bytes = known.map_or(q, |(bytes, _)| bytes);
    let mut patch = Patch::new(format!("dequantize the bytes {}", describe(graph, bytes)));
    let bytes = match known {
        Some(_) => bytes.into(),
        None => bytes_of_declared(graph, q, offset, &mut patch),
    };
    let name = graph.node(node).name.clone();
    let dequantize = Dequantize { scale, zero };
    let floats = patch.add(name, Op::Dequantize(dequantize), &[bytes]);
    patch.replace(node, floats);
    Some(patch)
}

/// How much higher the bytes of a value are held that is declared to be bytes: an input, or what is
/// moved from one. Every run checks that the numbers of such an input are bytes.
fn declared_offset(graph: &Graph, mut value: NodeId) -> Option<i32> {
    while moves(&graph.node(value).op) && graph.operands(value).len() == 1 {
        value = graph.operand(value, 0)?;
    }
    let found = graph.node(value);
    match (&found.op, found.ty.dtype, graph.input_dtype(value)) {
        (Op::Input, DType::F32, DType::U8) => Some(0),
        (Op::Input, DType::F32, DType::I8) => Some(OFFSET),
        _ => None,
    }
}

/// The bytes of such a value, which quantizing does not change.
fn bytes_of_declared(graph: &Graph, value: NodeId, zero: i32, patch: &mut Patch) -> Value {
    let result = Requantize { to: DType::U8, zero, lo: 0, hi: u8::MAX.into() };
    let op = Op::Quantize(Quantize { scale: 1.0, result });
    let mut users = graph.users(value).into_iter().map(|(user, _)| user);
    match users.find(|&user| graph.node(user).op == op) {
        Some(bytes) => bytes.into(),
        None => patch.add(graph.node(value).name.clone(), op, &[value.into()]),
    }
}

/// A quantizer of dequantized bytes that gives the same bytes.
fn undone(graph: &Graph, node: NodeId) -> Option<Patch> {
    let Op::Quantize(quantize) = graph.node(node).op else { return None };
    let bytes = same_bytes(graph, graph.operand(node, 0)?, quantize)?;
    let mut patch = Patch::new(format!("leave out {}", describe(graph, node)));
    patch.replace(node, bytes);
    Some(patch)
}

/// The bytes that a value was dequantized from, if quantizing it gives the same bytes.
pub(super) fn same_bytes(graph: &Graph, value: NodeId, quantize: Quantize) -> Option<NodeId> {
    let Op::Dequantize(from) = graph.node(value).op else { return None };
    let bytes = graph.operand(value, 0)?;
    let Quantize { scale, result } = quantize;
    let is_whole = result.to.limits() == Some((result.lo.into(), result.hi.into()));
    let is_same = from == Dequantize { scale, zero: result.zero }
        && graph.node(bytes).ty.dtype == result.to
        && is_whole;
    is_same.then_some(bytes)
}

/// Whether an operator moves or selects elements.
pub(super) fn moves(op: &Op) -> bool {
    matches!(
        op,
        Op::MaxPool(_)
            | Op::Reshape { .. }
            | Op::Transpose { .. }
            | Op::Slice(_)
            | Op::Concat { .. }
            | Op::Identity
    )
}

/// The bytes of a value, and how they are dequantized.
pub(super) fn dequantized(graph: &Graph, node: NodeId) -> Option<(NodeId, Dequantize)> {
    let from = match graph.node(node).op {
        Op::Dequantize(from) => from,
        Op::Convert { to: DType::F32 } => Dequantize { scale: 1.0, zero: 0 },
        _ => return None,
    };
    let bytes = graph.operand(node, 0)?;
    matches!(graph.node(bytes).ty.dtype, DType::U8 | DType::I8).then_some((bytes, from))
}

/// An operator that moves or selects the floats of bytes: it moves the bytes.
fn moved(graph: &Graph, node: NodeId) -> Option<Patch> {
    let found = graph.node(node);
    moves(&found.op).then_some(())?;
    let operands = graph.operands(node);
    let first = graph.node(*operands.first()?).op.clone();
    if centred_bytes(graph, operands[0]).is_none() && !matches!(first, Op::Dequantize(_)) {
        return None;
    }
    if !operands.iter().all(|&operand| graph.node(operand).op == first) {
        return None;
    }
    let bytes: Option<Vec<_>> =
        operands.iter().map(|&operand| Some(graph.operand(operand, 0)?.into())).collect();
    let mut patch = Patch::new(format!("compute {} on bytes", describe(graph, node)));
    let moved = patch.add(found.name.clone(), found.op.clone(), &bytes?);
    let floats = patch.add(found.name.clone(), first, &[moved]);
    patch.replace(node, floats);
    Some(patch)
}
