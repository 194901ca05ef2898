//! Batches that an exporter burnt into a reshape.
//!
//! Exporters that trace a network with one picture write `Reshape` to `[1, 2048]` where `[-1, 2048]` is meant. With more
//! pictures that is an error by the standard. Where picture `i` of the reshaped value is a function of picture `i` of
//! the inputs alone, the only reading that makes sense is the one that every picture gets by itself, and it is taken.

use std::collections::HashSet;

use resnetc_ir::{Graph, NodeId, Op};

/// The inputs whose first axis counts the pictures of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// How many pictures there are; nothing if the inputs do not agree.
    size: Option<usize>,
    inputs: HashSet<NodeId>,
}

impl Batch {
    /// Notes an input whose first dimension is a symbol.
    pub(super) fn add(&mut self, input: NodeId, size: usize) {
        self.size = match self.inputs.is_empty() {
            true => Some(size),
            false => self.size.filter(|&other| other == size),
        };
        self.inputs.insert(input);
    }

    /// The shape that a reshape of `value` to `to` means, if its first axis is a burnt-in batch of 1.
    pub(super) fn unburnt(&self, graph: &Graph, value: NodeId, to: &[usize]) -> Option<Vec<usize>> {
        let size = self.size.filter(|&size| size > 1)?;
        let from = &graph.node(value).ty.shape;
        let ([batch, from @ ..], [1, to @ ..]) = (&from[..], to) else { return None };
        let same = from.iter().product::<usize>() == to.iter().product::<usize>();
        let fits = *batch == size && same && self.carriers(graph, size).contains(&value);
        fits.then(|| std::iter::once(size).chain(to.iter().copied()).collect())
    }

    /// Every value whose first axis counts the pictures, each of which depends on its own picture only. By induction
    /// over the graph: that holds for the inputs, and every operator here keeps it.
    fn carriers(&self, graph: &Graph, size: usize) -> HashSet<NodeId> {
        let mut carriers = self.inputs.clone();
        for node in graph.topo() {
            let keeps = graph.node(node).ty.shape.first() == Some(&size)
                && keeps_pictures_apart(graph, node, &carriers);
            if keeps {
                carriers.insert(node);
            }
        }
        carriers
    }
}

/// Whether an operator keeps pictures apart: its operands are carriers or the same for every picture, and it does not
/// touch the first axis.
fn keeps_pictures_apart(graph: &Graph, node: NodeId, carriers: &HashSet<NodeId>) -> bool {
    let operands = graph.operands(node);
    let Some((first, others)) = operands.split_first() else { return false };
    let carries = |operand: &NodeId| carriers.contains(operand);
    let is_constant = |operand: &NodeId| graph.constant_of(*operand).is_some();
    let rank = graph.node(node).ty.shape.len();
    // Has one number for all pictures where it broadcasts to the result.
    let is_shared = |operand: &NodeId| {
        let shape = &graph.node(*operand).ty.shape;
        is_constant(operand) && (shape.len() < rank || shape[0] == 1)
    };
    match &graph.node(node).op {
        Op::Input | Op::Constant(_) => false,
        Op::Conv(_) | Op::BatchNorm { .. } => carries(first) && others.iter().all(is_constant),
        Op::Gemm(gemm) => {
            !gemm.transpose_a
                && carries(first)
                && others.iter().take(1).all(is_constant)
                && others.iter().skip(1).all(is_shared)
        }
        Op::MatMul => {
            carries(first)
                && graph.node(*first).ty.shape.len() == rank
                && others.iter().all(|o| is_constant(o) && graph.node(*o).ty.shape.len() == 2)
        }
        Op::Unary(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::Identity
        | Op::Reorder(_)
        | Op::Reshape { .. } => carries(first),
        Op::Binary(_) => {
            let whole = |o: &NodeId| carries(o) && graph.node(*o).ty.shape.len() == rank;
            operands.iter().all(|o| whole(o) || is_shared(o)) && operands.iter().any(whole)
        }
        Op::ReduceMean { axes, .. } | Op::ReduceMax { axes, .. } => {
            carries(first) && !axes.contains(&0)
        }
        Op::Softmax { axis } => carries(first) && *axis != 0,
        Op::Pad { before, after, .. } => carries(first) && before[0] == 0 && after[0] == 0,
        Op::Slice(axes) => {
            let whole = axes[0].start == 0 && axes[0].step == 1;
            carries(first) && whole && axes[0].len == graph.node(*first).ty.shape[0]
        }
        Op::Concat { axis } => *axis != 0 && operands.iter().all(carries),
        Op::Transpose { perm } => carries(first) && perm[0] == 0,
    }
}
