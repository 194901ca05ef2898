//! Which side of each jump the interpreter takes, and its results with these choices.

use std::collections::BTreeMap;
use std::sync::Arc;

use resnetc_ir::eval::Value;
use resnetc_ir::memory::NoMemory;
use resnetc_ir::{Graph, NodeId};

use super::sides::Jump;
use crate::passes::Origins;

/// The interpreter's choices at the jumps of a graph after the passes, by node of the graph before
/// them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Choices(BTreeMap<NodeId, Arc<Value>>);

impl Choices {
    /// Records the value of a jump of a scheduled graph for the jumps of the described graph that
    /// it replaces.
    pub(super) fn note(
        &mut self,
        described: &Graph,
        origins: &Origins,
        node: NodeId,
        value: &Value,
    ) -> Result<(), NoMemory> {
        let value = Arc::new(value.copy()?);
        for origin in origins.of(node).filter(|&o| described.contains(o)) {
            let found = described.node(origin);
            if Jump::of(&found.op).is_some() && found.ty.shape == value.shape {
                self.0.insert(origin, Arc::clone(&value));
            }
        }
        Ok(())
    }

    /// The value chosen at a jump of the described graph.
    pub(super) fn at(&self, node: NodeId) -> Option<&Arc<Value>> {
        self.0.get(&node)
    }
}

/// The interpreter's results for the graph before any pass, with these choices at jumps.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) choices: Choices,
    pub(super) outputs: Arc<[Value]>,
}
