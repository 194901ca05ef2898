//! How many cases a property test tries.

use proptest::test_runner::Config;

/// If set to a number, tests that draw expensive cases try that many.
pub const CASES: &str = "RESNETC_CASES";

/// `usual` cases: as many as a run of all tests has time for.
///
/// # Panics
/// If [`CASES`] is set to something else than a number.
pub fn cases(usual: u32) -> u32 {
    std::env::var(CASES).map_or(usual, |n| n.parse().expect("a number"))
}

/// The configuration of a property test that tries `usual` cases.
pub fn with_cases(usual: u32) -> Config {
    Config::with_cases(cases(usual))
}
