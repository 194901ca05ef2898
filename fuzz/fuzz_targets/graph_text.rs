//! Any text as a graph: an error with its line, or a graph that prints and reads back unchanged; a
//! sound graph compiles and runs.
#![no_main]

mod deeper;

use libfuzzer_sys::fuzz_target;
use resnetc::ir::text::{constants, parse, parse_with, print};
use resnetc::ir::verify::verify;

fuzz_target!(|text: &str| {
    let graph = match parse(text) {
        Ok(graph) => graph,
        Err(error) => {
            assert!(error.line >= 1 && !error.message.is_empty());
            return;
        }
    };
    let constants = constants(&graph);
    let printed = print(&graph);
    let again = parse_with(&printed, &|hash| constants.get(&hash).cloned()).expect("what was printed");
    assert_eq!(print(&again), printed);
    if verify(&graph).is_ok() {
        deeper::compile_and_run(graph);
    }
});
