//! The invariants of a graph, and the check of each.
//!
//! 1. No value depends on itself.
//! 2. The operand positions of a node are 0, 1, 2, ... without a gap or a repetition; inputs and
//!    constants have none.
//! 3. The shape and the element type of a node are those that [`infer`] gives for its operator and
//!    operands.
//! 4. Every value keeps the limits of [`check_type`]: element type, rank, extents of at least 1,
//!    number of elements.
//! 5. Only values of rank 2 and 4 have a blocked layout.
//! 6. The layout of a reorder's result is the one that the reorder names.
//! 7. Inputs and constants are planar: their elements come from outside, where there are no blocked
//!    layouts.
//! 8. Every constant has data, and its type is that of its data.
//! 9. The list of inputs and the input operators of the graph are the same, each once.
//! 10. There is at least one output, and every output is a node of the graph.
//! 11. State is an input, and its next value has its shape and element type; no input has two.
//!
//! A pass may rely on all of them and must preserve all of them. A graph that satisfies them can be
//! evaluated and compiled without further checks.

use std::collections::HashSet;
use std::fmt;

use crate::graph::{Graph, NodeId};
use crate::infer::{check_type, infer};
use crate::op::Op;
use crate::ty::{Layout, TensorType};

/// One broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The number of the invariant in the documentation of this module.
    pub invariant: u8,
    /// Where it is broken: `%12 conv "layer1.0.conv1"`, or `graph` for the graph as a whole.
    pub location: String,
    /// How it is broken.
    pub message: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (invariant {})", self.location, self.message, self.invariant)
    }
}

impl std::error::Error for VerifyError {}

/// Every broken invariant of a graph, at least one. Prints one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyErrors(pub Vec<VerifyError>);

impl fmt::Display for VerifyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(VerifyError::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for VerifyErrors {}

/// Checks every invariant of the graph.
///
/// # Errors
/// If any is broken: all broken invariants, each with its number and location, those of the whole
/// graph first, then node by node.
pub fn verify(graph: &Graph) -> Result<(), VerifyErrors> {
    let mut check = Check { graph, errors: Vec::new() };
    check.acyclic();
    check.inputs();
    check.outputs();
    for id in graph.nodes() {
        check.positions(id);
        check.result_type(id);
        check.limits(id);
        check.layout(id);
        check.constant(id);
    }
    if check.errors.is_empty() { Ok(()) } else { Err(VerifyErrors(check.errors)) }
}

struct Check<'a> {
    graph: &'a Graph,
    errors: Vec<VerifyError>,
}

impl Check<'_> {
    fn report(&mut self, invariant: u8, location: String, message: impl Into<String>) {
        self.errors.push(VerifyError { invariant, location, message: message.into() });
    }

    fn report_at(&mut self, invariant: u8, id: NodeId, message: impl Into<String>) {
        let node = self.graph.node(id);
        self.report(invariant, format!("{id} {} \"{}\"", node.op.name(), node.name), message);
    }

    fn acyclic(&mut self) {
        if self.graph.is_cyclic() {
            self.report(1, "graph".into(), "a value depends on itself");
        }
    }

    fn inputs(&mut self) {
        let listed = self.graph.inputs();
        for (position, &id) in listed.iter().enumerate() {
            if !self.graph.contains(id) {
                self.report(
                    9,
                    format!("input {position}"),
                    format!("{id} is not a node of the graph"),
                );
            } else if self.graph.node(id).op != Op::Input {
                self.report_at(9, id, "is listed as an input but is not one");
            } else if listed[..position].contains(&id) {
                self.report_at(9, id, "is listed as an input twice");
            }
        }
        for id in self.graph.nodes() {
            if self.graph.node(id).op == Op::Input && !listed.contains(&id) {
                self.report_at(9, id, "is not listed as an input");
            }
        }
    }

    fn outputs(&mut self) {
        if self.graph.outputs().is_empty() {
            self.report(10, "graph".into(), "there is no output");
        }
        for output in self.graph.outputs() {
            if !self.graph.contains(output.node) {
                let location = format!("output {:?}", output.name);
                self.report(10, location, format!("{} is not a node of the graph", output.node));
            }
        }
        self.state();
    }

    fn state(&mut self) {
        let mut carried = HashSet::new();
        for output in self.graph.outputs() {
            let Some(input) = output.next_of else { continue };
            let location = format!("output {:?}", output.name);
            if !self.graph.inputs().contains(&input) {
                self.report(11, location, format!("is the next value of {input}, no input"));
                continue;
            }
            let is_alike = self.graph.contains(output.node) && {
                let [from, to] = [input, output.node].map(|id| &self.graph.node(id).ty);
                (&from.shape, from.dtype) == (&to.shape, to.dtype)
            };
            if !is_alike {
                let message = format!("has another type than {input}, whose next value it is");
                self.report(11, location, message);
            } else if !carried.insert(input) {
                self.report(11, location, format!("is a second next value of {input}"));
            }
        }
    }

    fn positions(&mut self, id: NodeId) {
        let count = self.graph.operands(id).len();
        if !self.graph.node(id).op.is_computed() {
            if count > 0 {
                self.report_at(2, id, format!("has {count} operands but takes none"));
            }
        } else if let Some(gap) = (0..count).find(|&i| self.graph.operand(id, i).is_none()) {
            self.report_at(2, id, format!("has {count} operands but none at position {gap}"));
        }
    }

    fn result_type(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        if !node.op.is_computed() {
            return;
        }
        let operands = self.graph.operands(id);
        let types: Vec<&TensorType> = operands.iter().map(|&o| &self.graph.node(o).ty).collect();
        match infer(&node.op, &types) {
            Ok(ty) if ty.shape == node.ty.shape && ty.dtype == node.ty.dtype => {}
            Ok(ty) => {
                let made = ty.to_planar();
                self.report_at(3, id, format!("is {}, but its operands make it {made}", node.ty));
            }
            Err(error) => self.report_at(3, id, error.to_string()),
        }
    }

    fn limits(&mut self, id: NodeId) {
        if let Err(error) = check_type(&self.graph.node(id).ty) {
            self.report_at(4, id, error.to_string());
        }
    }

    fn layout(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let (layout, rank) = (node.ty.layout, node.ty.shape.len());
        if layout == Layout::Blocked && rank != 2 && rank != 4 {
            self.report_at(5, id, format!("has a blocked layout and rank {rank}"));
        }
        match node.op {
            Op::Reorder(named) if named != layout => {
                self.report_at(
                    6,
                    id,
                    format!("names the layout {named}, but its type is {}", node.ty),
                );
            }
            Op::Input | Op::Constant(_) if layout != Layout::Planar => {
                self.report_at(7, id, format!("is {}, not planar", node.ty));
            }
            _ => {}
        }
    }

    fn constant(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        if !matches!(node.op, Op::Constant(_)) {
            return;
        }
        match self.graph.constant_of(id) {
            None => self.report_at(8, id, "has no data"),
            Some(tensor) if tensor.ty() != node.ty.to_planar() => {
                self.report_at(8, id, format!("is {}, but its data is {}", node.ty, tensor.ty()));
            }
            Some(_) => {}
        }
    }
}
