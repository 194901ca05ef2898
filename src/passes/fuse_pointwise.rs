//! Fuses functions of single elements into one that reads and writes each element once.
//!
//! A function is fused into its only reader if both have the same shape, and into several readers if
//! they would read no more values of that size. Constants of one element become numbers of the
//! expression.
//!
//! Before:
//! ```text
//! %0 = input : f32[2, 3, 4, 4] "x"
//! %1 = input : f32[1, 3, 1, 1] "mean"
//! %2 = sub(%0, %1) "centred"
//! %3 = constant [0.5] : f32[] "half"
//! %4 = mul(%2, %3) "scaled"
//! %5 = relu(%4) "act"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[2, 3, 4, 4] "x"
//! %1 = input : f32[1, 3, 1, 1] "mean"
//! %2 = pointwise(%0, %1) steps=[sub/x0/x1, mul/s0/0.5, relu/s1] results=[s2] : f32[2, 3, 4, 4] "act"
//! output "y" = %2
//! ```

use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::fused::{Fused, MAX_OPERANDS, depth_of_reads, function, is_inlined};
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `fuse_pointwise`.
pub const PASS: Pass = Pass {
    name: "fuse_pointwise",
    doc: "fuse functions of single elements into one",
    sweep: |_| Box::new(rewrite),
    measure: Some(depth_of_reads),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let mut fused = Fused::of(graph, node)?;
    let mut count = 0;
    for operand in graph.operands(node) {
        let is_alike = graph.node(operand).ty == graph.node(node).ty;
        if !is_alike || function(graph, operand).is_none() {
            continue;
        }
        if !is_inlined(graph, operand) {
            near.note(
                graph,
                node,
                format!("{} is stored for another reader", describe(graph, operand)),
            );
            continue;
        }
        match fused.with(graph, operand) {
            Some(larger) => (fused, count) = (larger, count + 1),
            None => near.note(
                graph,
                node,
                format!(
                    "with {} it would read more than {MAX_OPERANDS} values",
                    describe(graph, operand)
                ),
            ),
        }
    }
    if count == 0 {
        return None;
    }
    let mut patch = Patch::new(format!("fuse {count} functions into {}", describe(graph, node)));
    let name = graph.node(node).name.clone();
    let operands: Vec<Value> = fused.operands.iter().map(|&o| o.into()).collect();
    let function = patch.add(name, Op::Pointwise(fused.expression), &operands);
    patch.replace(node, function);
    Some(patch)
}
