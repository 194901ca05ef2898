//! Layers and weights to a graph.

use std::sync::Arc;

use resnetc_ir::infer::check_shape;
use resnetc_ir::op::{Activation, Binary, Conv, Gemm, PadMode, Pool, SliceAxis, Unary, Window};
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use super::topology::{Around, BlockPlan, Topology, Unit};
use super::{Spec, SpecError, Weights};

/// Eight gigabytes: past it, a size is a mistake.
const MAX_ELEMENTS: usize = 1 << 31;

impl Spec {
    /// Builds the network for pictures in batches of `batch`. The graph has one input, "input", one output,
    /// "output" (without softmax), and separate batch normalizations; nodes have the names of PyTorch's modules.
    ///
    /// # Errors
    /// If the description is out of range, or the weights do not fit it; all tensors that do not are listed.
    pub fn build(&self, weights: &Weights, batch: usize) -> Result<Graph, SpecError> {
        let topology = self.topology()?;
        let shape = vec![batch, self.input.channels, self.input.height, self.input.width];
        check_input(&shape)?;
        let parameters = topology.parameters();
        let tensors = weights.resolve(&parameters)?;
        let weights =
            parameters.into_iter().map(|p| p.name).zip(tensors).collect::<Vec<_>>().into_iter();
        let mut network = Network { graph: Graph::new(), weights, epsilon: self.norm_epsilon };
        let input = network.graph.input("input", shape);
        let output = network.all(&topology, input, self.stem.max_pool)?;
        network.graph.output("output", output);
        Ok(network.graph)
    }
}

fn check_input(shape: &[usize]) -> Result<(), SpecError> {
    match check_shape(shape) {
        Ok(()) if shape.iter().product::<usize>() <= MAX_ELEMENTS => Ok(()),
        Ok(()) => {
            Err(SpecError::Invalid { key: "input", reason: format!("{shape:?} is too large") })
        }
        Err(e) => Err(SpecError::Invalid { key: "input", reason: e.to_string() }),
    }
}

/// A network under construction.
struct Network {
    graph: Graph,
    /// Names and tensors in the order in which the layers use them.
    weights: std::vec::IntoIter<(String, Arc<Tensor>)>,
    epsilon: f64,
}

impl Network {
    fn add(&mut self, name: &str, op: Op, operands: &[NodeId]) -> Result<NodeId, SpecError> {
        let node = self.graph.add(name, op, operands)?;
        let shape = &self.graph.node(node).ty.shape;
        match shape.iter().product::<usize>() <= MAX_ELEMENTS {
            true => Ok(node),
            false => {
                let reason = format!("makes {name} as large as {shape:?}, which is too large");
                Err(SpecError::Invalid { key: "input", reason })
            }
        }
    }

    /// Appends the next `N` tensors to the operands of a layer.
    fn with_weights<const N: usize>(&mut self, x: NodeId) -> Vec<NodeId> {
        let mut operands = vec![x];
        for (name, tensor) in self.weights.by_ref().take(N) {
            operands.push(self.graph.constant(name, tensor));
        }
        operands
    }

    /// The order of the layers here is that of [`Topology::parameters`].
    fn all(
        &mut self,
        topology: &Topology,
        input: NodeId,
        max_pool: bool,
    ) -> Result<NodeId, SpecError> {
        let mut x = self.unit(&topology.stem, input)?;
        x = self.add("relu", Op::Unary(Unary::Relu), &[x])?;
        if max_pool {
            let pool = Pool { window: Window::square(3, 2, 1), ceil_mode: false };
            x = self.add("maxpool", Op::MaxPool(pool), &[x])?;
        }
        for block in &topology.blocks {
            x = self.block(block, x)?;
        }
        x = self.add("avgpool", Op::GlobalAveragePool, &[x])?;
        let batch = self.graph.node(x).ty.shape[0];
        x = self.add("flatten", Op::Reshape { shape: vec![batch, topology.features] }, &[x])?;
        let gemm = Gemm {
            alpha: 1.0,
            beta: 1.0,
            transpose_a: false,
            transpose_b: true,
            bias: true,
            activation: Activation::None,
        };
        let operands = self.with_weights::<2>(x);
        self.add("fc", Op::Gemm(gemm), &operands)
    }

    fn unit(&mut self, unit: &Unit, x: NodeId) -> Result<NodeId, SpecError> {
        let window = Window::square(unit.kernel, unit.stride, unit.kernel / 2);
        let operands = self.with_weights::<1>(x);
        let conv = self.add(&unit.conv, Op::Conv(Conv::new(window, unit.groups)), &operands)?;
        let operands = self.with_weights::<4>(conv);
        self.add(&unit.norm, Op::BatchNorm { epsilon: self.epsilon }, &operands)
    }

    fn block(&mut self, block: &BlockPlan, input: NodeId) -> Result<NodeId, SpecError> {
        let name = &block.name;
        let mut x = input;
        for (i, unit) in block.units.iter().enumerate() {
            if i > 0 {
                x = self.add(&format!("{name}.relu{i}"), Op::Unary(Unary::Relu), &[x])?;
            }
            x = self.unit(unit, x)?;
        }
        let around = match &block.around {
            Around::Nothing => None,
            Around::Identity => Some(input),
            Around::Pad { stride, extra } => Some(self.pad(name, input, *stride, *extra)?),
            Around::Project(unit) => Some(self.unit(unit, input)?),
        };
        if let Some(around) = around {
            x = self.add(&format!("{name}.add"), Op::Binary(Binary::Add), &[x, around])?;
        }
        self.add(&format!("{name}.relu"), Op::Unary(Unary::Relu), &[x])
    }

    /// Shortcut A: pixels are skipped, new channels are zeros.
    fn pad(
        &mut self,
        name: &str,
        x: NodeId,
        stride: usize,
        extra: usize,
    ) -> Result<NodeId, SpecError> {
        let mut x = x;
        if stride > 1 {
            let axis = |(i, &extent): (usize, &usize)| match i {
                0 | 1 => SliceAxis { start: 0, step: 1, len: extent },
                _ => SliceAxis { start: 0, step: stride as isize, len: extent.div_ceil(stride) },
            };
            let axes = self.graph.node(x).ty.shape.iter().enumerate().map(axis).collect();
            x = self.add(&format!("{name}.shortcut.slice"), Op::Slice(axes), &[x])?;
        }
        if extra > 0 {
            let before = vec![0, extra / 2, 0, 0];
            let after = vec![0, extra - extra / 2, 0, 0];
            let op = Op::Pad { before, after, mode: PadMode::Constant(0.0) };
            x = self.add(&format!("{name}.shortcut.pad"), op, &[x])?;
        }
        Ok(x)
    }
}
