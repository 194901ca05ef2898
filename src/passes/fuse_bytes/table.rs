//! Functions of a single quantized value as tables of bytes: whatever lies between its dequantizer
//! and the quantizer, of one argument.

use std::collections::HashMap;

use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{OnBytes, Quantize};
use resnetc_ir::patch;
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use crate::passes::fuse_quantizers::{dequantized, same_bytes};
use crate::passes::near_misses::Stop;

/// A function of bytes.
pub(super) struct Table {
    /// Its argument, unsigned bytes.
    bytes: NodeId,
    /// What it is for each byte.
    tensor: Tensor,
    /// The zero point of the result.
    zero: i32,
}

/// How many operators a function may consist of.
const MOST: usize = 24;

impl Table {
    /// The function that a quantizer ends.
    pub(super) fn of(graph: &Graph, quantizer: NodeId) -> Result<Self, Stop> {
        let Op::Quantize(quantize) = graph.node(quantizer).op else { return Err(Stop::Other) };
        let x = graph.operand(quantizer, 0).ok_or(Stop::Other)?;
        if graph.node(x).ty.shape != graph.node(quantizer).ty.shape {
            return Err(Stop::Other);
        }
        Self::requantizing(graph, x, quantize)
    }

    /// The function that a quantizer of a value would end.
    pub(super) fn requantizing(graph: &Graph, x: NodeId, quantize: Quantize) -> Result<Self, Stop> {
        if same_bytes(graph, x, quantize).is_some() {
            return Err(Stop::Other);
        }
        let mut function = Function { graph, bytes: None, values: HashMap::new() };
        let x_values = function.value(x)?;
        let bytes = function.bytes.ok_or(Stop::Other)?;
        if graph.node(bytes).ty.shape != graph.node(x).ty.shape {
            return Err(Stop::Other);
        }
        let result = eval_node(&Op::Quantize(quantize), &[&x_values]).map_err(|_| Stop::Other)?;
        let data: Vec<u8> = result.data.iter().map(|&byte| byte as i32 as u8).collect();
        let tensor = Tensor::from_bytes(quantize.result.to, [data.len()], data);
        let tensor = tensor.filter(|tensor| tensor.elements() == 256).ok_or(Stop::Other)?;
        Ok(Table { bytes, tensor, zero: quantize.result.zero })
    }

    /// Adds the lookup, named like a node.
    pub(super) fn add(self, graph: &Graph, like: NodeId, patch: &mut Patch) -> patch::Value {
        let name = graph.node(like).name.clone();
        let table = patch.constant(format!("{name}.table"), self.tensor);
        patch.add(name, Op::Lookup { zero: self.zero }, &[self.bytes.into(), table])
    }
}

/// The operators of a function, with their results for all bytes.
struct Function<'g> {
    graph: &'g Graph,
    /// The argument.
    bytes: Option<NodeId>,
    values: HashMap<NodeId, Value>,
}

impl Function<'_> {
    /// The results of a node, computed at most once.
    fn value(&mut self, node: NodeId) -> Result<Value, Stop> {
        if let Some(value) = self.values.get(&node) {
            return value.copy().map_err(Stop::Memory);
        }
        if self.values.len() >= MOST {
            return Err(Stop::Other);
        }
        let value = self.computed(node)?;
        let copy = value.copy().map_err(Stop::Memory)?;
        self.values.insert(node, copy);
        Ok(value)
    }

    fn computed(&mut self, node: NodeId) -> Result<Value, Stop> {
        let graph = self.graph;
        if let Some(tensor) = graph.f32_constant_of(node) {
            return match tensor.elements() {
                1 => Ok(Value::of_tensor(tensor)?),
                _ => Err(Stop::Other),
            };
        }
        let op = &graph.node(node).op;
        let operands = graph.operands(node);
        let mut values = Vec::new();
        match op {
            Op::Unary(_) | Op::Binary(_) | Op::Where => {
                for operand in operands {
                    values.push(self.value(operand)?);
                }
            }
            Op::OnBytes(OnBytes { op, from, to: None })
                if matches!(**op, Op::Unary(_) | Op::Binary(_)) =>
            {
                for (operand, from) in operands.into_iter().zip(from) {
                    values.push(match from {
                        Some(_) => self.argument(operand)?,
                        None => self.value(operand)?,
                    });
                }
            }
            _ => {
                let (bytes, _) = dequantized(graph, node).ok_or(Stop::Other)?;
                values.push(self.argument(bytes)?);
            }
        }
        eval_node(op, &values.iter().collect::<Vec<_>>()).map_err(|_| Stop::Other)
    }

    /// All bytes, for the one argument that a function may have.
    fn argument(&mut self, bytes: NodeId) -> Result<Value, Stop> {
        let is_one = *self.bytes.get_or_insert(bytes) == bytes;
        match is_one && self.graph.node(bytes).ty.dtype == DType::U8 {
            true => Ok(Value::of(DType::U8, [256], (0..256).map(f64::from).collect())),
            false => Err(Stop::Other),
        }
    }
}
