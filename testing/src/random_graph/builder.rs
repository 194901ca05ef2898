//! What all steps share: the graph that grows, and the value that it continues from.

use resnetc_ir::op::SliceAxis;
use resnetc_ir::{DType, Graph, NodeId, Op, TensorType};

use super::dice::Dice;

/// No value of a random graph has many more elements than this.
const MOST_ELEMENTS: usize = 6000;

/// No convolution sees more channels than this; it is more than one block of a blocked layout.
const MOST_CHANNELS: usize = 24;

/// A graph that grows step by step.
pub(super) struct Builder {
    pub(super) graph: Graph,
    pub(super) dice: Dice,
    /// The value that the next step continues from.
    pub(super) current: NodeId,
    /// Values that a later step may use.
    pub(super) earlier: Vec<NodeId>,
}

impl Builder {
    pub(super) fn finish(mut self) -> Graph {
        self.graph.output("y", self.current);
        if self.dice.coin() {
            let side = self.dice.between(0, self.earlier.len());
            if let Some(&node) = self.earlier.get(side) {
                self.graph.output("side", node);
            }
        }
        self.graph.remove_dead();
        self.graph
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        self.shape_of(self.current)
    }

    pub(super) fn shape_of(&self, node: NodeId) -> Vec<usize> {
        self.graph.node(node).ty.shape.clone()
    }

    /// Adds an operator on these operands.
    pub(super) fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let name = format!("{}_{}", op.name(), self.graph.len());
        self.graph.add(name, op, operands).expect("generated operators type-check")
    }

    /// Adds an operator whose first operand is the current value, and continues from its result.
    pub(super) fn apply(&mut self, op: Op, more: &[NodeId]) {
        let operands: Vec<NodeId> =
            [self.current].into_iter().chain(more.iter().copied()).collect();
        self.current = self.add(op, &operands);
    }

    /// The element type of the current value.
    pub(super) fn dtype(&self) -> DType {
        self.graph.node(self.current).ty.dtype
    }

    /// A constant with the current value's element type.
    pub(super) fn constant(&mut self, shape: &[usize]) -> NodeId {
        self.constant_of(self.dtype(), shape)
    }

    pub(super) fn constant_of(&mut self, dtype: DType, shape: &[usize]) -> NodeId {
        let tensor = self.dice.tensor_of(&TensorType::of(dtype, shape));
        self.graph.constant(format!("c_{}", self.graph.len()), tensor)
    }

    pub(super) fn positive(&mut self, shape: &[usize]) -> NodeId {
        let tensor = self.dice.positive(shape);
        self.graph.constant(format!("c_{}", self.graph.len()), tensor)
    }

    /// Halves a value that has become too large.
    pub(super) fn shrink(&mut self) {
        while self.shape().iter().product::<usize>() > MOST_ELEMENTS {
            let half = |&extent: &usize| SliceAxis { start: 0, step: 2, len: extent.div_ceil(2) };
            let axes = self.shape().iter().map(half).collect();
            self.apply(Op::Slice(axes), &[]);
        }
    }

    /// The current value as an image of few channels, since a block may square their number.
    pub(super) fn image(&mut self) -> [usize; 4] {
        let mut shape = self.shape();
        if shape.len() != 4 {
            shape.resize(4.max(shape.len()), 1);
            let tail = shape.split_off(3).iter().product();
            shape.push(tail);
            self.apply(Op::Reshape { shape: shape.clone() }, &[]);
        }
        if shape[1] > MOST_CHANNELS {
            shape[1] = MOST_CHANNELS;
            let all = |&len: &usize| SliceAxis { start: 0, step: 1, len };
            self.apply(Op::Slice(shape.iter().map(all).collect()), &[]);
        }
        [shape[0], shape[1], shape[2], shape[3]]
    }

    /// The current value as a matrix.
    pub(super) fn matrix(&mut self) -> [usize; 2] {
        let shape = self.shape();
        let rows = shape.first().copied().unwrap_or(1);
        let matrix = [rows, shape.iter().skip(1).product()];
        if shape != matrix {
            self.apply(Op::Reshape { shape: matrix.to_vec() }, &[]);
        }
        matrix
    }
}
