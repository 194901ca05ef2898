//! How many cases a property test tries.

use proptest::test_runner::Config;

/// If set to a number, property tests try that many cases each; if set to a percentage such as
/// `10%`, that share of the usual ones, and at least one.
pub const CASES: &str = "RESNETC_CASES";

/// `usual` cases: as many as a run of all tests has time for.
///
/// # Panics
/// If [`CASES`] is set to something else than a number or a percentage.
pub fn cases(usual: u32) -> u32 {
    let Ok(set) = std::env::var(CASES) else { return usual };
    let number = |text: &str| text.parse::<u32>().expect("a number or a percentage");
    match set.strip_suffix('%') {
        Some(share) => (usual * number(share)).div_ceil(100).max(1),
        None => number(&set),
    }
}

/// As many of a list as [`cases`] says of its length, evenly spaced, for tests that try all of it.
pub fn some<T>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    let length = all.len();
    let wanted = cases(u32::try_from(length).expect("lists are short")) as usize;
    let until = |i: usize| i * wanted / length;
    let mut i = 0..length;
    all.retain(|_| i.next().is_some_and(|i| until(i) < until(i + 1)));
    all
}

/// The configuration of a property test that tries `usual` cases.
pub fn with_cases(usual: u32) -> Config {
    Config::with_cases(cases(usual))
}
