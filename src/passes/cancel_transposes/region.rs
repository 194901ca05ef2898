//! A connected region of operators that work in any order of axes.

use std::collections::{HashMap, HashSet};
use std::iter::successors;

use resnetc_ir::op::{Interpolate, OnBytes, SliceAxis};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use crate::passes::near_misses::{NearMisses, describe};
use crate::passes::permute::{
    compose, inverse, is_identity, keeps_order, permuted, permuted_shape,
};

/// A region, and the permutation by which its values would be computed in the new order: each value
/// `v` as `transpose(v', perm)` of a new value `v'`.
pub(super) struct Region<'g> {
    graph: &'g Graph,
    perm: Vec<usize>,
    members: Vec<NodeId>,
    inside: HashSet<NodeId>,
}

/// How a value from outside enters a region.
enum Source {
    /// As a transpose by the region's own permutation: the new region reads the transpose's
    /// operand.
    Cancels(NodeId),
    /// As another transpose: two become one.
    Merges(NodeId, Vec<usize>),
    /// As it is, but its transpose already exists, for another user.
    Exists(NodeId),
    /// As it is, so it needs a transpose. A transpose of a value of the region itself needs one,
    /// too, since that value is computed first.
    Opaque,
}

/// How a value of a region is used outside of it.
enum Use {
    /// By a transpose; the permutation that remains after the new value.
    Transpose(NodeId, Vec<usize>),
    /// By a mean that also works on the new value, followed by a transpose of the remaining axes.
    Mean(NodeId, Box<Op>, Vec<usize>),
    /// By something that needs the old order, which includes the region itself behind a transpose.
    Opaque,
}

impl<'g> Region<'g> {
    /// The largest region around `seed`, if `seed` is an operator that works in any order of axes.
    pub(super) fn grow(graph: &'g Graph, perm: Vec<usize>, seed: NodeId) -> Option<Self> {
        if !works_in_any_order(graph, seed, perm.len()) {
            return None;
        }
        let mut inside = HashSet::from([seed]);
        let mut work = vec![seed];
        while let Some(node) = work.pop() {
            let users = graph.users(node).into_iter().map(|(user, _)| user);
            for near in graph.operands(node).into_iter().chain(users) {
                if !inside.contains(&near) && works_in_any_order(graph, near, perm.len()) {
                    inside.insert(near);
                    work.push(near);
                }
            }
        }
        let members = in_order(graph, seed, &inside);
        Some(Region { graph, perm, members, inside })
    }

    /// The operators, each after its operands.
    pub(super) fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// Whether transposes move fewer elements if the region is computed in the new order.
    pub(super) fn saves(&self) -> bool {
        let back = inverse(&self.perm);
        let (mut before, mut after) = (0, 0);
        let sources: Vec<_> = self.sources().into_iter().map(|s| (s, self.source(s))).collect();
        let is_read = |source| {
            sources.iter().any(|(_, how)| matches!(how, Source::Exists(read) if *read == source))
        };
        for (source, how) in &sources {
            let (old, new) = match how {
                Source::Cancels(origin) => (cost(self.graph, *origin, &self.perm), 0),
                Source::Merges(origin, perm) => {
                    let Op::Transpose { perm: old } = &self.graph.node(*source).op else {
                        continue;
                    };
                    (cost(self.graph, *origin, old), cost(self.graph, *origin, perm))
                }
                Source::Exists(_) => (0, 0),
                Source::Opaque => (0, cost(self.graph, *source, &back)),
            };
            after += new;
            if self.dies(*source) && !is_read(*source) {
                before += old;
            }
        }
        for &member in &self.members {
            let (old, new) = self.costs_of_uses(member);
            before += old;
            after += new;
        }
        after < before
    }

