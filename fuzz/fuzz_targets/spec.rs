//! Any text as a description of a network, in TOML and in JSON: an error or a network; a small
//! network is built.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resnetc::ir::verify::verify;
use resnetc::spec::{Spec, Weights};

/// The maximum number of weights of a network that is built here.
const PARAMETERS: usize = 1 << 16;

fuzz_target!(|text: &str| {
    for spec in [Spec::from_toml(text), Spec::from_json(text)] {
        match spec {
            Ok(spec) => build(&spec),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

fn build(spec: &Spec) {
    // Without weights: this checks every size.
    let Ok(parameters) = spec.parameters() else { return };
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    if parameters.iter().map(|p| count(&p.shape)).sum::<usize>() <= PARAMETERS
        && let Ok(graph) = spec.build(&Weights::Random { seed: 0 }, 1)
    {
        verify(&graph).expect("past the description a bad graph is our bug");
    }
}
