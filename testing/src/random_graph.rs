//! Random small graphs that look like pieces of convolutional networks.
//!
//! Every graph is valid; all operators and the patterns that passes look for occur: batch
//! normalization after a convolution, per-channel constant chains, identity and projection
//! shortcuts, channels-last detours, groups of channels, explicit padding, option-A shortcuts,
//! classifier heads.
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn pass_keeps_meaning(random in random_graph(1..12)) {
//!         let before = eval(&random.graph, &random.inputs()).unwrap();
//!         // ...
//!     }
//! }
//! ```

mod blocks;
pub mod dice;
mod heads;
mod integers;
mod moves;

use std::fmt;
use std::ops::Range;

use dice::Dice;
use proptest::prelude::*;
use resnetc_ir::eval::Value;
use resnetc_ir::op::{Binary, Conv, Pool, Residual, SliceAxis, Unary, Window};
use resnetc_ir::{DType, Graph, NodeId, Op, TensorType};

/// No value of a random graph has many more elements than this.
const MOST_ELEMENTS: usize = 6000;

/// No convolution sees more channels than this; it is more than one block of a blocked layout.
const MOST_CHANNELS: usize = 24;

/// A graph and the seed for its data. Prints as the text of the graph.
#[derive(Clone)]
pub struct RandomGraph {
    /// A valid graph.
    pub graph: Graph,
    /// Whether constants and inputs are small integers, so that sums are exact in f32.
    pub integers: bool,
    seed: u64,
}

impl RandomGraph {
    /// A value for each input of the graph, the same on every call.
    pub fn inputs(&self) -> Vec<Value> {
        let mut dice = Dice::new(self.seed, self.integers);
        let types = self.graph.inputs().iter().map(|&id| &self.graph.node(id).ty);
        types.map(|ty| Value::from(&dice.tensor_of(ty))).collect()
    }
}

impl fmt::Debug for RandomGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} integers {}\n{}",
            self.seed,
            self.integers,
            resnetc_ir::text::print(&self.graph)
        )
    }
}

/// Graphs of `steps` building steps, each of one to six nodes.
pub fn random_graph(steps: Range<usize>) -> impl Strategy<Value = RandomGraph> {
    let extent = || prop_oneof![3 => 1..=9usize, 1 => 7..=14usize];
    let channels = prop_oneof![2 => 1..=6usize, 1 => 15..=20usize];
    let step = (0..STEPS.len(), any::<u64>());
    let steps = prop::collection::vec(step, steps);
    (1..=2usize, channels, extent(), extent(), steps, any::<bool>(), any::<u64>()).prop_map(
        |(n, c, h, w, steps, integers, seed)| {
            let graph = build(TensorType::planar([n, c, h, w]), STEPS, &steps, integers);
            RandomGraph { graph, integers, seed }
        },
    )
}

/// Like [`random_graph`], but with integers only: no result depends on the order of a sum.
pub fn random_integer_graph(steps: Range<usize>) -> impl Strategy<Value = RandomGraph> {
    let sizes = (1..=2usize, 1..=20usize, 1..=9usize, 1..=9usize);
    let steps = prop::collection::vec((0..integers::STEPS.len(), any::<u64>()), steps);
    let dtype = prop::sample::select(integers::TYPES);
    (sizes, dtype, steps, any::<u64>()).prop_map(|((n, c, h, w), dtype, steps, seed)| {
        let input = TensorType::of(dtype, [n, c, h, w]);
        let graph = build(input, integers::STEPS, &steps, true);
        RandomGraph { graph, integers: true, seed }
    })
}

fn build(
    input: TensorType,
    known: &[fn(&mut Builder)],
    steps: &[(usize, u64)],
    integers: bool,
) -> Graph {
    let mut graph = Graph::new();
    let current = graph.input_of("x", input);
    let dice = Dice::new(0, integers);
    let mut builder = Builder { graph, dice, current, earlier: Vec::new() };
    for &(step, seed) in steps {
        builder.dice = Dice::new(seed, integers);
        let before = builder.current;
        builder.shrink();
        known[step](&mut builder);
        if builder.current != before {
            builder.earlier.push(before);
        }
    }
    builder.finish()
}

/// All steps that can be added.
const STEPS: &[fn(&mut Builder)] = &[
    Builder::conv,
    Builder::conv_bn_relu,
    Builder::conv_affine,
    Builder::fused_conv,
    Builder::projected_conv,
    Builder::identity_block,
    Builder::projection_block,
    Builder::option_a_block,
    Builder::pre_activation,
    Builder::batch_norm,
    Builder::unary,
    Builder::binary_constant,
    Builder::binary_earlier,
    Builder::max_pool,
    Builder::average_pool,
    Builder::global_average_pool,
    Builder::channels_last_mean,
    Builder::grouped,
    Builder::channels_last_detour,
    Builder::pad,
    Builder::pad_conv,
    Builder::slice,
    Builder::gather,
    Builder::interpolate,
    Builder::choose,
    Builder::concat,
    Builder::transpose,
    Builder::reshape,
    Builder::gemm,
    Builder::matmul,
    Builder::batched_matmul,
    Builder::softmax,
    Builder::identity,
    Builder::second_input,
];

