//! The part of a model that the requested outputs need: nodes, in order, and inputs. Nothing else
//! is checked.

use std::collections::HashSet;

use super::functions::{BodyStep, inline};
use super::inputs::{self, InputInfo};
use super::order::order;
use super::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::import::error::{ImportError, ImportErrorKind};
use crate::import::limits;

/// The needed part of a model.
pub(super) struct Needed<'a> {
    /// The outputs, in the order in which they were requested.
    pub(super) outputs: Vec<&'a ValueInfoProto>,
    /// Whether all outputs are needed.
    is_all: bool,
    steps: Vec<BodyStep>,
    /// The indices of the needed steps.
    order: Vec<usize>,
}

impl<'a> Needed<'a> {
    /// What the outputs of these names need; without names, what all outputs need.
    pub(super) fn of(
        model: &'a ModelProto,
        graph: &'a GraphProto,
        opset: i64,
        names: &[String],
    ) -> Result<Self, ImportError> {
        if graph.output.is_empty() {
            return Err(ImportError::invalid("graph", "it has no outputs"));
        }
        let outputs = match names {
            [] => graph.output.iter().collect(),
            names => chosen(graph, names)?,
        };
        let steps = inline(model, opset)?;
        if steps.len() > limits::NODES {
            return Err(ImportError::too_many_nodes());
        }
        let order = order(graph, &steps, &outputs)?;
        Ok(Needed { outputs, is_all: names.is_empty(), steps, order })
    }

    /// The nodes, each after those that compute its operands.
    pub(super) fn steps(&self) -> impl Iterator<Item = &BodyStep> {
        self.order.iter().map(|&i| &self.steps[i])
    }

    /// All names that a needed node or the caller reads. An empty name is not a value: it stands
    /// for an operand or a result that is left out.
    pub(super) fn names(&self) -> HashSet<&str> {
        let operands = self.steps().flat_map(|step| &step.node.input).map(String::as_str);
        let operands = operands.filter(|name| !name.is_empty());
        operands.chain(self.outputs.iter().map(|o| o.name())).collect()
    }

    /// The inputs: all declared ones, or those that the chosen outputs need.
    pub(super) fn inputs(&self, graph: &GraphProto) -> Result<Vec<InputInfo>, ImportError> {
        let names = self.names();
        inputs::describe(graph, |name| self.is_all || names.contains(name))
    }
}

fn chosen<'a>(
    graph: &'a GraphProto,
    names: &[String],
) -> Result<Vec<&'a ValueInfoProto>, ImportError> {
    let mut outputs: Vec<&ValueInfoProto> = Vec::with_capacity(names.len());
    for name in names {
        let Some(output) = graph.output.iter().find(|o| o.name() == name) else {
            let known = graph.output.iter().map(|o| o.name().to_owned()).collect();
            return Err(ImportErrorKind::UnknownOutput { name: name.clone(), known }.into());
        };
        if outputs.iter().any(|other| other.name() == name) {
            let place = format!("output \"{name}\"");
            return Err(ImportError::conflict(place, "it is requested twice"));
        }
        outputs.push(output);
    }
    Ok(outputs)
}
