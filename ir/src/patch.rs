//! A labelled rewrite: new nodes, and which old values they replace.
//!
//! A pass only proposes a patch. [`Graph::apply`] refuses it as a whole if a new node does not
//! type-check or if a replacement would change a shape or the type of elements, so a wrong rewrite
//! fails where it was written.

use std::sync::Arc;

use crate::graph::{Graph, GraphError, Node, NodeId};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::ty::{Layout, TensorType};

/// A value inside a patch: either in the graph already, or added by the patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A node of the graph.
    Old(NodeId),
    /// The n-th node that the patch adds.
    New(usize),
}

impl From<NodeId> for Value {
    fn from(node: NodeId) -> Self {
        Value::Old(node)
    }
}

#[derive(Clone, Debug)]
enum Addition {
    Constant { name: String, tensor: Arc<Tensor> },
    Op { name: String, op: Box<Op>, operands: Vec<Value> },
}

/// A proposed change of a graph.
#[derive(Clone, Debug)]
pub struct Patch {
    label: String,
    additions: Vec<Addition>,
    replacements: Vec<(NodeId, Value)>,
    rereads: Vec<(NodeId, NodeId, Value)>,
    layouts: Vec<(Value, Layout)>,
    carried: Vec<(NodeId, Value)>,
}

/// Why a patch was refused. The graph is unchanged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PatchError {
    /// A new node does not type-check.
    #[error("patch {label:?}: {error}")]
    Type {
        /// The patch's label.
        label: String,
        /// The type error.
        error: GraphError,
    },
    /// A replacement has another shape, or elements of another type, than what it replaces.
    #[error("patch {label:?}: {node} is {old}, but its replacement is {new}")]
    Replaced {
        /// The patch's label.
        label: String,
        /// The node to be replaced.
        node: NodeId,
        /// Its type.
        old: TensorType,
        /// The type of the replacement.
        new: TensorType,
    },
}

impl Patch {
    /// An empty patch. The label says in a few words what the patch does to which node.
    pub fn new(label: impl Into<String>) -> Self {
        Patch {
            label: label.into(),
            additions: Vec::new(),
            replacements: Vec::new(),
            rereads: Vec::new(),
            layouts: Vec::new(),
            carried: Vec::new(),
        }
    }

    /// The label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: impl Into<String>, tensor: impl Into<Arc<Tensor>>) -> Value {
        self.push(Addition::Constant { name: name.into(), tensor: tensor.into() })
    }

    /// Adds an operator.
    pub fn add(&mut self, name: impl Into<String>, op: Op, operands: &[Value]) -> Value {
        self.push(Addition::Op { name: name.into(), op: Box::new(op), operands: operands.to_vec() })
    }

    fn push(&mut self, addition: Addition) -> Value {
        self.additions.push(addition);
        Value::New(self.additions.len() - 1)
    }

    /// Makes every use of `old` a use of `new`, except uses by this patch's own nodes. Nodes that
    /// are then unused are removed, and so are operands that only they used.
    pub fn replace(&mut self, old: NodeId, new: impl Into<Value>) {
        self.replacements.push((old, new.into()));
    }

    /// Makes every use of `old` by one of the graph's nodes a use of `new`.
    pub fn replace_in(&mut self, reader: NodeId, old: NodeId, new: impl Into<Value>) {
        self.rereads.push((reader, old, new.into()));
    }

    /// Makes a value the next one of an input that has a next value ([`Graph::carry`]).
    pub fn carry(&mut self, input: NodeId, next: impl Into<Value>) {
        self.carried.push((input, next.into()));
    }

    /// Sets the layout mark of a value.
    pub fn set_layout(&mut self, node: impl Into<Value>, layout: Layout) {
        self.layouts.push((node.into(), layout));
    }
}

/// The changes that a patch made to the nodes of a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The nodes that the patch added and that are still alive, in order of addition.
    pub added: Vec<NodeId>,
    /// The nodes that were removed as unused, users before their operands. Their ids may be reused
    /// for new nodes later.
    pub removed: Vec<(NodeId, Node)>,
    /// The replaced nodes, each with its replacement.
    pub replaced: Vec<(NodeId, NodeId)>,
    /// The nodes that read a replacement and are still alive. Other nodes keep their operands.
    pub redirected: Vec<NodeId>,
}

impl Graph {
    /// Applies a patch, whole or not at all, and returns what was added and removed.
    ///
    /// # Errors
    /// If a new node does not type-check, or a replacement changes a shape or the type of elements.
    pub fn apply(&mut self, patch: Patch) -> Result<Change, PatchError> {
        let mut added: Vec<NodeId> = Vec::with_capacity(patch.additions.len());
        if let Err(error) = self.add_and_check(&patch, &mut added) {
            for &node in added.iter().rev() {
                self.remove_unused(node);
            }
            return Err(error);
        }
        for &(input, next) in &patch.carried {
            self.carry_other(input, resolve(next, &added));
        }
        for &(value, layout) in &patch.layouts {
            self.set_layout(resolve(value, &added), layout);
        }
        let replaced: Vec<(NodeId, NodeId)> =
            patch.replacements.iter().map(|&(old, new)| (old, resolve(new, &added))).collect();
        let mut redirected = Vec::new();
        for &(reader, old, new) in &patch.rereads {
            let new = resolve(new, &added);
            redirected.extend(self.redirect_users(old, new, |user| user == reader));
        }
        for &(old, new) in &replaced {
            redirected.extend(self.redirect(old, new, &added));
        }
        let mut removed = Vec::new();
        for &(old, _) in &replaced {
            removed.extend(self.remove_unused(old));
        }
        added.retain(|&n| self.contains(n));
        redirected.retain(|&n| self.contains(n));
        Ok(Change { added, removed, replaced, redirected })
    }

    fn add_and_check(&mut self, patch: &Patch, added: &mut Vec<NodeId>) -> Result<(), PatchError> {
        for addition in &patch.additions {
            let node = match addition {
                Addition::Constant { name, tensor } => {
                    self.constant(name.clone(), Arc::clone(tensor))
                }
                Addition::Op { name, op, operands } => {
                    let operands: Vec<NodeId> =
                        operands.iter().map(|&v| resolve(v, added)).collect();
                    self.add(name.clone(), Op::clone(op), &operands)
                        .map_err(|error| PatchError::Type { label: patch.label.clone(), error })?
                }
            };
            added.push(node);
        }
        let rereads = patch.rereads.iter().map(|&(_, old, new)| (old, new));
        for (old, new) in patch.replacements.iter().copied().chain(rereads) {
            let (before, after) =
                (self.node(old).ty.to_planar(), self.node(resolve(new, added)).ty.to_planar());
            if before != after {
                let label = patch.label.clone();
                return Err(PatchError::Replaced { label, node: old, old: before, new: after });
            }
        }
        Ok(())
    }
}

fn resolve(value: Value, added: &[NodeId]) -> NodeId {
    match value {
        Value::Old(node) => node,
        Value::New(index) => added[index],
    }
}
