//! Computes at compile time what depends on constants only, with the interpreter: in f64, rounded to f32 once.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [1, 3] "scale"
//! %2 = constant [2] "half"
//! %3 = div(%1, %2) "quotient"
//! %4 = reshape(%3) shape=[2, 1, 1] "per channel"
//! %5 = mul(%0, %4) "mul"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.5, 1.5] : f32[2, 1, 1] "per channel"
//! %2 = mul(%0, %1) : f32[1, 2, 4, 4] "mul"
//! output "y" = %2
//! ```

use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::{Graph, NodeId, Patch};

use super::Pass;
use super::remarks::{NearMisses, describe};

/// Switched off by the name `fold_constants`.
pub const PASS: Pass = Pass {
    name: "fold_constants",
    doc: "compute operators of constant operands at compile time",
    sweep: |_| Box::new(rewrite),
};

/// No constant of more elements is made.
const MAX_ELEMENTS: usize = 64 << 20;

/// Results this small are folded even if they are many times larger than their operands.
const ALWAYS: usize = 1 << 16;

/// A larger result than this many times its operands costs more to store than to compute.
const MAX_GROWTH: usize = 4;

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let operands = graph.operands(node);
    if operands.is_empty() {
        return None;
    }
    let constants: Option<Vec<_>> = operands.iter().map(|&o| graph.constant_of(o)).collect();
    let constants = constants?;
    let given: usize = constants.iter().map(|t| t.elements()).sum();
    let made = graph.node(node).ty.elements();
    if made > MAX_ELEMENTS || made > ALWAYS && made / MAX_GROWTH > given {
        near.note(graph, node, format!("its {made} elements are too many for a constant"));
        return None;
    }
    let values: Vec<Value> = constants.iter().map(|t| Value::from(&***t)).collect();
    let value = eval_node(&graph.node(node).op, &values.iter().collect::<Vec<_>>());
    let tensor = match value.map(|v| v.to_tensor()) {
        Ok(Some(tensor)) => tensor,
        Ok(None) => return None,
        Err(error) => {
            near.note(graph, node, error.to_string());
            return None;
        }
    };
    let mut patch = Patch::new(format!("compute {}", describe(graph, node)));
    let folded = patch.constant(graph.node(node).name.clone(), tensor);
    patch.replace(node, folded);
    Some(patch)
}
