//! Any bytes as a NumPy array: a tensor or a reason.
#![no_main]
// Only the reader of these files is used here.
#![allow(dead_code)]

#[path = "../../src/bin/resnetc/failure.rs"]
mod failure;
#[path = "../../src/bin/resnetc/npy.rs"]
mod npy;
#[path = "../../src/bin/resnetc/output.rs"]
mod output;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match npy::parse(bytes) {
        // No element is shorter than four bytes.
        Ok(tensor) => assert!(4 * tensor.elements() <= bytes.len()),
        Err(reason) => assert!(!reason.is_empty()),
    }
});
