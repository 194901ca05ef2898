//! Any bytes as a file of weights: tensors or an error, in memory proportional to the file's size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resnetc::import::safetensors;

fuzz_target!(|bytes: &[u8]| {
    match safetensors::parse(bytes) {
        Ok(weights) => {
            let elements: usize = weights.values().map(|t| t.elements()).sum();
            // No element is shorter than two bytes, and no two tensors share their bytes.
            assert!(2 * elements <= bytes.len());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
