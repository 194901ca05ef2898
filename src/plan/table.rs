//! The plan as text: totals, then one line per value.

use std::collections::HashMap;
use std::fmt::Write as _;

use resnetc_ir::{Graph, NodeId};

use super::{Buffer, Plan};
use crate::one_line::one_line;

/// The longest name that is shown.
const LONGEST: usize = 400;

/// What `resnetc dump --stage plan` prints. Sizes and offsets are in bytes; a lifetime is the first
/// and the last step.
pub fn table(graph: &Graph, plan: &Plan) -> String {
    let mut out = String::new();
    let share = plan.peak as f64 / plan.lower_bound.max(1) as f64;
    let _ = writeln!(out, "peak        {:>12} bytes", plan.peak);
    let _ = writeln!(out, "lower bound {:>12} bytes (peak is {share:.3} of it)", plan.lower_bound);
    let (steps, buffers) = (plan.steps.len(), plan.buffers.len());
    let views = plan.steps.iter().filter(|step| step.is_view).count();
    let _ = match views {
        0 => writeln!(out, "steps {steps}, buffers {buffers}"),
        _ => writeln!(
            out,
            "steps {}, views {views} (numbered alike), buffers {buffers}",
            steps - views
        ),
    };
    let _ = writeln!(out, "{:>5} {:>12} {:>12} {:>13}  value", "step", "offset", "bytes", "live");
    let live = live_intervals(plan);
    let line = |step: &str, node: NodeId, note: &str| {
        let live = live.get(&node).map_or(String::new(), |(from, to)| format!("{from}..{to}"));
        line(graph, plan, step, node, &live, note)
    };
    for &input in graph.inputs() {
        let _ = writeln!(out, "{}", line("", input, "input"));
    }
    for (i, step) in plan.steps.iter().enumerate() {
        let note = match (step.in_place, step.is_view) {
            (Some(operand), _) => format!("in place of {operand}"),
            (None, true) => "view".to_owned(),
            (None, false) => String::new(),
        };
        let _ = writeln!(out, "{}", line(&i.to_string(), step.node, &note));
        let published = step.published.iter().map(|(fact, buffer)| (*buffer, fact.name()));
        for (buffer, what) in step.scratch.map(|b| (b, "scratch")).into_iter().chain(published) {
            if let Some(buffer) = plan.buffers.get(buffer) {
                let live = format!("{}..{}", buffer.live.0, buffer.live.1);
                let Buffer { offset, bytes, .. } = buffer;
                let _ = writeln!(out, "{i:>5} {offset:>12} {bytes:>12} {live:>13}  {what}");
            }
        }
    }
    out
}

/// The live interval of each value's buffer.
fn live_intervals(plan: &Plan) -> HashMap<NodeId, (usize, usize)> {
    let of_buffer = |b: &Buffer| b.values.iter().map(|&value| (value, b.live)).collect::<Vec<_>>();
    plan.buffers.iter().flat_map(of_buffer).collect()
}

fn line(graph: &Graph, plan: &Plan, step: &str, node: NodeId, live: &str, note: &str) -> String {
    let (n, place) = (graph.node(node), &plan.places[&node]);
    let halo = if place.geometry.is_dense() { "" } else { " +halo" };
    let text = format!(
        "{step:>5} {:>12} {:>12} {live:>13}  {node} {} {}{halo} \"{}\" {note}",
        place.offset,
        place.geometry.bytes(),
        n.op.name(),
        n.ty,
        one_line(&n.name, LONGEST)
    );
    text.trim_end().to_owned()
}
