//! Graphs to ONNX models.
//!
//! | module | holds |
//! |---|---|
//! | `names` | one name for each value |
//! | `ops` | an operator of the graph as an operator of ONNX |
//! | `message` | numbers and tensors as messages of the format |
//! | [`encodings`] | which values of a quantized file are integers |
//! | `quantized` | how these are written |
//!
//! Graphs as they are before any pass can be written: separate convolutions, normalizations,
//! activations and sums. What passes introduce (fused operators, layouts) has no counterpart in
//! ONNX and is refused. Reading the model back gives an equivalent graph, bit for bit, except that
//! the epsilon of a normalization is rounded to f32, as the format stores it.
//!
//! [`Encodings`] says which values are integers in the file; the graph itself stays one of floats.

pub mod encodings;
mod message;
mod names;
mod ops;
mod quantized;
mod sums;

use std::collections::HashSet;
use std::path::Path;

use prost::Message;
use resnetc_ir::memory::{NoMemory, reserved};
use resnetc_ir::{DType, Graph, Layout, NodeId, Op};

pub use self::encodings::{Encoding, Encodings};

use self::names::Names;
use super::error::{ExportError, RefusedValue};
use crate::import::onnx::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use crate::whole_file;

/// Version of the standard operators: old enough for every engine, new enough to need no
/// work-arounds.
const OPSET: i64 = 17;
/// Version of the file format: the one released with [`OPSET`].
const IR_VERSION: i64 = 8;
/// A protocol buffer's length is a signed number of 32 bits in most readers.
const MAX_BYTES: u64 = i32::MAX as u64;

/// What to do if a file of this name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Keep it, and fail.
    Keep,
    /// Replace it with the new file once that is complete.
    Replace,
}

/// The graph as an ONNX model. Nodes and constants that no output needs are left out.
///
/// # Errors
/// If values have no counterpart in ONNX (the error lists all of them), or the constants alone are
/// too large for a file, or for the system's memory.
pub fn model(graph: &Graph) -> Result<ModelProto, ExportError> {
    model_with(graph, &Encodings::default())
}

fn model_with(graph: &Graph, encodings: &Encodings) -> Result<ModelProto, ExportError> {
    let order = needed(graph);
    check_constants(graph, encodings, &order)?;
    let (names, proto) = (Names::new(graph, &order)?, GraphProto::default());
    let mut writer = Writer { graph, encodings, names, proto };
    writer.graph(&order)?;
    Ok(ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some(env!("CARGO_PKG_NAME").into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(writer.proto),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        ..Default::default()
    })
}

/// The graph as the bytes of an ONNX file. The same graph gives the same bytes.
///
/// # Errors
/// As [`model`]; also if the file would be too large.
pub fn encode(graph: &Graph) -> Result<Vec<u8>, ExportError> {
    encode_with(graph, &Encodings::default())
}

/// As [`encode`], with some values stored as integers.
///
/// # Errors
/// As [`encode`].
pub fn encode_with(graph: &Graph, encodings: &Encodings) -> Result<Vec<u8>, ExportError> {
    let model = model_with(graph, encodings)?;
    let size = model.encoded_len();
    check_size(size as u64)?;
    let mut bytes = reserved::<u8>(size)?;
    model.encode_raw(&mut bytes);
    Ok(bytes)
}

/// Writes the graph as an ONNX file, whole or not at all. Returns its size in bytes.
///
/// # Errors
/// As [`encode`]; also if a file exists that must be kept, or the file cannot be written.
pub fn write(graph: &Graph, path: &Path, existing: Existing) -> Result<u64, ExportError> {
    check_target(path, existing)?;
    let bytes = encode(graph)?;
    write_bytes(&bytes, path, existing)?;
    Ok(bytes.len() as u64)
}

/// Writes an encoded model as a file, whole or not at all.
///
/// # Errors
/// If a file exists that must be kept, or the file cannot be written.
pub fn write_bytes(bytes: &[u8], path: &Path, existing: Existing) -> Result<(), ExportError> {
    // Encoding takes a while, so a file may have appeared in the meantime.
    check_target(path, existing)?;
    whole_file::write(path, bytes).map_err(|error| ExportError::Io { file: path.to_owned(), error })
}

