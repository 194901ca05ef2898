//! Gives every next value of an input the form of an update: a function of the input's elements, one
//! by one. Required: the planner computes it in the input's place.
//!
//! A value that is computed otherwise is copied there, once everything has read the input.
//!
//! Before:
//! ```text
//! %0 = input : f32[2] "x"
//! %1 = input : f32[2] "state"
//! output "state" = %0 next_of(%1)
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[2] "x"
//! %1 = input : f32[2] "state"
//! %2 = pointwise(%0, %1) steps=[where/1/x0/x1] results=[s0] : f32[2] "state"
//! output "state" = %2 next_of(%1)
//! ```

use resnetc_ir::expression::{Expression, Step, Term};
use resnetc_ir::{Graph, Layout, NodeId, Op, Patch};

use super::Pass;
use super::fused::function;
use super::measure::Measure;
use super::near_misses::NearMisses;

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "update_in_place",
    doc: "copy next values of state that are no update of it",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Next values that are no update.
fn remaining(graph: &Graph) -> Measure {
    let outputs = graph.outputs().iter();
    let copied = outputs.filter(|o| o.next_of.is_some_and(|input| !updates(graph, o.node, input)));
    [copied.count() as u64, 0, 0]
}

/// Whether a value is an update of an input, and the next value of no other.
fn updates(graph: &Graph, value: NodeId, input: NodeId) -> bool {
    let outputs = graph.outputs().iter().filter(|output| output.node == value);
    function(graph, value).is_some()
        && graph.operands(value).contains(&input)
        && graph.node(value).ty.layout == Layout::Planar
        && graph.node(value).ty == graph.node(input).ty
        && outputs.count() == 1
}

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let mut outputs = graph.outputs().iter().filter(|output| output.node == node);
    let input = outputs.find_map(|o| o.next_of.filter(|&input| !updates(graph, node, input)))?;
    let name = &graph.node(input).name;
    let mut patch = Patch::new(format!("copy the next value of {name}"));
    let [one, new, old] = [Term::Number(1.0), Term::Operand(0), Term::Operand(1)];
    let copy =
        Expression { steps: vec![Step::Where([one, new, old])], results: vec![Term::Step(0)] };
    let copied = patch.add(name, Op::Pointwise(copy), &[node.into(), input.into()]);
    patch.carry(input, copied);
    Some(patch)
}
