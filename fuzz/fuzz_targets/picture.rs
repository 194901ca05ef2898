//! Any bytes as a picture: a picture within the bounds, or a reason in one line.
#![no_main]
// Only the decoder of these files is used here.
#![allow(dead_code)]

#[path = "../../cli/src/failure.rs"]
mod failure;
#[path = "../../cli/src/classify/kind.rs"]
mod kind;
#[path = "../../cli/src/classify/picture.rs"]
mod picture;
#[path = "../../cli/src/classify/tiff.rs"]
mod tiff;
#[path = "../../cli/src/units.rs"]
mod units;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bounds = picture::Bounds { pixels: 1 << 18, memory: 1 << 22 };
    match picture::decode(bytes, bounds) {
        Ok(picture) => {
            let pixels = u64::from(picture.width()) * u64::from(picture.height());
            assert!((1..=bounds.pixels).contains(&pixels));
        }
        Err(picture::Undecoded { reason, .. }) => {
            assert!(!reason.is_empty() && !reason.contains('\n'));
        }
    }
});
