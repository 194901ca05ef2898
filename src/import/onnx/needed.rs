//! The part of a model that the requested outputs need: nodes, in order, and inputs. Nothing else
//! is checked.

use std::collections::{HashMap, HashSet};

use super::functions::{BodyStep, inline};
use super::inputs::{self, InputInfo};
use super::order::order;
use super::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::import::error::ImportError;
use crate::import::limits;
use crate::import::named::{Candidate, find};

/// A value that the caller reads.
pub(super) struct Output<'a> {
    /// As it was requested.
    pub(super) name: String,
    /// The name of the value in the file.
    pub(super) value: String,
    /// What the file declares, if the value is one of its outputs.
    pub(super) declared: Option<&'a ValueInfoProto>,
}

impl<'a> Output<'a> {
    fn declared(output: &'a ValueInfoProto) -> Self {
        let name = output.name().to_owned();
        Output { value: name.clone(), name, declared: Some(output) }
    }
}

/// The needed part of a model.
pub(super) struct Needed<'a> {
    /// The outputs, in the order in which they were requested.
    pub(super) outputs: Vec<Output<'a>>,
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
        let steps = inline(model, opset)?;
        if steps.len() > limits::NODES {
            return Err(ImportError::too_many_nodes());
        }
        let outputs = match names {
            [] => graph.output.iter().map(Output::declared).collect(),
            names => chosen(graph, &steps, names)?,
        };
        let values: Vec<&str> = outputs.iter().map(|o| o.value.as_str()).collect();
        let order = order(graph, &steps, &values)?;
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
        operands.chain(self.outputs.iter().map(|o| o.value.as_str())).collect()
    }

    /// The inputs: all declared ones, or those that the chosen outputs need.
    pub(super) fn inputs(&self, graph: &GraphProto) -> Result<Vec<InputInfo>, ImportError> {
        let names = self.names();
        inputs::describe(graph, |name| self.is_all || names.contains(name))
    }
}

fn chosen<'a>(
    graph: &'a GraphProto,
    steps: &[BodyStep],
    names: &[String],
) -> Result<Vec<Output<'a>>, ImportError> {
    let mut outputs: Vec<Output<'a>> = Vec::with_capacity(names.len());
    for name in names {
        if outputs.iter().any(|other| other.name == *name) {
            let place = format!("output \"{name}\"");
            return Err(ImportError::conflict(place, "it is requested twice"));
        }
        let output = match graph.output.iter().find(|o| o.name() == name) {
            Some(output) => Output::declared(output),
            None => {
                Output { name: name.clone(), value: inner(graph, steps, name)?, declared: None }
            }
        };
        outputs.push(output);
    }
    Ok(outputs)
}

/// The value inside a model that a name stands for: its own name, or that of the node or the module
/// that computes it.
fn inner(graph: &GraphProto, steps: &[BodyStep], name: &str) -> Result<String, ImportError> {
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (i, step) in steps.iter().enumerate() {
        let results = step.node.output.iter().filter(|value| !value.is_empty());
        results.for_each(|value| _ = producers.insert(value, i));
    }
    if producers.contains_key(name) {
        return Ok(name.to_owned());
    }
    let known: Vec<String> = graph.output.iter().map(|o| o.name().to_owned()).collect();
    let candidates = steps.iter().map(|BodyStep { node, .. }| Candidate {
        name: node.name(),
        operands: node.input.iter().filter_map(|o| producers.get(o.as_str()).copied()).collect(),
        is_output: node.output.iter().any(|value| known.contains(value)),
    });
    let found = find(name, &known, &candidates.collect::<Vec<_>>())?;
    Ok(steps[found].node.output.first().cloned().unwrap_or_default())
}
