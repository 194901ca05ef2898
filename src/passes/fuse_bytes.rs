//! Computes functions and means of quantized values on bytes: the operator on floats reads and writes
//! bytes itself, instead of three operators with floats in memory between them.
//!
//! A quantizer of a function of a single quantized value becomes a table of bytes. A quantizer
//! before which values are joined quantizes each of them, so bytes are joined. Sums, products and
//! means have one scale, the ratio of those of operands and result, instead of several; so they may
//! differ by one step where the exact result is midway between two.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 2, 2] "x"
//! %1 = quantize(%0) scale=0.25 to=u8 zero=128 limits=[0, 255] "bytes"
//! %2 = dequantize(%1) scale=0.25 zero=128 "source"
//! %3 = global_average_pool(%2) "mean"
//! %4 = quantize(%3) scale=0.125 to=u8 zero=3 limits=[0, 255] "quantized mean"
//! %5 = dequantize(%4) scale=0.125 zero=3 "factor"
//! %6 = mul(%2, %5) "product"
//! %7 = relu(%6) "relu"
//! %8 = quantize(%7) scale=0.5 to=u8 limits=[0, 255] "quantizer"
//! %9 = dequantize(%8) scale=0.5 "result"
//! output "y" = %9
//! ```
//! After:
//! ```text
//! %0 = input : f32[1, 2, 2, 2] "x"
//! %1 = quantize(%0) scale=0.25 to=u8 zero=128 limits=[0, 255] : u8[1, 2, 2, 2] "bytes"
//! %2 = on_bytes(%1) op=global_average_pool scales=[1] zeros=[128] result_scale=0.5 result_to=u8 result_zero=3 result_limits=[0, 255] : u8[1, 2, 1, 1] "mean"
//! %3 = on_bytes(%1, %2) op=mul scales=[0.0625, 1] zeros=[128, 3] result_scale=1 result_to=u8 result_limits=[0, 255] : u8[1, 2, 2, 2] "product"
//! %4 = dequantize(%3) scale=0.5 : f32[1, 2, 2, 2] "result"
//! output "y" = %4
//! ```

