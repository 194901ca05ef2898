//! Removes operators and constants that no output needs. Inputs stay: they are part of the
//! network's interface.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 4] "x"
//! %1 = constant [1, 2, 3, 4] "unused.bias"
//! %2 = add(%0, %1) "unused"
//! %3 = relu(%0) "relu"
//! output "y" = %3
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 4] "x"
//! %1 = relu(%0) : f32[1, 4] "relu"
//! output "y" = %1
//! ```

use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::operators;
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `dead_code`.
pub const PASS: Pass = Pass {
    name: "dead_code",
    doc: "remove operators and constants that no output needs",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let used = graph.is_output(node) || graph.has_users(node);
    if used || graph.node(node).op == Op::Input {
        return None;
    }
    let mut patch = Patch::new(format!("remove {}", describe(graph, node)));
    // A replaced node is removed once nothing uses it, and so are its operands. Nothing uses this
    // node.
    patch.replace(node, node);
    Some(patch)
}
