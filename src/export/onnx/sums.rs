//! Weighted sums along an axis, for which ONNX has no operator: selections times their weights,
//! added up one by one.

use resnetc_ir::NodeId;
use resnetc_ir::op::Interpolate;

use super::Writer;
use super::message::{self, int, signed};
use super::ops::Parameter;
use crate::import::onnx::proto::{AttributeProto, NodeProto};

impl Writer<'_> {
    /// Writes the nodes; the result of the last one has this name.
    pub(super) fn sums(&mut self, id: NodeId, op: &Interpolate, result: String) {
        let graph = self.graph;
        let source = graph.operand(id, 0).map_or("", |x| self.names.value(x)).to_owned();
        let rank = graph.node(id).ty.shape.len();
        let mut shape = vec![1; rank - op.axis];
        shape[0] = op.indices.len() / op.taps;
        let mut sum: Option<String> = None;
        for tap in 0..op.taps {
            let is_last = tap + 1 == op.taps;
            let indices: Vec<usize> =
                op.indices.iter().skip(tap).step_by(op.taps).copied().collect();
            let weights: Vec<f32> = op.weights.iter().skip(tap).step_by(op.taps).copied().collect();
            let indices = self.parameter(&result, Parameter::Ints("indices", signed(&indices)));
            let weights = self.weights(&result, &shape, &weights);
            let taken = self.names.fresh(&format!("{result}.taken"));
            let axis = vec![int("axis", op.axis)];
            self.push("Gather", vec![source.clone(), indices], axis, taken.clone());
            let product = match (is_last, &sum) {
                (true, None) => result.clone(),
                _ => self.names.fresh(&format!("{result}.product")),
            };
            self.push("Mul", vec![taken, weights], vec![], product.clone());
            sum = Some(match sum {
                None => product,
                Some(sum) => {
                    let more = match is_last {
                        true => result.clone(),
                        false => self.names.fresh(&format!("{result}.sum")),
                    };
                    self.push("Add", vec![sum, product], vec![], more.clone());
                    more
                }
            });
        }
    }

    fn weights(&mut self, user: &str, shape: &[usize], data: &[f32]) -> String {
        let name = self.names.fresh(&format!("{user}.weights"));
        self.proto.initializer.push(message::floats(&name, shape, data));
        name
    }

    fn push(
        &mut self,
        op: &str,
        input: Vec<String>,
        attribute: Vec<AttributeProto>,
        result: String,
    ) {
        self.proto.node.push(NodeProto {
            input,
            name: Some(result.clone()),
            output: vec![result],
            op_type: Some(op.into()),
            attribute,
            ..Default::default()
        });
    }
}
