//! Which operators of a network are quantized, and which values become bytes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use resnetc_ir::op::{Activation, Binary, Gemm, PadMode, Unary};
use resnetc_ir::{Graph, NodeId, Op};

use super::prepare::is_layer;

/// How an operator takes part in a quantized network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A convolution, whose result becomes bytes.
    Conv,
    /// A matrix product. Its result stays in floats unless a quantized operator reads it: there are
    /// no sums to fuse it with, and an output of the network should not lose precision.
    Product,
    /// Computes a value from others, at least one of which is the result of a quantized operator.
    Joins,
    /// The same, if its result is read by a quantized operator.
    Bridges,
    /// Moves bytes, or selects among them: its result has the scale of its operand.
    Moves,
    /// Stays in f32.
    Float,
}

impl Role {
    fn of(graph: &Graph, node: NodeId) -> Self {
        let ty = &graph.node(node).ty;
        match &graph.node(node).op {
            Op::Conv(_) if is_layer(graph, node) => Role::Conv,
            Op::Gemm(Gemm { activation: Activation::None, .. }) if is_layer(graph, node) => {
                Role::Product
            }
            Op::Binary(Binary::Add) => {
                let fits = |n: &NodeId| {
                    graph.constant_of(*n).is_none() && graph.node(*n).ty.shape == ty.shape
                };
                if graph.operands(node).iter().all(fits) { Role::Joins } else { Role::Float }
            }
            Op::Concat { .. } if are_computed(graph, node) => Role::Joins,
            Op::AveragePool { .. } => Role::Joins,
            // A gate: an image times a factor for each of its channels, for example.
            Op::Binary(Binary::Mul) if are_computed(graph, node) => Role::Bridges,
            Op::GlobalAveragePool | Op::ReduceMean { .. } => Role::Bridges,
            Op::Unary(Unary::Relu | Unary::Clip { .. } | Unary::Sigmoid | Unary::Tanh) => {
                Role::Bridges
            }
            Op::MaxPool(_)
            | Op::Reshape { .. }
            | Op::Transpose { .. }
            | Op::Slice(_)
            | Op::Gather { .. } => Role::Moves,
            Op::Pad { mode: PadMode::Constant(0.0) | PadMode::Reflect, .. } => Role::Moves,
            _ => Role::Float,
        }
    }
}

/// Whether an operator has no constant operands.
fn are_computed(graph: &Graph, node: NodeId) -> bool {
    graph.operands(node).iter().all(|&operand| graph.constant_of(operand).is_none())
}

/// What is quantized.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// The quantized operators, operands first.
    pub(super) operators: Vec<NodeId>,
    /// The values that become bytes, each with the value that determines its scale: itself, unless
    /// it is moved from another.
    pub(super) values: BTreeMap<NodeId, NodeId>,
}

impl Selection {
    /// Quantizes all operators that can be, except those that are to stay in f32.
    pub(super) fn of(graph: &Graph, floats: &BTreeSet<NodeId>) -> Self {
        let order = needed(graph);
        let role = |node: NodeId| match floats.contains(&node) {
            true => Role::Float,
            false => Role::of(graph, node),
        };
        let candidates = candidates(graph, &order, role);
        let (mut demanded, mut operators) = (HashSet::new(), Vec::new());
        let mut values = BTreeSet::new();
        for &node in order.iter().rev().filter(|node| candidates.contains(node)) {
            let result = result(graph, node);
            let is_read = demanded.contains(&result);
            let role = role(node);
            if matches!(role, Role::Bridges | Role::Moves) && !is_read {
                continue;
            }
            operators.push(node);
            let sources = graph.operands(node).into_iter();
            demanded.extend(sources.filter(|&n| graph.constant_of(n).is_none()));
            if role != Role::Product || is_read {
                values.insert(result);
            }
        }
        values.extend(demanded);
        operators.reverse();
        let moving: HashSet<NodeId> =
            operators.iter().copied().filter(|&node| role(node) == Role::Moves).collect();
        let mut roots = BTreeMap::new();
        for node in order.into_iter().filter(|node| values.contains(node)) {
            let is_moved = moving.contains(&node);
            let source = graph.operand(node, 0).filter(|_| is_moved);
            let root = source.and_then(|source| roots.get(&source).copied()).unwrap_or(node);
            roots.insert(node, root);
        }
        Selection { operators, values: roots }
    }

