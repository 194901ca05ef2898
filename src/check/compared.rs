//! A value as computed by the compiled code and by the interpreter.

use resnetc_ir::{Graph, NodeId};
use serde::Serialize;

use super::{Classes, Difference};

/// One value that was compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The node's name, or the output's.
    pub name: String,
    /// The operator's name.
    pub op: &'static str,
    /// The value's shape.
    pub shape: Vec<usize>,
    /// How far it is from the interpreter's value.
    #[serde(flatten)]
    pub difference: Difference,
    /// Whether the same classes rank first, if it is an output that looks like scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
}

impl Compared {
    pub(super) fn of_node(graph: &Graph, node: NodeId, difference: Difference) -> Self {
        let n = graph.node(node);
        let (name, op, shape) = (n.name.clone(), n.op.name(), n.ty.shape.clone());
        Compared { name, op, shape, difference, classes: None }
    }
}
