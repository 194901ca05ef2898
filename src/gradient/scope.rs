//! What a rule sees of its operator, and the nodes that it adds.

use resnetc_ir::op::Binary;
use resnetc_ir::{Expression, Graph, GraphError, NodeId, Op, Tensor};

/// Why a rule gives no gradient.
pub(super) enum Refusal {
    /// The operator has none, for this reason.
    Reason(String),
    /// A bug of the rule.
    Graph(GraphError),
}

impl From<GraphError> for Refusal {
    fn from(error: GraphError) -> Self {
        Refusal::Graph(error)
    }
}

/// The gradient of each operand; `None` where nothing passes, or nobody wants it.
pub(super) type Gradients = Result<Vec<Option<NodeId>>, Refusal>;

/// A node that a rule adds.
pub(super) type Added = Result<NodeId, Refusal>;

/// A tensor of equal elements.
pub(super) fn filled(shape: &[usize], value: f32) -> Tensor {
    let data = vec![value; shape.iter().product()];
    // It has as many elements as the shape says.
    Tensor::new(shape.to_vec(), data).unwrap_or_else(|| Tensor::scalar(value))
}

/// An operator, and the gradient of its result.
pub(super) struct Scope<'a> {
    graph: &'a mut Graph,
    /// The operator's result.
    pub(super) y: NodeId,
    /// The gradient of the result.
    pub(super) dy: NodeId,
    operands: Vec<NodeId>,
    wanted: Vec<bool>,
    name: String,
}

impl<'a> Scope<'a> {
    /// That of a node; `wanted` says for which operands the gradient is wanted.
    pub(super) fn new(graph: &'a mut Graph, y: NodeId, dy: NodeId, wanted: Vec<bool>) -> Self {
        let (operands, name) = (graph.operands(y), format!("d{}", graph.node(y).name));
        Scope { graph, y, dy, operands, wanted, name }
    }

    /// The operator.
    pub(super) fn op(&self) -> Op {
        self.graph.node(self.y).op.clone()
    }

    /// An operand. Type inference has checked their number.
    pub(super) fn operand(&self, position: usize) -> NodeId {
        self.operands[position]
    }

    /// How many operands there are.
    pub(super) fn operand_count(&self) -> usize {
        self.operands.len()
    }

    /// The gradient of an operand, if it is wanted.
    pub(super) fn wanted(
        &mut self,
        position: usize,
        gradient: impl FnOnce(&mut Self) -> Added,
    ) -> Result<Option<NodeId>, Refusal> {
        if self.wanted[position] { gradient(self).map(Some) } else { Ok(None) }
    }

    /// The shape of a value.
    pub(super) fn shape(&self, value: NodeId) -> Vec<usize> {
        self.graph.node(value).ty.shape.clone()
    }

    /// Adds an operator.
    pub(super) fn add(&mut self, op: Op, operands: &[NodeId]) -> Added {
        Ok(self.graph.add(self.name.clone(), op, operands)?)
    }

    /// Adds an element-wise operator.
    pub(super) fn binary(&mut self, op: Binary, a: NodeId, b: NodeId) -> Added {
        self.add(Op::Binary(op), &[a, b])
    }

    /// The product of two values.
    pub(super) fn mul(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Mul, a, b)
    }

    /// The quotient of two values.
    pub(super) fn div(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Div, a, b)
    }

    /// The difference of two values.
    pub(super) fn sub(&mut self, a: NodeId, b: NodeId) -> Added {
        self.binary(Binary::Sub, a, b)
    }

    /// A value times a number.
    pub(super) fn scaled(&mut self, value: NodeId, factor: f64) -> Added {
        if factor == 1.0 {
            return Ok(value);
        }
        let factor = self.scalar(factor as f32);
        self.mul(value, factor)
    }

    /// A number.
    pub(super) fn scalar(&mut self, value: f32) -> NodeId {
        self.graph.constant(self.name.clone(), Tensor::scalar(value))
    }

    /// A constant; `data` has as many elements as the shape.
    pub(super) fn constant(&mut self, shape: &[usize], data: Vec<f32>) -> NodeId {
        let tensor = Tensor::new(shape.to_vec(), data).unwrap_or_else(|| Tensor::scalar(f32::NAN));
        self.graph.constant(self.name.clone(), tensor)
    }

    /// A constant of ones.
    pub(super) fn ones(&mut self, shape: &[usize]) -> NodeId {
        self.graph.constant(self.name.clone(), filled(shape, 1.0))
    }

    /// A value under another shape.
    pub(super) fn reshaped(&mut self, value: NodeId, shape: &[usize]) -> Added {
        if self.shape(value) == shape {
            return Ok(value);
        }
        self.add(Op::Reshape { shape: shape.to_vec() }, &[value])
    }

    /// One number for each channel, as a value that broadcasts to results with channels in axis 1.
    pub(super) fn per_channel(&mut self, value: NodeId, rank: usize) -> Added {
        let mut shape = vec![1; rank];
        shape[1] = self.shape(value).iter().product();
        self.reshaped(value, &shape)
    }

    /// A value with extents of 1 repeated to `shape`.
    pub(super) fn expanded(&mut self, value: NodeId, shape: &[usize]) -> Added {
        let from = self.shape(value);
        if from == shape {
            return Ok(value);
        }
        let repeated = from.iter().zip(shape).map(|(&from, &to)| if from == to { 1 } else { to });
        let repeated: Vec<usize> = repeated.collect();
        let ones = self.ones(&repeated);
        self.mul(value, ones)
    }

    /// Sums over axes, which stay as extents of 1.
    pub(super) fn sum(&mut self, value: NodeId, axes: &[usize]) -> Added {
        if axes.is_empty() {
            return Ok(value);
        }
        let count: usize = axes.iter().map(|&axis| self.shape(value)[axis]).product();
        let mean = self.add(Op::ReduceMean { axes: axes.to_vec(), keep_dims: true }, &[value])?;
        self.scaled(mean, count as f64)
    }

    /// Sums over all axes but the channels, as one number for each channel, `[C]`.
    pub(super) fn sum_of_channels(&mut self, value: NodeId) -> Added {
        let channels = self.shape(value)[1];
        let sum = self.add(Op::ChannelSums(Expression::identity()), &[value])?;
        self.reshaped(sum, &[channels])
    }

    /// The gradient of a value of this shape that was broadcast to the shape of `gradient`: the sum
    /// over the axes along which it was repeated.
    pub(super) fn fitted(&mut self, gradient: NodeId, shape: &[usize]) -> Added {
        let from = self.shape(gradient);
        let new = from.len() - shape.len();
        let is_repeated = |axis: usize| axis < new || shape[axis - new] != from[axis];
        let axes: Vec<usize> = (0..from.len()).filter(|&axis| is_repeated(axis)).collect();
        let sum = self.sum(gradient, &axes)?;
        self.reshaped(sum, shape)
    }
}
