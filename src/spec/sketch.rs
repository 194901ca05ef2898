//! A network without weights: its operators, and the tensors that they need.
//!
//! The same sketch gives the list of parameters and, given a tensor for each, the graph, so the two
//! cannot disagree.

use resnetc_ir::op::{Activation, Binary, Conv, Gemm, Pool, Unary, Window};
use resnetc_ir::{Op, Tensor};

/// A stored tensor of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in PyTorch.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

/// What a stored tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution.
    Conv {
        /// Whether a shortcut is added right after it.
        closes_block: bool,
    },
    /// Scale of a normalization.
    Scale {
        /// Whether a shortcut is added right after it.
        closes_block: bool,
    },
    /// Shift of a normalization.
    Shift,
    /// Mean of a batch normalization: measured, not learned.
    Mean,
    /// Variance of a batch normalization: measured, not learned.
    Variance,
    /// Weights of a dense layer.
    Linear,
    /// Shift of a convolution or dense layer.
    Bias,
    /// The factor of a block's result.
    Gain,
    /// The factor of negative numbers.
    Slope,
}

impl Role {
    /// Whether training updates it by gradient, so that papers count it as a parameter.
    pub fn is_learned(self) -> bool {
        !matches!(self, Role::Mean | Role::Variance)
    }
}

/// A value of the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    /// Position of its node.
    pub(super) node: usize,
    /// Channels, where it is an image.
    pub(super) channels: usize,
}

/// How a value is made.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// The images.
    Input,
    /// A stored tensor, and the form in which operators see it.
    Parameter(Parameter, Seen),
    /// A tensor that belongs to the architecture.
    Fixed(Tensor),
    /// An operator.
    Op(Op),
    /// An operator whose attributes follow from its operand's shape.
    Shaped(Shaped),
}

/// The form in which operators see a stored tensor.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// The tensor as it is.
    AsStored,
    /// Its elements in another shape with the same number of elements.
    Reshaped(Vec<usize>),
    /// Its rows along the first axis, shifted and scaled to mean 0 and variance 1.
    Standardized {
        /// Added to the variance.
        epsilon: f64,
    },
}

/// Operators whose attributes follow from the operand's shape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shaped {
    /// `[N, ...]` to `[N, everything else]`.
    Flatten,
    /// Every n-th row and column.
    Subsample(usize),
    /// `[N, C, 1, 1]` to `[N, 1, C, 1]`, or back.
    SwapChannelsAndRows,
    /// `[N, C, 1, 1]` to `G` groups of channels, `[N, G, C / G]`.
    Group(usize),
    /// `[N, G, C / G]` to `[N, C, 1, 1]`.
    Ungroup,
    /// Means over windows, so that this many rows and columns remain.
    AverageTo(usize),
    /// Means over windows of two by two pixels, at stride 1 or 2. Windows that extend past the
    /// border are smaller at stride 2, and count zeros at stride 1, as in PyTorch's networks of
    /// this kind.
    AverageTwo {
        /// The stride.
        stride: usize,
    },
}

/// One value and how it is made.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) operands: Vec<usize>,
}

/// A convolution, padded so that a stride of 1 keeps the size.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvForm {
    pub(super) to: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) groups: usize,
    pub(super) bias: bool,
    /// Whether a shortcut is added right after it.
    pub(super) closes_block: bool,
    /// The epsilon added to the variance of each row of its weights, if they are standardized.
    pub(super) standardized: Option<f64>,
}

impl ConvForm {
    pub(super) fn new(to: usize, kernel: usize, stride: usize) -> Self {
        ConvForm {
            to,
            kernel,
            stride,
            dilation: 1,
            groups: 1,
            bias: false,
            closes_block: false,
            standardized: None,
        }
    }
}

/// The nodes, in an order in which they can be computed. The last one is the result.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    pub(super) nodes: Vec<Node>,
    /// The blocks by their names, and the nodes of their results.
    pub(super) blocks: Vec<(String, usize)>,
}

impl Sketch {
    fn push(&mut self, name: &str, kind: Kind, operands: &[Value], channels: usize) -> Value {
        let operands = operands.iter().map(|v| v.node).collect();
        self.nodes.push(Node { name: name.to_owned(), kind, operands });
        Value { node: self.nodes.len() - 1, channels }
    }

