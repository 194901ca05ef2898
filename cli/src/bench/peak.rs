//! The speed that a loop of multiply-adds reaches.

use std::time::Duration;

use resnetc::Isa;
use resnetc::runtime::peak;

use crate::failure::Failure;

/// How long each measurement takes.
const TIME: Duration = Duration::from_millis(150);

/// The peak in GFLOP/s.
pub(super) fn measure(isa: Isa, threads: usize) -> Result<f64, Failure> {
    Ok(peak::measure(isa, threads, TIME)?.gflops)
}
