//! What quantization does to values, as operators on floats.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::error::QuantizeError;
use super::scale::floats;
use crate::export::onnx::{Encoding, Encodings};

/// Adds what a value becomes when it is stored as bytes.
pub(super) fn rounded(patch: &mut Patch, value: NodeId, scale: f32, zero: u8) -> Value {
    let mut apply = |value: Value, op: Binary, number: f32| {
        let number = patch.constant("", Tensor::scalar(number));
        patch.add("", Op::Binary(op), &[value, number])
    };
    let steps = apply(value.into(), Binary::Div, scale);
    // Limits before rounding: they are whole steps.
    let zero = f32::from(zero);
    let (lo, hi) = (-zero, f32::from(u8::MAX) - zero);
    let limited = patch.add("", Op::Unary(Unary::Clip { lo, hi }), &[steps]);
    let whole = patch.add("", Op::Unary(Unary::Round), &[limited]);
    let scale = patch.constant("", Tensor::scalar(scale));
    patch.add("", Op::Binary(Binary::Mul), &[whole, scale])
}

/// Adds what a constant or a value becomes.
///
/// # Errors
/// If the system does not have enough memory.
pub(super) fn encoded(
    patch: &mut Patch,
    graph: &Graph,
    value: NodeId,
    encoding: &Encoding,
) -> Result<Value, QuantizeError> {
    match encoding {
        &Encoding::Bytes { scale, zero } => Ok(rounded(patch, value, scale, zero)),
        Encoding::Constant { integers, scales } => {
            let floats = floats(integers, scales)?;
            let tensor = Tensor::new(integers.shape(), floats);
            let tensor = tensor.unwrap_or_else(|| Tensor::scalar(f32::NAN));
            Ok(patch.constant(graph.node(value).name.clone(), tensor))
        }
    }
}

/// The graph with what these encodings make of its values.
///
/// # Errors
/// If the system does not have enough memory.
pub(super) fn simulated(graph: &Graph, encodings: &Encodings) -> Result<Graph, QuantizeError> {
    let mut graph = graph.clone();
    for (value, encoding) in encodings.iter() {
        let mut patch = Patch::new(format!("quantize {}", graph.node(value).name));
        let made = encoded(&mut patch, &graph, value, encoding)?;
        patch.replace(value, made);
        graph.apply(patch)?;
    }
    Ok(graph)
}
