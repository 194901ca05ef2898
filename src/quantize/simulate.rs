//! What quantization does to the values of a graph of floats.

use resnetc_ir::op::{Dequantize, Quantize, Requantize};
use resnetc_ir::patch::Value;
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use super::error::QuantizeError;
use super::scale::floats;
use crate::export::onnx::{Encoding, Encodings};

/// Adds what a value becomes when it is stored as bytes.
pub(super) fn rounded(patch: &mut Patch, value: NodeId, scale: f32, zero: u8) -> Value {
    let zero = i32::from(zero);
    let result = Requantize { to: DType::U8, zero, lo: 0, hi: u8::MAX.into() };
    let bytes = patch.add("", Op::Quantize(Quantize { scale, result }), &[value.into()]);
    patch.add("", Op::Dequantize(Dequantize { scale, zero }), &[bytes])
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
