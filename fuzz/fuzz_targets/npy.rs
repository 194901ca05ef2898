//! Any bytes as a NumPy array: an error, or an array that can be written and read back unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resnetc::import::npy::{encode, parse};
use resnetc::ir::DType;

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes) {
        Ok(array) => {
            assert!(array.elements() * array.dtype().bytes() <= bytes.len());
            assert_eq!(parse(&encode(&array).expect("it is small")).expect("what was written"), array);
            for dtype in DType::ALL {
                let values = array.values(dtype);
                assert!(values.is_ok_and(|values| values.shape() == array.shape()) || array.elements() > 0);
            }
        }
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
});
