//! The graph: one node is one value.
//!
//! A node carries the type of its value, an edge the position of its operand. This is the only file
//! that uses petgraph, whose edges are unordered, so every list that leaves this file is sorted.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

use crate::dtype::DType;
use crate::infer::{TypeError, infer};
use crate::op::{ConstantId, Op};
use crate::tensor::Tensor;
use crate::ty::{Layout, TensorType};

/// Identifies one value of one graph. Prints as `%12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(NodeIndex<u32>);

impl NodeId {
    /// A small number, unique among the living nodes of the graph.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0.index())
    }
}

/// An operator and the value that it computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// For people: where the node came from. Not unique.
    pub name: String,
    /// What is computed.
    pub op: Op,
    /// The type of the result.
    pub ty: TensorType,
}

/// A named result of the whole graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The name that the description gave it.
    pub name: String,
    /// The value.
    pub node: NodeId,
    /// The element type that the description declares.
    pub dtype: DType,
    /// The input that has this value in the next run, if it is state.
    pub next_of: Option<NodeId>,
}

/// Why a node cannot be added.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{op} {name:?}: {reason}")]
pub struct GraphError {
    /// The node's name.
    pub name: String,
    /// The operator's name.
    pub op: &'static str,
    /// Which requirement its operands do not satisfy.
    pub reason: TypeError,
}

/// A dataflow graph of tensor operators.
///
/// Acyclic as long as it is built with [`Graph::add`]; rewrites go through [`Patch`](crate::Patch).
#[derive(Clone, Debug, Default)]
pub struct Graph {
    dag: StableDiGraph<Node, u32, u32>,
    inputs: Vec<NodeId>,
    /// The inputs whose declared element type differs from their own.
    declared: BTreeMap<NodeId, DType>,
    outputs: Vec<Output>,
    /// The positions of each result among the outputs.
    output_positions: BTreeMap<NodeId, Vec<usize>>,
    constants: BTreeMap<u32, Arc<Tensor>>,
    next_constant: u32,
    file: Option<PathBuf>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    /// The file that describes it, for messages.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Sets the file that describes it.
    pub fn set_file(&mut self, file: impl Into<PathBuf>) {
        self.file = Some(file.into());
    }

    /// Adds a planar f32 input of `shape`. Inputs are numbered in the order in which they are
    /// added.
    pub fn input(&mut self, name: impl Into<String>, shape: impl Into<Vec<usize>>) -> NodeId {
        self.input_of(name, TensorType::planar(shape))
    }

    /// As [`Graph::input`], with any type, which should be planar.
    pub fn input_of(&mut self, name: impl Into<String>, ty: TensorType) -> NodeId {
        let node = self.push(name.into(), Op::Input, ty, &[]);
        self.inputs.push(node);
        node
    }

    /// As [`Graph::input`], for an f32 input that the description declares to be of another type.
    pub fn input_as(
        &mut self,
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        dtype: DType,
    ) -> NodeId {
        let node = self.input(name, shape);
        self.declare_input(node, dtype);
        node
    }

    /// Records the element type that the description declares for an input.
    pub fn declare_input(&mut self, input: NodeId, dtype: DType) {
        if dtype == self.node(input).ty.dtype {
            self.declared.remove(&input);
        } else {
            self.declared.insert(input, dtype);
        }
    }

    /// The element type that the description declares for an input: its own, unless another one was
    /// recorded.
    pub fn input_dtype(&self, input: NodeId) -> DType {
        self.declared.get(&input).copied().unwrap_or(self.node(input).ty.dtype)
    }

    /// Adds a constant. An `Arc` shares its data.
    pub fn constant(&mut self, name: impl Into<String>, tensor: impl Into<Arc<Tensor>>) -> NodeId {
        let tensor = tensor.into();
        let id = ConstantId(self.next_constant);
        self.next_constant += 1;
        let ty = tensor.ty();
        self.constants.insert(id.0, tensor);
        self.push(name.into(), Op::Constant(id), ty, &[])
    }

