//! What is computed from constants where a constant is wanted: limits, pads and scales that a file
//! computes.
//!
//! Most arithmetic on constants gives constants as it is imported. Some operators give nodes of the
//! graph whatever they read, quantization among them; those are computed here, if they are few
//! elements and somebody asks.

use std::collections::HashMap;

use resnetc_ir::eval::{Value as Computed, eval_node};
use resnetc_ir::{NodeId, Op};

use super::builder::Builder;
use super::call::Result;
use super::literal::Literal;

/// The most elements of a value that is computed.
const ELEMENTS: usize = 1 << 12;

/// The most nodes that a value is computed by.
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
                    // A constant has elements of f32, also on the way.
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

    /// The nodes that a value is computed by, operands before their users; `None` if they are many,
    /// or not constants alone.
    fn few_constants(&self, node: NodeId) -> Option<Vec<NodeId>> {
        let mut order = Vec::new();
        // A node is left behind its operands, which lie on top of it.
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
            if !is_few || found.op == Op::Input {
                return None;
            }
            work.push((next, true));
            work.extend(self.graph.operands(next).into_iter().map(|operand| (operand, false)));
        }
        Some(order)
    }
}