struct Builder {
    graph: Graph,
    dice: Dice,
    /// The value that the next step continues from.
    current: NodeId,
    /// Values that a later step may use.
    earlier: Vec<NodeId>,
}

/// The frame.
impl Builder {
    fn finish(mut self) -> Graph {
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

    fn shape(&self) -> Vec<usize> {
        self.shape_of(self.current)
    }

    fn shape_of(&self, node: NodeId) -> Vec<usize> {
        self.graph.node(node).ty.shape.clone()
    }

    /// Adds an operator on these operands.
    fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let name = format!("{}_{}", op.name(), self.graph.len());
        self.graph.add(name, op, operands).expect("generated operators type-check")
    }

    /// Adds an operator whose first operand is the current value, and continues from its result.
    fn apply(&mut self, op: Op, more: &[NodeId]) {
        let operands: Vec<NodeId> =
            [self.current].into_iter().chain(more.iter().copied()).collect();
        self.current = self.add(op, &operands);
    }

    /// The element type of the current value.
    fn dtype(&self) -> DType {
        self.graph.node(self.current).ty.dtype
    }

    /// A constant with the current value's element type.
    fn constant(&mut self, shape: &[usize]) -> NodeId {
        self.constant_of(self.dtype(), shape)
    }

    fn constant_of(&mut self, dtype: DType, shape: &[usize]) -> NodeId {
        let tensor = self.dice.tensor_of(&TensorType::of(dtype, shape));
        self.graph.constant(format!("c_{}", self.graph.len()), tensor)
    }

    fn positive(&mut self, shape: &[usize]) -> NodeId {
        let tensor = self.dice.positive(shape);
        self.graph.constant(format!("c_{}", self.graph.len()), tensor)
    }

    /// Halves a value that has become too large.
    fn shrink(&mut self) {
        while self.shape().iter().product::<usize>() > MOST_ELEMENTS {
            let half = |&extent: &usize| SliceAxis { start: 0, step: 2, len: extent.div_ceil(2) };
            let axes = self.shape().iter().map(half).collect();
            self.apply(Op::Slice(axes), &[]);
        }
    }

    /// The current value as an image of few channels, since a block may square their number.
    fn image(&mut self) -> [usize; 4] {
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
    fn matrix(&mut self) -> [usize; 2] {
        let shape = self.shape();
        let rows = shape.first().copied().unwrap_or(1);
        let matrix = [rows, shape.iter().skip(1).product()];
        if shape != matrix {
            self.apply(Op::Reshape { shape: matrix.to_vec() }, &[]);
        }
        matrix
    }
}

/// Windows.
impl Builder {
    /// A 1x1 or padded 3x3 window that keeps the extents, or divides them by `stride`.
    fn same_window(&mut self, stride: usize) -> Window {
        let kernel = self.dice.pick(&[1, 3]);
        Window::square(kernel, stride, kernel / 2)
    }

    /// A plain convolution of the current value.
    fn convolve(&mut self, window: Window, filters: usize, groups: usize, bias: bool) {
        let [_, c, _, _] = self.image();
        let [r, s] = window.kernel;
        let mut more = vec![self.constant(&[filters, c / groups, r, s])];
        if bias {
            more.push(self.constant(&[filters]));
        }
        self.apply(Op::Conv(Conv { bias, ..Conv::new(window, groups) }), &more);
    }

    fn conv(&mut self) {
        let [_, c, h, w] = self.image();
        let divisors: Vec<usize> = (1..=c).filter(|g| c % g == 0).collect();
        let groups = self.dice.pick(&divisors);
        let per_group = self.dice.between(1, (20 / groups).clamp(1, 4));
        let (window, bias) = (self.dice.window([h, w]), self.dice.coin());
        self.convolve(window, groups * per_group, groups, bias);
    }

    fn conv_bn_relu(&mut self) {
        self.conv();
        self.batch_norm();
        self.apply(Op::Unary(Unary::Relu), &[]);
    }

    /// A convolution followed by an unfused batch normalization.
    fn conv_affine(&mut self) {
        self.conv();
        for _ in 0..self.dice.between(1, 3) {
            self.per_channel();
        }
    }

    fn fused_conv(&mut self) {
        let [n, c, h, w] = self.image();
        let (window, filters) = (self.same_window(1), self.dice.between(1, 20));
        let [r, s] = window.kernel;
        let bias = self.dice.coin();
        let residual = self.residual([n, filters, h, w]);
        let mut more = vec![self.constant(&[filters, c, r, s])];
        if bias {
            more.push(self.constant(&[filters]));
        }
        more.extend(residual.map(|(value, _)| value));
        let activation = self.dice.activation();
        let op = Conv {
            bias,
            residual: residual.map(|(_, how)| how),
            activation,
            ..Conv::new(window, 1)
        };
        self.apply(Op::Conv(op), &more);
    }