    /// Adds an operator and infers the type of its result.
    ///
    /// # Errors
    /// If the operator does not accept these operands. [`Op::Input`] and [`Op::Constant`] are
    /// refused; they have their own functions.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        op: Op,
        operands: &[NodeId],
    ) -> Result<NodeId, GraphError> {
        let name = name.into();
        let types: Vec<&TensorType> = operands.iter().map(|&n| &self.node(n).ty).collect();
        match infer(&op, &types) {
            Ok(ty) => Ok(self.push(name, op, ty, operands)),
            Err(reason) => Err(GraphError { name, op: op.name(), reason }),
        }
    }

    /// Names a value as a result of the graph.
    pub fn output(&mut self, name: impl Into<String>, node: NodeId) {
        let dtype = self.dag.node_weight(node.0).map_or(DType::F32, |node| node.ty.dtype);
        self.output_as(name, node, dtype);
    }

    /// As [`Graph::output`], with an element type that the description declares.
    pub fn output_as(&mut self, name: impl Into<String>, node: NodeId, dtype: DType) {
        self.push_output(Output { name: name.into(), node, dtype, next_of: None });
    }

    /// Makes an input state: it has this value, of the same type, in the next run. The value is a
    /// result of the graph, under the name of the input.
    ///
    /// # Panics
    /// If the input is not a living node of this graph.
    pub fn carry(&mut self, input: NodeId, node: NodeId) {
        let (name, dtype) = (self.node(input).name.clone(), self.input_dtype(input));
        self.push_output(Output { name, node, dtype, next_of: Some(input) });
    }

    /// Replaces the next value of an input, if it has one.
    pub(crate) fn carry_other(&mut self, input: NodeId, node: NodeId) {
        let is_it = |output: &Output| output.next_of == Some(input);
        let Some(position) = self.outputs.iter().position(is_it) else { return };
        let old = std::mem::replace(&mut self.outputs[position].node, node);
        if let Some(positions) = self.output_positions.get_mut(&old) {
            positions.retain(|&other| other != position);
            if positions.is_empty() {
                self.output_positions.remove(&old);
            }
        }
        self.output_positions.entry(node).or_default().push(position);
    }

    fn push_output(&mut self, output: Output) {
        self.output_positions.entry(output.node).or_default().push(self.outputs.len());
        self.outputs.push(output);
    }

    /// Keeps only the results at these positions, in this order.
    ///
    /// # Panics
    /// If a position is out of range.
    pub fn keep_outputs(&mut self, kept: &[usize]) {
        let kept: Vec<Output> = kept.iter().map(|&i| self.outputs[i].clone()).collect();
        self.outputs.clear();
        self.output_positions.clear();
        kept.into_iter().for_each(|output| self.push_output(output));
    }

    fn push(&mut self, name: String, op: Op, ty: TensorType, operands: &[NodeId]) -> NodeId {
        let node = self.dag.add_node(Node { name, op, ty });
        for (port, operand) in operands.iter().enumerate() {
            self.dag.add_edge(operand.0, node, port as u32);
        }
        NodeId(node)
    }

    /// Renames a node.
    ///
    /// # Panics
    /// If the node was removed or belongs to another graph.
    pub fn rename(&mut self, id: NodeId, name: impl Into<String>) {
        self.dag[id.0].name = name.into();
    }

    /// The node with this id of this graph.
    ///
    /// # Panics
    /// If the node was removed or belongs to another graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.dag[id.0]
    }

    /// Whether the node still exists.
    pub fn contains(&self, id: NodeId) -> bool {
        self.dag.contains_node(id.0)
    }

    /// The operands of a node, in operand order.
    pub fn operands(&self, id: NodeId) -> Vec<NodeId> {
        let mut ports: Vec<(u32, NodeId)> = self
            .dag
            .edges_directed(id.0, Direction::Incoming)
            .map(|e| (*e.weight(), NodeId(e.source())))
            .collect();
        ports.sort_unstable();
        ports.into_iter().map(|(_, n)| n).collect()
    }

    /// One operand of a node, if it has that many.
    pub fn operand(&self, id: NodeId, position: usize) -> Option<NodeId> {
        self.dag
            .edges_directed(id.0, Direction::Incoming)
            .find(|e| *e.weight() as usize == position)
            .map(|e| NodeId(e.source()))
    }

    /// Every use of a value: the using node and the operand position, sorted. Graph outputs are not
    /// listed.
    pub fn users(&self, id: NodeId) -> Vec<(NodeId, usize)> {
        let mut users: Vec<(NodeId, usize)> = self
            .dag
            .edges_directed(id.0, Direction::Outgoing)
            .map(|e| (NodeId(e.target()), *e.weight() as usize))
            .collect();
        users.sort_unstable();
        users
    }

    /// The node that uses this value, if the value is used once and is not a graph output.
    pub fn sole_user(&self, id: NodeId) -> Option<NodeId> {
        // Many nodes ask this of a value that many nodes share, so the list is not made.
        let mut uses = self.dag.edges_directed(id.0, Direction::Outgoing);
        match (uses.next(), uses.next()) {
            (Some(only), None) if !self.is_output(id) => Some(NodeId(only.target())),
            _ => None,
        }
    }

    /// Whether any node reads this value. Graph outputs are not counted.
    pub fn has_users(&self, id: NodeId) -> bool {
        self.dag.edges_directed(id.0, Direction::Outgoing).next().is_some()
    }

    /// Whether the value is a result of the graph.
    pub fn is_output(&self, id: NodeId) -> bool {
        self.output_positions.contains_key(&id)
    }

    /// The inputs in the order in which they were added.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// The results in the order in which they were named.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The data of a constant operator.
    ///
    /// # Panics
    /// If no living node of this graph holds the id.
    pub fn tensor(&self, id: ConstantId) -> &Arc<Tensor> {
        &self.constants[&id.0]
    }

    /// The data of a node, if that node is a constant.
    pub fn constant_of(&self, id: NodeId) -> Option<&Arc<Tensor>> {
        match self.node(id).op {
            Op::Constant(c) => self.constants.get(&c.0),
            _ => None,
        }
    }

    /// The data of a node, if that node is a constant of f32.
    pub fn f32_constant_of(&self, id: NodeId) -> Option<&Arc<Tensor>> {
        self.constant_of(id).filter(|tensor| tensor.dtype() == DType::F32)
    }

    /// The living nodes in index order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.dag.node_indices().map(NodeId)
    }

    /// The number of living nodes.
    pub fn len(&self) -> usize {
        self.dag.node_count()
    }

    /// Whether the graph has no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a value depends on itself. Never true unless a rewrite was wrong.
    pub fn is_cyclic(&self) -> bool {
        // `is_cyclic_directed` recurses as deep as the graph.
        petgraph::algo::toposort(&self.dag, None).is_err()
    }

    /// All nodes, each after its operands: the inputs, then depth first from each output, operands
    /// in order, then nodes that no output needs. Deterministic, and not recursive.
    pub fn topo(&self) -> Vec<NodeId> {
        let mut order = self.inputs.clone();
        let mut seen: HashSet<NodeId> = order.iter().copied().collect();
        let roots = self.outputs.iter().map(|o| o.node).chain(self.nodes());
        // An output that is not a node of this graph is for the verifier to report.
        for root in roots.filter(|&n| self.contains(n)) {
            // (node, its operands, how many of them are done)
            let mut stack = Vec::new();
            if seen.insert(root) {
                stack.push((root, self.operands(root), 0));
            }
            while let Some((node, operands, next)) = stack.last_mut() {
                match operands.get(*next) {
                    Some(&operand) => {
                        *next += 1;
                        if seen.insert(operand) {
                            stack.push((operand, self.operands(operand), 0));
                        }
                    }
                    None => {
                        order.push(*node);
                        stack.pop();
                    }
                }
            }
        }
        order
    }

    /// Sets the layout mark of a value.
    pub(crate) fn set_layout(&mut self, id: NodeId, layout: Layout) {
        self.dag[id.0].ty.layout = layout;
    }

    /// Makes every use of `old` a use of `new`, except uses by the nodes in `except`. Returns the
    /// users that read `new` now.
    pub(crate) fn redirect(&mut self, old: NodeId, new: NodeId, except: &[NodeId]) -> Vec<NodeId> {
        let moved = self.redirect_users(old, new, |user| !except.contains(&user));
        let positions = self.output_positions.remove(&old).unwrap_or_default();
        for &position in &positions {
            self.outputs[position].node = new;
        }
        if !positions.is_empty() {
            self.output_positions.entry(new).or_default().extend(positions);
        }
        moved
    }

    /// Makes every use of `old` by a node that `is_moved` a use of `new`; outputs stay. Returns these
    /// nodes.
    pub(crate) fn redirect_users(
        &mut self,
        old: NodeId,
        new: NodeId,
        is_moved: impl Fn(NodeId) -> bool,
    ) -> Vec<NodeId> {
        let moved: Vec<_> = self
            .dag
            .edges_directed(old.0, Direction::Outgoing)
            .filter(|e| is_moved(NodeId(e.target())))
            .map(|e| (e.id(), e.target(), *e.weight()))
            .collect();
        for &(edge, user, port) in &moved {
            self.dag.remove_edge(edge);
            self.dag.add_edge(new.0, user, port);
        }
        moved.into_iter().map(|(_, user, _)| NodeId(user)).collect()
    }

    /// Removes `root` if nothing uses it, then its operands likewise. Inputs stay. Returns the
    /// removed nodes.
    pub(crate) fn remove_unused(&mut self, root: NodeId) -> Vec<(NodeId, Node)> {
        let mut removed = Vec::new();
        let mut work = vec![root];
        while let Some(id) = work.pop() {
            if !self.contains(id) || self.is_output(id) || self.node(id).op == Op::Input {
                continue;
            }
            if self.has_users(id) {
                continue;
            }
            work.extend(self.operands(id));
            if let Some(node) = self.dag.remove_node(id.0) {
                if let Op::Constant(c) = &node.op {
                    self.constants.remove(&c.0);
                }
                removed.push((id, node));
            }
        }
        removed
    }

    /// Removes every node that no output needs; inputs stay. Returns the number of removed nodes.
    pub fn remove_dead(&mut self) -> usize {
        let unused: Vec<NodeId> = self.nodes().filter(|&n| !self.has_users(n)).collect();
        unused.into_iter().map(|n| self.remove_unused(n).len()).sum()
    }
}
