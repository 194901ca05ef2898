//! Compiled networks run, and how far their outputs may be from the right ones.

use crate::close::{greatest, relative_error};
use resnetc::isa::ISAS;
use resnetc::{Isa, IsaChoice, Model, Numerics, Options};

/// Error allowed relative to the largest output. A chain of depth n of f32 sums errs by about
/// sqrt(n) * 2^-24; the deepest of these networks has 20 layers of up to 576 terms, and measured
/// errors stay below 5e-7.
pub const TOLERANCE: f64 = 5e-6;

/// The instruction sets that this machine runs, the narrowest first. What it cannot run is said.
pub fn isas() -> Vec<Isa> {
    ISAS.into_iter().rev().filter(|&isa| crate::host::runs(isa)).collect()
}

/// Exact numerics on an instruction set.
pub fn options(isa: Isa, threads: usize, batch: usize) -> Options {
    Options::default()
        .isa(IsaChoice::Exactly(isa))
        .threads(threads)
        .numerics(Numerics::Exact)
        .batch(batch)
}

/// Runs on an arena full of NaN, so that nothing is read that was not written.
pub fn run(model: &Model, input: &[f32]) -> Vec<f32> {
    let mut cx = model.context().expect("memory for an arena");
    cx.poison();
    cx.input_mut(0).expect("one input").copy_from_slice(input);
    model.run(&mut cx).expect("its own context");
    let first = cx.output::<f32>(0).expect("one output").to_vec();
    model.run(&mut cx).expect("its own context");
    assert_eq!(
        first,
        cx.output::<f32>(0).expect("one output"),
        "a second run gives another result"
    );
    first
}

/// Largest difference relative to the largest expected value.
pub fn error(got: &[f32], expected: impl Iterator<Item = f64>) -> f64 {
    let expected: Vec<f64> = expected.collect();
    let largest = greatest(&expected);
    let live = expected.iter().filter(|x| x.abs() > largest / 1000.0).count();
    assert!(live * 2 > got.len(), "the expected values say nothing");
    relative_error(got.iter().map(|&g| f64::from(g)), expected)
}

/// Reproducible noise of about unit size.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next() + next()).collect()
}