    /// An earlier value that can be added to a result of this shape as a residual, and how.
    fn residual(&mut self, [n, filters, h, w]: [usize; 4]) -> Option<(NodeId, Residual)> {
        let stride = |extent: usize, wanted: usize| (1..4).find(|s| extent.div_ceil(*s) == wanted);
        let fit = |&e: &NodeId| match self.shape_of(e)[..] {
            [m, c, i, j] if m == n && c <= filters => {
                Some((e, filters - c, [stride(i, h)?, stride(j, w)?]))
            }
            _ => None,
        };
        let (value, room, strides) = self.earlier.iter().find_map(fit)?;
        Some((value, Residual { strides, channel: self.dice.between(0, room) }))
    }

    /// A convolution with a projection of the value that it reads, or of its main branch's start.
    fn projected_conv(&mut self) {
        let [_, c, h, w] = self.image();
        let (window, filters) = (self.dice.window([h, w]), self.dice.between(1, 20));
        let (bias, biased) = (self.dice.coin(), self.dice.coin());
        let projected = self.current;
        self.convolve(window, filters, 1, biased);
        let [r, s] = window.kernel;
        let mut more = vec![self.constant(&[filters, filters, 1, 1])];
        if bias {
            more.push(self.constant(&[filters]));
        }
        more.extend([projected, self.constant(&[filters, c, r, s])]);
        let activation = self.dice.activation();
        let conv = Conv::new(Window::square(1, 1, 0), 1);
        self.apply(Op::Conv(Conv { bias, projection: Some(window), activation, ..conv }), &more);
    }

    fn max_pool(&mut self) {
        let [_, _, h, w] = self.image();
        let pool = Pool { window: self.dice.pool_window([h, w]), ceil_mode: self.dice.coin() };
        self.apply(Op::MaxPool(pool), &[]);
    }

    fn average_pool(&mut self) {
        let [_, _, h, w] = self.image();
        let pool = Pool { window: self.dice.pool_window([h, w]), ceil_mode: self.dice.coin() };
        let count_include_pad = self.dice.coin();
        self.apply(Op::AveragePool { pool, count_include_pad }, &[]);
    }

    fn global_average_pool(&mut self) {
        self.image();
        self.apply(Op::GlobalAveragePool, &[]);
    }
}

/// Element-wise operators.
impl Builder {
    fn batch_norm(&mut self) {
        if self.shape().len() < 2 {
            self.image();
        }
        let c = [self.shape()[1]];
        let more = [self.constant(&c), self.constant(&c), self.constant(&c), self.positive(&c)];
        let epsilon = self.dice.pick(&[1e-5, 1e-3, 0.0]);
        self.apply(Op::BatchNorm { epsilon }, &more);
    }

    fn unary(&mut self) {
        let (lo, hi) = (self.dice.number(), self.dice.number().abs() + 3.0);
        let op = self.dice.pick(&[
            Unary::Relu,
            Unary::Clip { lo, hi },
            Unary::Sigmoid,
            Unary::Tanh,
            Unary::Abs,
        ]);
        self.apply(Op::Unary(op), &[]);
    }

    fn binary_op(&mut self) -> Binary {
        self.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Div])
    }

    /// An operation with one constant number per channel of an image.
    fn per_channel(&mut self) {
        let [_, c, _, _] = self.image();
        let shape = match self.dice.coin() {
            true => vec![c, 1, 1],
            false => vec![1, c, 1, 1],
        };
        let (op, constant) = (self.binary_op(), self.positive(&shape));
        self.apply(Op::Binary(op), &[constant]);
    }

    /// An operation with a constant of some shape that broadcasts, on either side.
    fn binary_constant(&mut self) {
        let mut shape = self.shape();
        for extent in &mut shape {
            *extent = if self.dice.coin() { 1 } else { *extent };
        }
        shape.drain(..self.dice.between(0, shape.len()));
        let op = self.binary_op();
        let constant = self.positive(&shape);
        match op != Binary::Div && self.dice.coin() {
            true => self.current = self.add(Op::Binary(op), &[constant, self.current]),
            false => self.apply(Op::Binary(op), &[constant]),
        }
    }

    /// Combines the current value with an earlier value of the same shape.
    fn binary_earlier(&mut self) {
        let same = |&&e: &&NodeId| self.shape_of(e) == self.shape();
        let other = self.earlier.iter().find(same).copied().unwrap_or(self.current);
        let op = self.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
        self.apply(Op::Binary(op), &[other]);
    }

    fn second_input(&mut self) {
        let other = self.graph.input(format!("x_{}", self.graph.len()), self.shape());
        let op = self.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
        self.apply(Op::Binary(op), &[other]);
    }

    fn identity(&mut self) {
        self.apply(Op::Identity, &[]);
    }
}
