//! Computes values from constants where a constant is required: limits, pads and scales that a file
//! computes.
//!
//! Most arithmetic on constants is folded as it is imported. Some operators, such as quantization,
//! become nodes of the graph even if their operands are constants; those are computed here, on
//! demand and only for few elements.

use std::collections::HashMap;

use resnetc_ir::eval::{Value as Computed, eval_node};
use resnetc_ir::{NodeId, Op};

use super::builder::Builder;
use super::call::Result;
use super::literal::Literal;

/// The largest number of elements of a value that is computed.
const ELEMENTS: usize = 1 << 12;

/// The largest number of nodes from which a value is computed.
const NODES: usize = 64;

impl Builder {
    /// The value of a node that is computed from a few constants alone; `None` if it is not.
    pub(super) fn folded(&mut self, node: NodeId) -> Result<Option<Literal>> {
        let Some(order) = self.few_constants(node) else { return Ok(None) };
        let elements = order.iter().map(|&n| self.graph.node(n).ty.elements());
        self.claim(elements.sum())?;
        let mut values: HashMap<NodeId, Computed> = HashMap::new();
        for &next in &order {
            let value = match self.graph.constant_of(next) {
                Some(tensor) => Computed::from(&**tensor),
                None => {
                    let operands = self.graph.operands(next);
                    let known: Vec<&Computed> =
                        operands.iter().filter_map(|o| values.get(o)).collect();
                    let op = &self.graph.node(next).op;
                    let value = eval_node(op, &known).map_err(|e| e.to_string())?;
                    // Constants have f32 elements, and so do intermediate values.
                    Computed::from_f32(&value.shape[..], &value.to_f32())
                }
            };
            values.insert(next, value);
        }
        let Some(value) = values.remove(&node) else { return Ok(None) };
        let ty = self.type_of(node);
        let literal = match ty.is_float() {
            true => Literal::floats(value.shape.clone(), value.to_f32())?,
            false => {
                let integers = value.data.iter().map(|&x| x as i64).collect();
                Literal::ints(value.shape.clone(), integers)?
            }
        };
        Ok(Some(literal.of_type(ty)))
    }

    /// The nodes from which a value is computed, operands before their users; `None` if there are
    /// too many, or they depend on more than constants.
    fn few_constants(&self, node: NodeId) -> Option<Vec<NodeId>> {
        let mut order = Vec::new();
        // A node is visited again after its operands, which are pushed on top of it.
        let mut work = vec![(node, false)];
        while let Some((next, is_ready)) = work.pop() {
            if order.contains(&next) {
                continue;
            }
            if is_ready {
                order.push(next);
                continue;
            }
            let found = self.graph.node(next);
            let is_few = found.ty.elements() <= ELEMENTS && work.len() + order.len() < NODES;
            if !is_few || found.op == Op::Input || self.dequantized.contains(&next) {
                return None;
            }
            work.push((next, true));
            work.extend(self.graph.operands(next).into_iter().map(|operand| (operand, false)));
        }
        Some(order)
    }
}
