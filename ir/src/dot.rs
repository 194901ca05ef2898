//! A graph as a drawing, in the language of Graphviz.

use std::fmt::Write;

use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::text::attributes;

/// The graph in the DOT language: one box per value, an edge from each operand to its user, outputs
/// as ellipses.
///
/// A constant does not get its own box: it is a line in the label of each of its users, unless it
/// is an output or has no user. Ids are those of [`NodeId`], as in messages.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph {\n  node [shape=box, fontname=\"monospace\"];\n");
    for id in graph.topo().into_iter().filter(|&id| !is_collapsed(graph, id)) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "  n{} [label={}];", id.index(), quote(&label(graph, id)));
        let operands = graph.operands(id);
        for (position, operand) in operands.iter().enumerate() {
            if !is_collapsed(graph, *operand) {
                let mark = edge_attributes(&graph.node(id).op, position);
                let _ = writeln!(text, "  n{} -> n{}{mark};", operand.index(), id.index());
            }
        }
    }
    for (i, output) in graph.outputs().iter().enumerate() {
        let _ = writeln!(
            text,
            "  out{i} [shape=ellipse, label={}];",
            quote(&on_one_line(&output.name))
        );
        let _ = writeln!(text, "  n{} -> out{i};", output.node.index());
    }
    text.push_str("}\n");
    text
}

fn is_collapsed(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op, Op::Constant(_)) && !graph.is_output(id) && graph.has_users(id)
}

/// The lines of a node's box: operator, attributes, name, type, constant operands.
fn label(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let mut lines = vec![format!("{id} {}", node.op.name())];
    let more = [attributes(&node.op), on_one_line(&node.name), node.ty.to_string()];
    lines.extend(more.into_iter().filter(|line| !line.is_empty()));
    for (position, operand) in graph.operands(id).into_iter().enumerate() {
        if is_collapsed(graph, operand) {
            let constant = graph.node(operand);
            lines.push(format!(
                "operand {position}: {} {}",
                constant.ty,
                on_one_line(&constant.name)
            ));
        }
    }
    lines.join("\n")
}

/// Marks a shortcut, the edge that readers of a residual network look for.
fn edge_attributes(op: &Op, position: usize) -> &'static str {
    match op {
        Op::Conv(conv) if conv.residual_operand() == Some(position) => {
            " [style=dashed, label=\"residual\"]"
        }
        Op::Conv(conv) if conv.projected_operand() == Some(position) => {
            " [style=dashed, label=\"projected\"]"
        }
        _ => "",
    }
}

/// A name with its control characters escaped, line breaks among them.
fn on_one_line(name: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escaped).collect()
}

/// A quoted string; every line of it is left-aligned.
fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let lines: Vec<&str> = escaped.lines().collect();
    format!("\"{}\\l\"", lines.join("\\l"))
}