    fn costs_of_uses(&self, member: NodeId) -> (usize, usize) {
        let shape = &self.graph.node(member).ty.shape;
        let (mut before, mut after) = (0, 0);
        let mut opaque = false;
        let uses = self.uses(member);
        for used in &uses {
            match used {
                Use::Transpose(user, rest) => {
                    let Op::Transpose { perm } = &self.graph.node(*user).op else { continue };
                    before += elements_moved(shape, perm);
                    after += elements_moved(&permuted_shape(shape, &inverse(&self.perm)), rest);
                }
                Use::Mean(mean, _, rest) => {
                    let result = &self.graph.node(*mean).ty.shape;
                    after += elements_moved(&permuted_shape(result, &inverse(rest)), rest);
                }
                Use::Opaque => opaque = true,
            }
        }
        if opaque {
            after += elements_moved(&permuted_shape(shape, &inverse(&self.perm)), &self.perm);
        }
        (before, after)
    }

    /// The patch that computes the region in the new order.
    pub(super) fn patch(&self, near: &mut NearMisses) -> Option<Patch> {
        let last = self.members.last()?;
        let count = self.members.len();
        let label = format!(
            "move a transpose by {:?} through {count} operators up to {}",
            self.perm,
            describe(self.graph, *last)
        );
        let mut patch = Patch::new(label);
        let mut moved: HashMap<NodeId, Value> = HashMap::new();
        for &member in &self.members {
            let node = self.graph.node(member);
            let mut operands = Vec::new();
            for operand in self.graph.operands(member) {
                let value = match moved.get(&operand) {
                    Some(&value) => value,
                    None => self.enter(&mut patch, operand, near)?,
                };
                moved.insert(operand, value);
                operands.push(value);
            }
            let value = patch.add(node.name.clone(), permuted_op(&node.op, &self.perm)?, &operands);
            moved.insert(member, value);
            self.leave(&mut patch, member, value);
        }
        Some(patch)
    }

    /// The new form of an operand from outside.
    fn enter(&self, patch: &mut Patch, operand: NodeId, near: &mut NearMisses) -> Option<Value> {
        let node = self.graph.node(operand);
        let back = inverse(&self.perm);
        if let Some(constant) = self.graph.constant_of(operand) {
            if constant.elements() == 1 {
                return Some(operand.into());
            }
            let mut shape = vec![1; self.perm.len() - constant.shape().len()];
            shape.extend(constant.shape());
            let constant = permuted(&(**constant).clone().reshaped(shape)?, &back);
            let constant = near.afford(self.graph, operand, constant)??;
            return Some(patch.constant(node.name.clone(), constant));
        }
        let (origin, perm) = match self.source(operand) {
            Source::Cancels(value) | Source::Exists(value) => return Some(value.into()),
            Source::Merges(origin, perm) => (origin, perm),
            Source::Opaque => (operand, back),
        };
        Some(patch.add(node.name.clone(), Op::Transpose { perm }, &[origin.into()]))
    }

    /// Gives the users outside the region what they need of a new value.
    fn leave(&self, patch: &mut Patch, member: NodeId, value: Value) {
        let name = |node: NodeId| self.graph.node(node).name.clone();
        let transposed =
            |patch: &mut Patch, of: NodeId, value: Value, perm: &[usize]| match is_identity(perm) {
                true => value,
                false => patch.add(name(of), Op::Transpose { perm: perm.to_vec() }, &[value]),
            };
        let mut opaque = false;
        for used in self.uses(member) {
            match used {
                Use::Transpose(user, rest) => {
                    let new = transposed(patch, user, value, &rest);
                    patch.replace(user, new);
                }
                Use::Mean(user, op, rest) => {
                    let mean = patch.add(name(user), *op, &[value]);
                    let new = transposed(patch, user, mean, &rest);
                    patch.replace(user, new);
                }
                Use::Opaque => opaque = true,
            }
        }
        if opaque {
            let new = transposed(patch, member, value, &self.perm);
            patch.replace(member, new);
        }
    }

