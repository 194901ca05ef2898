//! Steps in the interpreter.

use std::collections::BTreeMap;

use resnetc::training::names;
use resnetc_ir::Graph;
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::random::SplitMix;

/// Values by name.
pub(crate) type Values = BTreeMap<String, Value>;

/// Multiples of 2^-23 from -1 to 1, as `make.py` draws them.
pub(crate) fn drawn(seed: u64, count: usize) -> Vec<f64> {
    let stream = SplitMix(seed);
    let number = |i| (stream.nth(i as u64) >> 40) as f64 / (1 << 23) as f64 - 1.0;
    (0..count).map(number).collect()
}

/// The root of the sum of squares, and the sum of products with drawn numbers.
pub(crate) fn numbers(values: &[f64]) -> [f64; 2] {
    let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let probe = drawn(1, values.len());
    [norm, values.iter().zip(probe).map(|(x, p)| x * p).sum()]
}

/// The results of a step by their names.
///
/// # Panics
/// If an input has no value.
pub(crate) fn step(graph: &Graph, given: &Values) -> Values {
    let input = |&id: &_| {
        let name = &graph.node(id).name;
        given.get(name).unwrap_or_else(|| panic!("{name} has no value")).clone()
    };
    let inputs: Vec<Value> = graph.inputs().iter().map(input).collect();
    let results = eval(graph, &inputs).expect("it evaluates");
    graph.outputs().iter().map(|output| output.name.clone()).zip(results).collect()
}

/// Takes the next values of what a step changes.
pub(crate) fn carry(state: &mut Values, results: &Values) {
    for (name, value) in results {
        if ![names::LOSS, names::SCORES].contains(&name.as_str()) {
            state.insert(name.clone(), value.clone());
        }
    }
}
