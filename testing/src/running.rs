//! Runs compiled networks, and bounds the error of their outputs.

use crate::close::{greatest, relative_error};
use resnetc::codegen::machine::Cranelift;
use resnetc::isa::ISAS;
use resnetc::{Isa, IsaChoice, Model, Numerics, Options};

/// Error allowed relative to the largest output. A chain of n f32 sums has an error of about
/// sqrt(n) * 2^-24; the deepest of these networks has 20 layers of up to 576 terms, and measured
/// errors stay below 5e-7.
pub const TOLERANCE: f64 = 5e-6;

/// The instruction sets that this machine runs, the narrowest first. Those that it cannot run are
/// reported.
pub fn isas() -> Vec<Isa> {
    ISAS.into_iter().rev().filter(|&isa| crate::host::runs(isa)).collect()
}

/// Those of these whose multiply-adds round once.
pub fn fused_isas() -> Vec<Isa> {
    let fused = Cranelift::host().expect("it runs here").fused();
    isas().into_iter().filter(|isa| isa.target().fused || fused).collect()
}

/// Options with exact numerics on an instruction set.
pub fn options(isa: Isa, threads: usize, batch: usize) -> Options {
    Options::default()
        .isa(IsaChoice::Exactly(isa))
        .threads(threads)
        .numerics(Numerics::Exact)
        .batch(batch)
}

/// Runs on an arena full of NaN, which reveals reads of memory that was not written.
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
        "a second run gives a different result"
    );
    first
}

/// Largest difference relative to the largest expected value.
pub fn error(got: &[f32], expected: impl Iterator<Item = f64>) -> f64 {
    let expected: Vec<f64> = expected.collect();
    let largest = greatest(&expected);
    let live = expected.iter().filter(|x| x.abs() > largest / 1000.0).count();
    assert!(live * 2 > got.len(), "most expected values are zero");
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
