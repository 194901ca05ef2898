//! Any bytes as a file of measured times: choices or an error; a network compiles with any choices.
#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use resnetc::ir::Graph;
use resnetc::ir::text::parse;
use resnetc::tune::Cache;
use resnetc::{Compiler, Isa, IsaChoice, Options};

/// A network with the layers of the seed files.
fn graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        parse(concat!(
            "%0 = input : f32[1, 16, 8, 8]\n",
            "%1 = constant fill=0.5 : f32[16, 16, 3, 3]\n",
            "%2 = conv(%0, %1) kernel=[3, 3] pads=[1, 1, 1, 1]\n",
            "output \"y\" = %2\n",
        ))
        .expect("it is written right")
    })
}

fuzz_target!(|bytes: &[u8]| {
    match Cache::decode(bytes) {
        Ok(cache) => {
            let tuned = Some(Arc::new(cache.tuned()));
            let options = Options::default().tuned(tuned).threads(1).isa(IsaChoice::Exactly(Isa::Baseline));
            Compiler::new(options).graph(graph().clone()).expect("no option of loading").compile().expect("no choice is an error");
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
});
