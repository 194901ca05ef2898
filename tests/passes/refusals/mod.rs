//! Every condition of every pass: a graph that is nearly rewritten, and the reason that is given.

use std::collections::{BTreeMap, BTreeSet};

use resnetc::passes::{Pass, Verify, run_pass};
use resnetc_ir::text::{parse, print};
use resnetc_ir::verify::verify;

use crate::examples::all;

mod arithmetic;
mod measured;
mod movement;
mod quantized;
mod reasons;
mod shortcuts;
mod training;

/// A pass, a graph that it must not change, and the reason that it gives; empty if the graph is not
/// even near its pattern.
struct Refusal {
    pass: &'static str,
    graph: &'static str,
    reason: &'static str,
}

fn pass(name: &str) -> Pass {
    all().into_iter().find(|pass| pass.name == name).expect("a pass of this name")
}

/// A reason that no graph of the tables has is an error, too: a new condition needs a new graph.
#[test]
fn near_misses_are_refused_with_a_reason() {
    let mut all_said: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let tables = [
        arithmetic::REFUSALS,
        measured::REFUSALS,
        quantized::REFUSALS,
        shortcuts::REFUSALS,
        movement::REFUSALS,
        training::REFUSALS,
    ];
    for Refusal { pass: name, graph: text, reason } in tables.into_iter().flatten() {
        let mut graph = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        verify(&graph).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let before = print(&graph);
        let remarks = run_pass(&mut graph, &pass(name), Verify::EachPatch)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(print(&graph), before, "{name} rewrote a graph that it must not change");
        let said: Vec<&str> = remarks.declined.iter().map(|d| d.reason.as_str()).collect();
        all_said.entry(name).or_default().extend(said.iter().map(|&s| s.to_owned()));
        match reason.is_empty() {
            true => assert!(said.is_empty(), "{name}: {said:?}\n{text}"),
            false => assert!(
                said.iter().any(|s| s.contains(reason)),
                "{name} says {said:?}, not \"{reason}\"\n{text}"
            ),
        }
    }
    let missing = reasons::missing(&all_said);
    assert!(missing.is_empty(), "no graph has these reasons:\n{}", missing.join("\n"));
}
