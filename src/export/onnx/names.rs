//! Gives each value a unique name. Names of inputs and outputs are the caller's and are kept; other
//! names are changed if they collide.

use std::collections::{HashMap, HashSet};

use resnetc_ir::graph::Output;
use resnetc_ir::{DType, Graph, NodeId};

use crate::export::error::{ExportError, RefusedValue};
use crate::import::onnx::proto::NodeProto;

/// The names of a model's values.
pub(super) struct Names {
    of: HashMap<NodeId, String>,
    taken: HashSet<String>,
    /// How often each name was requested, so that a thousand values of one name do not take a
    /// million trials.
    asked: HashMap<String, usize>,
}

impl Names {
    /// Names the values of `order`.
    ///
    /// # Errors
    /// If inputs or outputs have no name, or two of them have the same name.
    pub(super) fn new(graph: &Graph, order: &[NodeId]) -> Result<Self, ExportError> {
        let (of, taken, asked) = (HashMap::new(), HashSet::new(), HashMap::new());
        let mut names = Names { of, taken, asked };
        let mut refused = Vec::new();
        for &id in graph.inputs() {
            let name = &graph.node(id).name;
            match names.claim(name) {
                Ok(()) => {
                    names.of.insert(id, name.clone());
                }
                Err(reason) => refused.push(refusal("input", name, reason)),
            }
        }
        let mut listed = HashSet::new();
        for output in graph.outputs() {
            if let Err(reason) = names.output(graph, output, &mut listed) {
                refused.push(refusal("output", &output.name, reason));
            }
        }
        if !refused.is_empty() {
            return Err(ExportError::Refused { values: refused });
        }
        for &id in order {
            if !names.of.contains_key(&id) {
                let name = names.fresh(&graph.node(id).name);
                names.of.insert(id, name);
            }
        }
        Ok(names)
    }

    /// A computed value is named after its first output.
    fn output<'a>(
        &mut self,
        graph: &Graph,
        &Output { ref name, node, dtype, next_of }: &'a Output,
        listed: &mut HashSet<&'a str>,
    ) -> Result<(), &'static str> {
        if next_of.is_some() {
            return Err("ONNX models have no state that stays from run to run");
        }
        // An input may be an output directly.
        let passed_on =
            listed.insert(name.as_str()) && self.of.get(&node).is_some_and(|n| n == name);
        if passed_on {
            return Ok(());
        }
        self.claim(name)?;
        // An output of another element type gets its name from a cast.
        if graph.node(node).op.is_computed() && dtype == DType::F32 {
            self.of.entry(node).or_insert_with(|| name.to_owned());
        }
        Ok(())
    }

    /// Takes exactly this name.
    fn claim(&mut self, name: &str) -> Result<(), &'static str> {
        match name {
            "" => Err("it has no name"),
            _ if self.taken.insert(name.to_owned()) => Ok(()),
            _ => Err("another input or output has this name"),
        }
    }

    /// A name that no value has: the wanted one, or the wanted one with a number.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            let count = self.asked.entry(wanted.to_owned()).or_default();
            *count += 1;
            name = format!("{wanted}.{count}");
        }
        name
    }

    /// Gives a value another name for its users: the wanted one, or the wanted one with a number.
    pub(super) fn rename(&mut self, id: NodeId, wanted: &str) -> String {
        let name = self.fresh(wanted);
        self.of.insert(id, name.clone());
        name
    }

    /// The name of a value.
    pub(super) fn value(&self, id: NodeId) -> &str {
        self.of.get(&id).map_or("", String::as_str)
    }
}

/// Numbers the names of nodes that another node has: some engines refuse such files.
pub(super) fn number_nodes(nodes: &mut [NodeProto]) {
    let names = nodes.iter().filter_map(|node| node.name.clone());
    let mut taken: HashSet<String> = names.collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for name in nodes.iter_mut().filter_map(|node| node.name.as_mut()) {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 || name.is_empty() {
            continue;
        }
        let wanted = name.clone();
        while !taken.insert(name.clone()) {
            *name = format!("{wanted}.{count}");
            *count += 1;
        }
    }
}

fn refusal(kind: &'static str, name: &str, reason: &str) -> RefusedValue {
    RefusedValue { kind, name: name.to_owned(), reason: reason.to_owned() }
}
