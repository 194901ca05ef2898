//! Which values keep the images of a batch apart.

use std::collections::{HashMap, HashSet};

use resnetc_ir::op::TopK;
use resnetc_ir::{Graph, NodeId, Op};

/// How a value depends on the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It depends on no input, so it is the same for every image and every batch.
    Shared,
    /// Its first axis counts the images, and its image `i` is a function of image `i` of the inputs
    /// alone, the same function for every `i`.
    Apart,
    /// Anything else.
    Mixed,
}

/// The role of every value, where the first axis of `inputs` counts `size` images. By induction
/// over the graph: the inputs have their role by definition, and every operator accepted here
/// preserves it.
pub(super) fn roles(graph: &Graph, inputs: &HashSet<NodeId>, size: usize) -> HashMap<NodeId, Role> {
    let mut roles = HashMap::new();
    for node in graph.topo() {
        let role = Roles { graph, known: &roles, size }.of(node, inputs);
        roles.insert(node, role);
    }
    roles
}

struct Roles<'a> {
    graph: &'a Graph,
    /// The roles of all operands.
    known: &'a HashMap<NodeId, Role>,
    size: usize,
}

impl Roles<'_> {
    fn of(&self, node: NodeId, inputs: &HashSet<NodeId>) -> Role {
        let operands = self.graph.operands(node);
        let counts = self.shape(node).first() == Some(&self.size);
        let apart = match &self.graph.node(node).op {
            Op::Constant(_) => return Role::Shared,
            Op::Input => inputs.contains(&node),
            _ if operands.iter().all(|&o| self.is(o, Role::Shared)) => return Role::Shared,
            _ => self.keeps_apart(node, &operands),
        };
        if apart && counts { Role::Apart } else { Role::Mixed }
    }

    fn shape(&self, node: NodeId) -> &[usize] {
        &self.graph.node(node).ty.shape
    }

    fn is(&self, node: NodeId, role: Role) -> bool {
        self.known.get(&node) == Some(&role)
    }

    /// Whether an operand has all axes of a result of this rank, so that its images correspond to
    /// the result's.
    fn is_whole(&self, operand: NodeId, rank: usize) -> bool {
        self.is(operand, Role::Apart) && self.shape(operand).len() == rank
    }

    /// Whether an operand is the same for all images when it broadcasts to a result of this rank.
    fn is_even(&self, operand: NodeId, rank: usize) -> bool {
        let shape = self.shape(operand);
        self.is(operand, Role::Shared)
            && (shape.len() < rank || shape.first().is_none_or(|&extent| extent == 1))
    }

    /// Whether an operator computes each image of its result from the same image of its operands
    /// alone.
    fn keeps_apart(&self, node: NodeId, operands: &[NodeId]) -> bool {
        let Some((&first, others)) = operands.split_first() else { return false };
        let rank = self.shape(node).len();
        let shared = |o: &NodeId| self.is(*o, Role::Shared);
        let broadcasts = |o: &NodeId| self.is_whole(*o, rank) || self.is_even(*o, rank);
        let apart = self.is(first, Role::Apart);
        match self.graph.node(node).op.computation() {
            Op::Input | Op::Constant(_) | Op::OnBytes(_) | Op::Measure => false,
            // No file has them.
            Op::ConvSource(_)
            | Op::ConvWeights(_)
            | Op::MaxPoolSource(_)
            | Op::CrossEntropy
            | Op::Pointwise(_)
            | Op::ChannelSums(_)
            | Op::Moments => false,
            Op::Conv(_) => {
                let folded = |o: &NodeId| shared(o) || self.is(*o, Role::Apart);
                // Weights are shared; the added value may be another value with the same images.
                apart && others.iter().take(1).all(shared) && others.iter().skip(1).all(folded)
            }
            Op::QuantizedConv(conv) => {
                let (constants, rest) = others.split_at(others.len().min(3));
                let measured = conv.encoding_operand().map_or(0, |_| 1);
                let (encoding, residual) = rest.split_at(measured.min(rest.len()));
                apart
                    && constants.iter().chain(encoding).all(shared)
                    && residual.iter().all(|o| self.is(*o, Role::Apart))
            }
            Op::BatchNorm { .. } | Op::QuantizeMeasured => apart && others.iter().all(shared),
            Op::Gemm(gemm) => {
                let even = |o: &NodeId| self.is_even(*o, rank);
                let added = others.iter().skip(1).all(even);
                !gemm.transpose_a && apart && others.iter().take(1).all(shared) && added
            }
            // The rows of a single matrix are images, its columns are not.
            Op::MatMul if rank == 2 => apart && others.iter().all(shared),
            Op::MatMul | Op::Binary(_) | Op::Where => operands.iter().all(broadcasts),
            Op::Unary(_)
            | Op::MaxPool(_)
            | Op::AveragePool { .. }
            | Op::GlobalAveragePool
            | Op::Convert { .. }
            | Op::Quantize(_)
            | Op::Dequantize(_)
            | Op::Lookup { .. }
            | Op::Identity
            | Op::Reorder(_)
            | Op::Reshape { .. } => apart,
            Op::ReduceMean { axes, .. } | Op::ReduceMax { axes, .. } => apart && !axes.contains(&0),
            Op::TopK(TopK { axis, .. }) | Op::Softmax { axis } | Op::Gather { axis, .. } => {
                apart && *axis != 0
            }
            Op::Interpolate(op) => apart && op.axis != 0,
            Op::Pad { before, after, .. } => apart && before[0] == 0 && after[0] == 0,
            Op::Slice(axes) => {
                let all = axes[0].start == 0 && axes[0].step == 1;
                apart && all && axes[0].len == self.size
            }
            Op::Concat { axis } => *axis != 0 && operands.iter().all(|&o| self.is(o, Role::Apart)),
            Op::Transpose { perm } => apart && perm[0] == 0,
        }
    }
}
