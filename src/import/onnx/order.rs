//! Nodes in the order of their operands.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use super::functions::BodyStep;
use super::proto::{GraphProto, TensorProto};
use crate::import::error::ImportError;
use crate::one_line::one_line;

/// The positions in `steps` of all nodes that the values of these names need, each after those that
/// compute its operands, and otherwise in the order of the file.
pub(super) fn order(
    graph: &GraphProto,
    steps: &[BodyStep],
    outputs: &[&str],
) -> Result<Vec<usize>, ImportError> {
    let producers = producers(graph, steps)?;
    let sorted = sort(steps, &producers)?;
    let mut needed: HashSet<&str> = outputs.iter().copied().collect();
    let mut live: Vec<usize> = Vec::new();
    for &i in sorted.iter().rev() {
        let node = &steps[i].node;
        if node.output.iter().any(|o| !o.is_empty() && needed.contains(o.as_str())) {
            needed.extend(node.input.iter().map(String::as_str));
            live.push(i);
        }
    }
    live.reverse();
    Ok(live)
}

/// Which node computes each name; `None` for inputs and initializers. Checks that no name is
/// defined twice and every used name is defined. An output may be listed twice: that does not
/// define it.
fn producers<'a>(
    graph: &'a GraphProto,
    steps: &'a [BodyStep],
) -> Result<HashMap<&'a str, Option<usize>>, ImportError> {
    let mut origins: HashMap<&str, Option<usize>> = HashMap::new();
    let mut twice: BTreeSet<&str> = BTreeSet::new();
    let mut tensors: HashMap<&str, &TensorProto> = HashMap::new();
    for tensor in &graph.initializer {
        origins.insert(tensor.name(), None);
        // Merging files leaves copies behind; which of two different tensors is meant is unknown.
        if tensors.insert(tensor.name(), tensor).is_some_and(|other| other != tensor) {
            twice.insert(tensor.name());
        }
    }
    for tensor in &graph.sparse_initializer {
        if origins.insert(tensor.name(), None).is_some() {
            twice.insert(tensor.name());
        }
    }
    let mut inputs = HashSet::new();
    for input in &graph.input {
        // An input may share its name with the initializer that is its default, but not with
        // another input.
        if !inputs.insert(input.name()) {
            twice.insert(input.name());
        }
        origins.insert(input.name(), None);
    }
    for (i, step) in steps.iter().enumerate() {
        for name in step.node.output.iter().filter(|name| !name.is_empty()) {
            if origins.insert(name, Some(i)).is_some() {
                twice.insert(name);
            }
        }
    }
    if !twice.is_empty() {
        return Err(ImportError::invalid(
            "names",
            format!("defined more than once: {}", list(&twice)),
        ));
    }
    let operands =
        steps.iter().flat_map(|s| &s.node.input).map(String::as_str).filter(|n| !n.is_empty());
    let used = operands.chain(graph.output.iter().map(|o| o.name()));
    let dangling: BTreeSet<&str> = used.filter(|name| !origins.contains_key(name)).collect();
    if !dangling.is_empty() {
        return Err(ImportError::invalid(
            "names",
            format!("used but never defined: {}", list(&dangling)),
        ));
    }
    Ok(origins)
}

/// Kahn's algorithm; among the nodes that are ready, the first in the file comes first.
fn sort(
    steps: &[BodyStep],
    producers: &HashMap<&str, Option<usize>>,
) -> Result<Vec<usize>, ImportError> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut waiting: Vec<usize> = vec![0; steps.len()];
    for (i, step) in steps.iter().enumerate() {
        for name in &step.node.input {
            if let Some(&Some(producer)) = producers.get(name.as_str()) {
                users[producer].push(i);
                waiting[i] += 1;
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..steps.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(steps.len());
    while let Some(Reverse(i)) = ready.pop() {
        sorted.push(i);
        for &user in &users[i] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if sorted.len() < steps.len() {
        let stuck = (0..steps.len()).filter(|&i| waiting[i] > 0);
        let names: BTreeSet<&str> =
            stuck.map(|i| super::call::display_name(&steps[i].node)).collect();
        return Err(ImportError::invalid(
            "nodes",
            format!("these are on a cycle or depend on one: {}", list(&names)),
        ));
    }
    Ok(sorted)
}

fn list(names: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 20;
    const LONGEST: usize = 40;
    let mut text: Vec<String> =
        names.iter().take(SHOWN).map(|n| format!("\"{}\"", one_line(n, LONGEST))).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}