/// Checks that a file may be written to this path; [`write()`] checks it, too, but only once there
/// is a graph.
///
/// # Errors
/// If a file exists that must be kept, the path is not a regular file, or no file can be created
/// there.
pub fn check_target(path: &Path, existing: Existing) -> Result<(), ExportError> {
    let fail = |error| Err(ExportError::Io { file: path.to_owned(), error });
    match (std::fs::metadata(path), existing) {
        (Ok(found), Existing::Replace) if found.is_file() => {
            whole_file::check_target(path).or_else(fail)
        }
        (Ok(found), Existing::Keep) if found.is_file() => {
            Err(ExportError::Exists { file: path.to_owned() })
        }
        (Ok(_), _) => fail(std::io::Error::other("the path exists and is not a regular file")),
        (Err(e), _) if e.kind() == std::io::ErrorKind::NotFound => {
            whole_file::check_target(path).or_else(fail)
        }
        (Err(error), _) => fail(error),
    }
}

/// The inputs, and the nodes that outputs need, operands before their users.
fn needed(graph: &Graph) -> Vec<NodeId> {
    let mut order = graph.topo();
    let mut needed: HashSet<NodeId> = graph.inputs().iter().copied().collect();
    needed.extend(graph.outputs().iter().map(|o| o.node));
    for &node in order.iter().rev() {
        if needed.contains(&node) {
            needed.extend(graph.operands(node));
        }
    }
    order.retain(|node| needed.contains(node));
    order
}

/// Checked before constants are copied into messages, so that no memory is spent on a model that
/// cannot fit.
fn check_constants(
    graph: &Graph,
    encodings: &Encodings,
    order: &[NodeId],
) -> Result<(), ExportError> {
    let stored = |&n: &NodeId| match encodings.get(n) {
        Some(Encoding::Constant { integers, .. }) => Some(integers),
        _ => graph.constant_of(n),
    };
    check_size(order.iter().filter_map(stored).map(|t| t.ty().bytes() as u64).sum())
}

fn check_size(bytes: u64) -> Result<(), ExportError> {
    match bytes <= MAX_BYTES {
        true => Ok(()),
        false => Err(ExportError::TooLarge { bytes, limit: MAX_BYTES }),
    }
}

/// Why a value is not written.
enum Unwritten {
    /// ONNX cannot express it.
    Refused(String),
    /// The system does not have the memory for it.
    Scarce(NoMemory),
}

impl From<NoMemory> for Unwritten {
    fn from(memory: NoMemory) -> Self {
        Unwritten::Scarce(memory)
    }
}

/// A model under construction.
struct Writer<'a> {
    graph: &'a Graph,
    encodings: &'a Encodings,
    names: Names,
    proto: GraphProto,
}

