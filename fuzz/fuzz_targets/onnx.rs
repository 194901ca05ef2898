//! Any bytes as an ONNX model: a sound graph or an error; a sound graph compiles and runs, or is
//! refused with a message.
#![no_main]

mod deeper;

use libfuzzer_sys::fuzz_target;
use resnetc::import::onnx::{self, Bindings};
use resnetc::ir::verify::verify;

fuzz_target!(|bytes: &[u8]| {
    match onnx::parse(bytes, None, &Bindings { batch: Some(2), ..Bindings::default() }) {
        Ok(graph) => {
            verify(&graph).expect("past the import a bad graph is our bug");
            deeper::compile_and_run(graph);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 1 << 20, "{} bytes of message", text.len());
        }
    }
});
