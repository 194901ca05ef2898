//! Nodes of a step, by the arithmetic that they are.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{Graph, GraphError, NodeId, Op, Tensor};

/// A node that was added.
pub(super) type Added = Result<NodeId, GraphError>;

/// Adds nodes of one name.
pub(super) struct Scope<'a> {
    pub(super) graph: &'a mut Graph,
    pub(super) name: String,
}

impl Scope<'_> {
    pub(super) fn add(&mut self, op: Op, operands: &[NodeId]) -> Added {
        self.graph.add(self.name.clone(), op, operands)
    }

    fn binary(&mut self, op: Binary, a: NodeId, b: NodeId) -> Added {
        self.add(Op::Binary(op), &[a, b])
    }

    pub(super) fn sum(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Add, a, b)
    }

    pub(super) fn difference(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Sub, a, b)
    }

    pub(super) fn product(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Mul, a, b)
    }

    pub(super) fn quotient(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Div, a, b)
    }

    pub(super) fn equal(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Equal, a, b)
    }

    pub(super) fn root(&mut self, value: NodeId) -> Added {
        self.add(Op::Unary(Unary::Sqrt), &[value])
    }

    pub(super) fn constant(&mut self, tensor: Tensor) -> NodeId {
        self.graph.constant(self.name.clone(), tensor)
    }

    /// A value plus a number.
    pub(super) fn plus(&mut self, value: NodeId, number: f64) -> Added {
        let number = self.constant(Tensor::scalar(number as f32));
        self.sum(value, number)
    }

    /// A value times a number.
    pub(super) fn times(&mut self, value: NodeId, number: f64) -> Added {
        let number = self.constant(Tensor::scalar(number as f32));
        self.product(value, number)
    }

    pub(super) fn reshaped(&mut self, value: NodeId, shape: &[usize]) -> Added {
        self.add(Op::Reshape { shape: shape.to_vec() }, &[value])
    }
}