impl Writer<'_> {
    fn graph(&mut self, order: &[NodeId]) -> Result<(), ExportError> {
        self.proto.name = Some("network".into());
        let mut refused = Vec::new();
        for &id in order {
            match self.value(id) {
                Ok(()) => {}
                Err(Unwritten::Scarce(memory)) => return Err(memory.into()),
                Err(Unwritten::Refused(reason)) => {
                    let node = self.graph.node(id);
                    let (kind, name) = (node.op.name(), node.name.clone());
                    refused.push(RefusedValue { kind, name, reason });
                }
            }
        }
        if !refused.is_empty() {
            return Err(ExportError::Refused { values: refused });
        }
        self.outputs();
        names::number_nodes(&mut self.proto.node);
        Ok(())
    }

    /// Writes an input, a constant or a node.
    fn value(&mut self, id: NodeId) -> Result<(), Unwritten> {
        let node = self.graph.node(id);
        if node.ty.layout != Layout::Planar {
            let reason = "its value has a layout, which passes assign and ONNX cannot express";
            return Err(Unwritten::Refused(reason.into()));
        }
        if node.ty.dtype != DType::F32 {
            let dtype = node.ty.dtype.short();
            let reason = format!("its elements are {dtype}; only f32 values can be written");
            return Err(Unwritten::Refused(reason));
        }
        let name = self.names.value(id).to_owned();
        let encoding = self.encodings.get(id);
        match (&node.op, self.graph.constant_of(id)) {
            (Op::Input, _) => self.input(id, name),
            (_, Some(tensor)) => match encoding {
                Some(Encoding::Constant { integers, scales }) => {
                    self.integers(name, integers, scales)?;
                }
                _ => self.proto.initializer.push(message::tensor(&name, tensor)?),
            },
            (op, _) => {
                let own = match encoding {
                    Some(_) => self.names.fresh(&format!("{name}.float")),
                    None => name.clone(),
                };
                self.computed(id, op, own.clone())?;
                if let Some(&Encoding::Bytes { scale, zero }) = encoding {
                    self.quantized(own, name, scale, zero);
                }
            }
        }
        Ok(())
    }

    /// Writes an operator whose result has this name.
    fn computed(&mut self, id: NodeId, op: &Op, name: String) -> Result<(), Unwritten> {
        match op {
            Op::Interpolate(op) => self.sums(id, op, name),
            _ => self.node(id, name).map_err(Unwritten::Refused)?,
        }
        Ok(())
    }

    /// Lists an input. Elements of other types are cast to f32 first; then they are quantized.
    fn input(&mut self, id: NodeId, name: String) {
        let dtype = self.graph.input_dtype(id);
        self.proto.input.push(message::port(&name, &self.graph.node(id).ty.shape, dtype));
        if dtype != DType::F32 {
            let value = self.names.rename(id, &format!("{name}.float"));
            self.proto.node.push(message::renamed(&name, &value, Some(DType::F32)));
        }
        if let Some(&Encoding::Bytes { scale, zero }) = self.encodings.get(id) {
            let from = self.names.value(id).to_owned();
            let to = self.names.rename(id, &format!("{name}.dequantized"));
            self.quantized(from, to, scale, zero);
        }
    }

    /// Writes a node, with casts around it where it has truth values or integers that the graph
    /// holds as floats.
    fn node(&mut self, id: NodeId, result: String) -> Result<(), String> {
        let node = self.graph.node(id);
        let operands = self.graph.operands(id);
        let types: Vec<_> = operands.iter().map(|&o| &self.graph.node(o).ty).collect();
        let operator = ops::operator(&node.op, &types, &node.ty)?;
        let mut input: Vec<String> =
            operands.iter().map(|&o| self.names.value(o).to_owned()).collect();
        for parameter in operator.parameters {
            input.push(self.parameter(&result, parameter));
        }
        if let (true, Some(condition)) = (operator.condition, input.first_mut()) {
            let truth = self.names.fresh(&format!("{result}.condition"));
            self.proto.node.push(message::renamed(condition, &truth, Some(DType::Bool)));
            *condition = truth;
        }
        let cast = operator.results != ops::Results::First;
        let own = match cast {
            true => self.names.fresh(&format!("{result}.{}", operator.results.name())),
            false => result.clone(),
        };
        let mut output = vec![own.clone()];
        if operator.results == ops::Results::SecondOfIntegers {
            output.insert(0, String::new());
        }
        self.proto.node.push(NodeProto {
            input,
            output,
            name: Some(node.name.clone()),
            op_type: Some(operator.name.into()),
            attribute: operator.attributes,
            ..Default::default()
        });
        if cast {
            self.proto.node.push(message::renamed(&own, &result, Some(DType::F32)));
        }
        Ok(())
    }

    /// The name of a constant operand that is an attribute in the graph.
    fn parameter(&mut self, user: &str, parameter: ops::Parameter) -> String {
        let (name, constant) = match parameter {
            ops::Parameter::Absent => return String::new(),
            ops::Parameter::Number(name, x) => (name, message::Constant::Number(x)),
            ops::Parameter::Ints(name, list) => (name, message::Constant::Ints(list)),
        };
        let name = self.names.fresh(&format!("{user}.{name}"));
        self.proto.initializer.push(message::constant(&name, constant));
        name
    }

    /// Lists the outputs. A value that already has another name gets the output's name from an
    /// identity, and a value whose output is declared with another type than f32 gets it from a
    /// cast.
    fn outputs(&mut self) {
        for output in self.graph.outputs() {
            let node = self.graph.node(output.node);
            let passed_on =
                node.op == Op::Input && self.graph.input_dtype(output.node) == output.dtype;
            let (value, cast) = match passed_on {
                true => (node.name.as_str(), None),
                false => {
                    let cast = Some(output.dtype).filter(|&dtype| dtype != DType::F32);
                    (self.names.value(output.node), cast)
                }
            };
            if value != output.name || cast.is_some() {
                self.proto.node.push(message::renamed(value, &output.name, cast));
            }
            self.proto.output.push(message::port(&output.name, &node.ty.shape, output.dtype));
        }
    }
}