    /// The quantized operators that have weights.
    pub(super) fn layers<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = NodeId> + 'a {
        self.operators.iter().copied().filter(|&node| is_layer(graph, node))
    }
}

/// The operators that could be quantized: those that have weights, and those that read the result
/// of such a one.
fn candidates(graph: &Graph, order: &[NodeId], role: impl Fn(NodeId) -> Role) -> HashSet<NodeId> {
    let (mut found, mut made) = (HashSet::new(), HashSet::new());
    for &node in order {
        let is_fed = || graph.operands(node).iter().any(|operand| made.contains(operand));
        let is_one = match role(node) {
            Role::Conv | Role::Product => true,
            Role::Joins | Role::Bridges | Role::Moves => is_fed(),
            Role::Float => false,
        };
        // An activation that another operator includes is no operator of its own.
        if is_one && !is_included(graph, node, &found) {
            found.insert(node);
        }
        if is_one {
            made.insert(node);
            made.insert(result(graph, node));
        }
    }
    found
}

/// Whether an operator is the activation of one that is quantized.
fn is_included(graph: &Graph, node: NodeId, quantized: &HashSet<NodeId>) -> bool {
    let source = graph.operand(node, 0);
    source.is_some_and(|source| quantized.contains(&source) && result(graph, source) == node)
}

/// The value that an operator computes together with the activation that only it has; the activation
/// is then a limit of the bytes.
pub(super) fn result(graph: &Graph, node: NodeId) -> NodeId {
    let includes = matches!(
        &graph.node(node).op,
        Op::Conv(_)
            | Op::Gemm(_)
            | Op::Binary(Binary::Add)
            | Op::AveragePool { .. }
            | Op::GlobalAveragePool
            | Op::Concat { .. }
    );
    let user = graph.sole_user(node).filter(|_| includes);
    let is_limit =
        |&user: &NodeId| matches!(graph.node(user).op, Op::Unary(Unary::Relu | Unary::Clip { .. }));
    user.filter(is_limit).unwrap_or(node)
}

/// The nodes that outputs need, operands first.
fn needed(graph: &Graph) -> Vec<NodeId> {
    let mut order = graph.topo();
    let mut needed: HashSet<NodeId> = graph.outputs().iter().map(|o| o.node).collect();
    for &node in order.iter().rev() {
        if needed.contains(&node) {
            needed.extend(graph.operands(node));
        }
    }
    order.retain(|node| needed.contains(node));
    order
}

/// The layers before which there is no other, from an input on, and those after which there is no
/// other.
pub(super) fn ends(graph: &Graph) -> [Vec<NodeId>; 2] {
    let order = needed(graph);
    let is_layer = |node: &NodeId| is_layer(graph, *node);
    let mut behind: HashSet<NodeId> = HashSet::new();
    for &node in &order {
        if graph.operands(node).iter().any(|n| behind.contains(n) || is_layer(n)) {
            behind.insert(node);
        }
    }
    let mut before: HashSet<NodeId> = HashSet::new();
    for &node in order.iter().rev() {
        if before.contains(&node) || is_layer(&node) {
            before.extend(graph.operands(node));
        }
    }
    let among = |others: &HashSet<NodeId>| {
        order.iter().copied().filter(|n| is_layer(n) && !others.contains(n)).collect()
    };
    [among(&behind), among(&before)]
}

/// The operators that can be named to stay in f32.
pub(super) fn nameable(graph: &Graph) -> Vec<NodeId> {
    Selection::of(graph, &BTreeSet::new()).operators
}