    /// Computed values that the region reads from outside, each once.
    fn sources(&self) -> Vec<NodeId> {
        let mut sources: Vec<NodeId> = Vec::new();
        let mut seen = HashSet::new();
        for operand in self.members.iter().flat_map(|&m| self.graph.operands(m)) {
            let outside = !self.inside.contains(&operand);
            if outside && self.graph.constant_of(operand).is_none() && seen.insert(operand) {
                sources.push(operand);
            }
        }
        sources
    }

    fn source(&self, source: NodeId) -> Source {
        let back = inverse(&self.perm);
        if self.leads_back(source) {
            return Source::Opaque;
        }
        if let Op::Transpose { perm } = &self.graph.node(source).op
            && let Some(origin) = self.graph.operand(source, 0)
        {
            let merged = compose(perm, &back);
            return match is_identity(&merged) {
                true => Source::Cancels(origin),
                false => Source::Merges(origin, merged),
            };
        }
        let wanted = Op::Transpose { perm: back };
        let mut users = self.graph.users(source).into_iter().map(|(user, _)| user);
        match users.find(|&user| self.graph.node(user).op == wanted) {
            Some(transpose) => Source::Exists(transpose),
            None => Source::Opaque,
        }
    }

    /// Whether a value is a transpose of a value of the region, or a transpose of such a transpose:
    /// its operand disappears when the region is rewritten.
    fn leads_back(&self, value: NodeId) -> bool {
        let transposed = |value: NodeId| match self.graph.node(value).op {
            Op::Transpose { .. } => self.graph.operand(value, 0),
            _ => None,
        };
        let mut above = successors(transposed(value), |&origin| transposed(origin));
        above.any(|origin| self.inside.contains(&origin))
    }

    /// Whether only the region reads a source.
    fn dies(&self, source: NodeId) -> bool {
        let mut users = self.graph.users(source).into_iter();
        !self.graph.is_output(source) && users.all(|(user, _)| self.inside.contains(&user))
    }

    /// The uses of a member outside the region; being an output is one.
    fn uses(&self, member: NodeId) -> Vec<Use> {
        let users = self.graph.users(member).into_iter().map(|(user, _)| user);
        let mut uses: Vec<Use> =
            users.filter(|u| !self.inside.contains(u)).map(|u| self.used_by(u)).collect();
        if self.graph.is_output(member) {
            uses.push(Use::Opaque);
        }
        uses
    }

    fn used_by(&self, user: NodeId) -> Use {
        let op = &self.graph.node(user).op;
        if let Op::Transpose { perm } = op {
            let mut readers = self.graph.users(user).into_iter();
            return match readers.any(|(reader, _)| self.inside.contains(&reader)) {
                true => Use::Opaque,
                false => Use::Transpose(user, compose(&self.perm, perm)),
            };
        }
        match absorbed(op, &self.perm) {
            Some((op, rest)) => Use::Mean(user, Box::new(op), rest),
            None => Use::Opaque,
        }
    }
}

/// Elements that a transpose of a value moves.
pub(super) fn cost(graph: &Graph, value: NodeId, perm: &[usize]) -> usize {
    elements_moved(&graph.node(value).ty.shape, perm)
}

/// Elements that a transpose of a value of this shape moves.
fn elements_moved(shape: &[usize], perm: &[usize]) -> usize {
    if keeps_order(shape, perm) { 0 } else { shape.iter().product() }
}

/// The mean of `transpose(x, perm)` as a mean of `x`, and the permutation of the remaining axes.
pub(super) fn absorbed(op: &Op, perm: &[usize]) -> Option<(Op, Vec<usize>)> {
    let Op::ReduceMean { axes, keep_dims: false } = op else {
        return None;
    };
    let mut moved: Vec<usize> = axes.iter().map(|&axis| perm[axis]).collect();
    moved.sort_unstable();
    let kept: Vec<usize> =
        (0..perm.len()).filter(|axis| !axes.contains(axis)).map(|axis| perm[axis]).collect();
    let rank_of = |axis: &usize| kept.iter().filter(|&other| other < axis).count();
    let rest = kept.iter().map(rank_of).collect();
    Some((Op::ReduceMean { axes: moved, keep_dims: false }, rest))
}