    /// The images.
    pub(super) fn input(&mut self, channels: usize) -> Value {
        self.push("input", Kind::Input, &[], channels)
    }

    /// A stored tensor.
    pub(super) fn parameter(&mut self, name: String, shape: Vec<usize>, role: Role) -> Value {
        self.parameter_as(name, shape, Seen::AsStored, role)
    }

    /// A stored tensor that operators see in another form.
    pub(super) fn parameter_as(
        &mut self,
        name: String,
        stored: Vec<usize>,
        seen: Seen,
        role: Role,
    ) -> Value {
        let parameter = Parameter { name: name.clone(), shape: stored, role };
        self.push(&name, Kind::Parameter(parameter, seen), &[], 0)
    }

    /// A tensor that belongs to the architecture.
    pub(super) fn fixed(&mut self, name: &str, tensor: Tensor) -> Value {
        self.push(name, Kind::Fixed(tensor), &[], 0)
    }

    /// An operator that keeps the channels of its first operand.
    pub(super) fn op(&mut self, name: &str, op: Op, operands: &[Value]) -> Value {
        let channels = operands.first().map_or(0, |v| v.channels);
        self.push(name, Kind::Op(op), operands, channels)
    }

    /// An operator whose attributes follow from its operand's shape.
    pub(super) fn shaped(&mut self, name: &str, shaped: Shaped, x: Value) -> Value {
        self.push(name, Kind::Shaped(shaped), &[x], x.channels)
    }

    /// A sum or product of two values.
    pub(super) fn binary(&mut self, name: &str, op: Binary, a: Value, b: Value) -> Value {
        self.op(name, Op::Binary(op), &[a, b])
    }

    /// A sum or product with one number.
    pub(super) fn with_number(&mut self, name: &str, op: Binary, x: Value, number: f32) -> Value {
        let number = self.fixed(&format!("{name}.number"), Tensor::scalar(number));
        self.binary(name, op, x, number)
    }

    /// A convolution; its tensors are `name.weight` and `name.bias`.
    pub(super) fn conv(&mut self, name: &str, x: Value, form: ConvForm) -> Value {
        let ConvForm { to, kernel, stride, dilation, groups, bias, closes_block, standardized } =
            form;
        let shape = vec![to, x.channels / groups, kernel, kernel];
        let seen = standardized.map_or(Seen::AsStored, |epsilon| Seen::Standardized { epsilon });
        let role = Role::Conv { closes_block };
        let weight = self.parameter_as(format!("{name}.weight"), shape, seen, role);
        let mut operands = vec![x, weight];
        if bias {
            operands.push(self.parameter(format!("{name}.bias"), vec![to], Role::Bias));
        }
        let window = Window {
            dilations: [dilation; 2],
            ..Window::square(kernel, stride, kernel / 2 * dilation)
        };
        let op = Op::Conv(Conv { bias, ..Conv::new(window, groups) });
        self.push(name, Kind::Op(op), &operands, to)
    }

    /// A dense layer on rows of `from` numbers; its tensors are `name.weight` and `name.bias`.
    pub(super) fn linear(&mut self, name: &str, x: Value, from: usize, to: usize) -> Value {
        let weight = self.parameter(format!("{name}.weight"), vec![to, from], Role::Linear);
        let bias = self.parameter(format!("{name}.bias"), vec![to], Role::Bias);
        let gemm = Gemm {
            alpha: 1.0,
            beta: 1.0,
            transpose_a: false,
            transpose_b: true,
            bias: true,
            activation: Activation::None,
        };
        self.push(name, Kind::Op(Op::Gemm(gemm)), &[x, weight, bias], to)
    }

    /// `max(x, 0)`.
    pub(super) fn relu(&mut self, name: &str, x: Value) -> Value {
        self.op(name, Op::Unary(Unary::Relu), &[x])
    }

    /// `1 / (1 + exp(-x))`.
    pub(super) fn sigmoid(&mut self, name: &str, x: Value) -> Value {
        self.op(name, Op::Unary(Unary::Sigmoid), &[x])
    }

    /// A 3x3 max-pooling.
    pub(super) fn max_pool(&mut self, name: &str, x: Value, window: Window) -> Value {
        self.op(name, Op::MaxPool(Pool { window, ceil_mode: false }), &[x])
    }

    /// Every stored tensor, in the order of the layers.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Parameter(parameter, _) => Some(parameter),
            _ => None,
        })
    }
}