use resnetc_ir::op::{Activation, Binary, OnBytes, Quantize, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::fuse_quantized::activation::{activated, limited};
use super::fuse_quantizers::{dequantized, same_bytes};
use super::near_misses::{NearMisses, Stop, describe};

mod table;

use table::Table;

/// Switched off by the name `fuse_bytes`.
pub const PASS: Pass = Pass {
    name: "fuse_bytes",
    doc: "compute functions and means of quantized values on bytes",
    sweep: |_| Box::new(rewrite),
    measure: None,
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::Quantize(quantize) = graph.node(node).op else { return reads_bytes(graph, node) };
    // What the table's function was computed by is no longer read, or by others alone.
    let table = Table::of(graph, node);
    if let Some(table) = near.settle(graph, node, table) {
        let mut patch = Patch::new(format!("look {} up in a table", describe(graph, node)));
        let bytes = table.add(graph, node, &mut patch);
        patch.replace(node, bytes);
        return Some(patch);
    }
    let joined = joined(graph, node, quantize);
    if let Some(patch) = near.settle(graph, node, joined) {
        return Some(patch);
    }
    let written = writes_bytes(graph, node, quantize);
    near.settle(graph, node, written)
}

/// An operator on floats that reads bytes.
fn reads_bytes(graph: &Graph, node: NodeId) -> Option<Patch> {
    let found = graph.node(node);
    if !OnBytes::takes(&found.op) {
        return None;
    }
    let operands = graph.operands(node);
    let sources: Vec<_> = operands.iter().map(|&operand| dequantized(graph, operand)).collect();
    if sources.iter().all(Option::is_none) {
        return None;
    }
    let mut patch = Patch::new(format!("read bytes in {}", describe(graph, node)));
    let from = sources.iter().map(|source| source.map(|(_, from)| from)).collect();
    let values = sources.iter().zip(operands);
    let values: Vec<Value> =
        values.map(|(source, operand)| source.map_or(operand, |(bytes, _)| bytes).into()).collect();
    let op = Op::OnBytes(OnBytes { op: Box::new(found.op.clone()), from, to: None });
    let value = patch.add(found.name.clone(), op, &values);
    patch.replace(node, value);
    Some(patch)
}

/// The operator that a node is, as one on bytes.
fn on_bytes(graph: &Graph, node: NodeId) -> Option<OnBytes> {
    match &graph.node(node).op {
        Op::OnBytes(on_bytes) if on_bytes.to.is_none() => Some(on_bytes.clone()),
        op if OnBytes::takes(op) => {
            let from = vec![None; graph.operands(node).len()];
            Some(OnBytes { op: Box::new(op.clone()), from, to: None })
        }
        _ => None,
    }
}

/// A quantizer after an operator on floats, or after its activation: the operator writes bytes.
fn writes_bytes(graph: &Graph, node: NodeId, quantize: Quantize) -> Result<Patch, Stop> {
    let x = graph.operand(node, 0).ok_or(Stop::Other)?;
    let below = activated(graph, x);
    let with_activation = on_bytes(graph, below.0).filter(|_| below.0 != x);
    let (value, activation, on_bytes) = match with_activation {
        Some(found) => (below.0, below.1, found),
        None => (x, Activation::None, on_bytes(graph, x).ok_or(Stop::Other)?),
    };
    if [x, value].into_iter().any(|node| graph.sole_user(node).is_none()) {
        return Err(Stop::Near("what it quantizes is also read as floats"));
    }
    let result = limited(quantize.result, activation, quantize.scale);
    let to = Quantize { result, ..quantize };
    let on_bytes = in_steps(OnBytes { to: Some(to), ..on_bytes });
    let label = format!("write bytes in {}", describe(graph, value));
    let mut patch = Patch::new(label);
    let operands: Vec<Value> = graph.operands(value).into_iter().map(Into::into).collect();
    let name = graph.node(value).name.clone();
    let bytes = patch.add(name, Op::OnBytes(on_bytes), &operands);
    patch.replace(node, bytes);
    Ok(patch)
}

/// Where the scale of a result goes, so that the operator computes in steps of the result.
#[derive(Clone, Copy)]
enum Scaled {
    /// To the result: the operator computes in steps of its operand, whose sums are exact.
    Result,
    /// To every operand, all of which are bytes.
    Each,
    /// To one operand that is bytes.
    One,
}

impl Scaled {
    fn of(op: &Op) -> Option<Self> {
        Some(match op {
            Op::AveragePool { .. } | Op::GlobalAveragePool | Op::ReduceMean { .. } => {
                Scaled::Result
            }
            Op::Binary(Binary::Add | Binary::Sub | Binary::Max)
            | Op::Unary(Unary::Relu | Unary::Abs) => Scaled::Each,
            Op::Binary(Binary::Mul) => Scaled::One,
            _ => return None,
        })
    }
}

/// The operator with one scale instead of several, where it computes multiples of results for
/// multiples of operands.
fn in_steps(on_bytes: OnBytes) -> OnBytes {
    scaled(&on_bytes).unwrap_or(on_bytes)
}

fn scaled(on_bytes: &OnBytes) -> Option<OnBytes> {
    let OnBytes { op, from, to: Some(to) } = on_bytes else { return None };
    let mut from = from.clone();
    let mut result = 1.0;
    let ratio = |scale: f64| (scale / f64::from(to.scale)) as f32;
    match Scaled::of(op)? {
        Scaled::Result => {
            let from = from[0].as_mut()?;
            result = (f64::from(to.scale) / f64::from(from.scale)) as f32;
            from.scale = 1.0;
        }
        Scaled::Each => {
            for from in &mut from {
                let from = from.as_mut()?;
                from.scale = ratio(from.scale.into());
            }
        }
        Scaled::One => {
            let all: f64 = from.iter().flatten().map(|from| f64::from(from.scale)).product();
            from.iter_mut().flatten().for_each(|from| from.scale = 1.0);
            from.iter_mut().flatten().next()?.scale = ratio(all);
        }
    }
    let scales = from.iter().flatten().map(|from| from.scale).chain([result]);
    let is_normal = scales.into_iter().all(f32::is_normal);
    let to = Some(Quantize { scale: result, ..*to });
    is_normal.then(|| OnBytes { op: op.clone(), from, to })
}

/// A quantizer after values, some of them dequantized, are joined: bytes are joined.
fn joined(graph: &Graph, node: NodeId, quantize: Quantize) -> Result<Patch, Stop> {
    let joined = graph.operand(node, 0).ok_or(Stop::Other)?;
    let found = graph.node(joined);
    let parts = graph.operands(joined);
    let is_dequantized = |&part: &NodeId| dequantized(graph, part).is_some();
    if !matches!(found.op, Op::Concat { .. }) || !parts.iter().any(is_dequantized) {
        return Err(Stop::Other);
    }
    if graph.sole_user(joined).is_none() {
        return Err(Stop::Near("what it quantizes is also read as floats"));
    }
    let mut patch = Patch::new(format!("join the bytes of {}", describe(graph, joined)));
    let mut bytes = Vec::new();
    for part in parts {
        let name = graph.node(part).name.clone();
        bytes.push(match same_bytes(graph, part, quantize) {
            Some(bytes) => bytes.into(),
            None => match Table::requantizing(graph, part, quantize) {
                Ok(table) => table.add(graph, part, &mut patch),
                Err(Stop::Memory(error)) => return Err(error.into()),
                Err(_) => patch.add(name, Op::Quantize(quantize), &[part.into()]),
            },
        });
    }
    let bytes = patch.add(found.name.clone(), found.op.clone(), &bytes);
    patch.replace(node, bytes);
    Ok(patch)
}