/// Whether an operator of rank `rank` has a counterpart for transposed operands.
fn works_in_any_order(graph: &Graph, node: NodeId, rank: usize) -> bool {
    let identity: Vec<usize> = (0..rank).collect();
    let found = graph.node(node);
    if found.ty.shape.len() != rank || permuted_op(&found.op, &identity).is_none() {
        return false;
    }
    let operands = graph.operands(node);
    let fits = |&operand: &NodeId| {
        let same = graph.node(operand).ty.shape.len() == rank;
        same || graph.constant_of(operand).is_some()
    };
    // An operator without a computed operand is left to constant folding.
    operands.iter().all(fits) && operands.iter().any(|&o| graph.constant_of(o).is_none())
}

/// The operator on values `v'` that computes what `op` computes on `transpose(v', perm)`,
/// transposed back.
fn permuted_op(op: &Op, perm: &[usize]) -> Option<Op> {
    Some(match op {
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::Dequantize(_)
        | Op::Lookup { .. }
        | Op::Identity => op.clone(),
        Op::OnBytes(on_bytes) => {
            let op = Box::new(permuted_op(&on_bytes.op, perm)?);
            Op::OnBytes(OnBytes { op, ..on_bytes.clone() })
        }
        Op::Pad { before, after, mode } => {
            Op::Pad { before: scattered(before, perm), after: scattered(after, perm), mode: *mode }
        }
        Op::Slice(axes) => Op::Slice(scattered::<SliceAxis>(axes, perm)),
        Op::Gather { axis, indices } => Op::Gather { axis: perm[*axis], indices: indices.clone() },
        Op::Interpolate(op) => Op::Interpolate(Interpolate { axis: perm[op.axis], ..op.clone() }),
        Op::Concat { axis } => Op::Concat { axis: perm[*axis] },
        Op::Softmax { axis } => Op::Softmax { axis: perm[*axis] },
        Op::ReduceMean { axes, keep_dims: true } => {
            let mut axes: Vec<usize> = axes.iter().map(|&axis| perm[axis]).collect();
            axes.sort_unstable();
            Op::ReduceMean { axes, keep_dims: true }
        }
        // Image operators fix which axes are height and width, and the others have their own order
        // of axes.
        Op::Input
        | Op::Constant(_)
        | Op::Conv(_)
        | Op::ConvSource(_)
        | Op::ConvWeights(_)
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy
        | Op::Pointwise(_)
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::QuantizedConv(_)
        | Op::Measure
        | Op::QuantizeMeasured
        | Op::BatchNorm { .. }
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { keep_dims: false, .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::Gemm(_)
        | Op::MatMul
        | Op::Reshape { .. }
        | Op::Transpose { .. }
        | Op::Reorder(_) => return None,
    })
}

/// A per-axis attribute, moved to the position from which `perm` took the axis.
fn scattered<T: Copy>(attribute: &[T], perm: &[usize]) -> Vec<T> {
    inverse(perm).into_iter().map(|axis| attribute[axis]).collect()
}

/// The nodes of a region, each after its operands: depth first without recursion.
fn in_order(graph: &Graph, seed: NodeId, inside: &HashSet<NodeId>) -> Vec<NodeId> {
    let mut roots: Vec<NodeId> = inside.iter().copied().collect();
    roots.sort_unstable();
    roots.insert(0, seed);
    let mut order = Vec::with_capacity(inside.len());
    let mut seen = HashSet::new();
    let mut stack = Vec::new();
    for root in roots {
        if seen.insert(root) {
            stack.push((root, graph.operands(root)));
        }
        while let Some((node, operands)) = stack.last_mut() {
            match operands.pop() {
                Some(operand) if inside.contains(&operand) && seen.insert(operand) => {
                    stack.push((operand, graph.operands(operand)));
                }
                Some(_) => {}
                None => {
                    order.push(*node);
                    stack.pop();
                }
            }
        }
    }
    order
}
