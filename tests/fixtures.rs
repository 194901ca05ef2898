//! Every network in `tests/fixtures`: interpreted and compiled, against what its framework computed in f64.

#[path = "fixtures/document.rs"]
mod document;
#[path = "fixtures/measure.rs"]
mod measure;
#[path = "common/running.rs"]
mod running;
#[path = "fixtures/table.rs"]
mod table;

use std::collections::BTreeSet;
use std::path::Path;

use measure::measured;
use resnetc::ir::eval::{Value, eval};
use resnetc::ir::verify::verify;
use resnetc::{Isa, Numerics, Options, PassSelection};
use running::{TOLERANCE, error, isas, noise, options, run};
use table::FIXTURES;

#[test]
fn every_folder_with_numbers_is_in_the_table() {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("io.safetensors") {
                let name = folder.strip_prefix(&root).expect("below it").to_string_lossy();
                found.insert(name.replace('\\', "/"));
            }
        }
    }
    let listed: BTreeSet<String> = FIXTURES.iter().map(|f| f.name.to_owned()).collect();
    assert_eq!(listed.len(), FIXTURES.len(), "a fixture stands twice in the table");
    assert_eq!(listed, found);
}

/// Both are computed in f64 from f32 weights, and the stored output is rounded to f32. GroupNorm and scaled weights are
/// normalized in f32 by the importer where a file does so between constants.
#[test]
fn networks_mean_what_their_frameworks_compute() {
    for fixture in FIXTURES {
        let [input, output] = fixture.io();
        let network = fixture.load(Options::default()).expect(fixture.name);
        verify(network.graph()).expect(fixture.name);
        let input = Value::from_f32(input.shape(), input.data());
        let got = eval(network.graph(), &[input]).expect(fixture.name).remove(0);
        assert_eq!(got.shape, output.shape(), "{}", fixture.name);
        let error = error(&got.to_f32(), output.data().iter().map(|&x| f64::from(x)));
        assert!(error <= 1e-6, "{}: {error:e}", fixture.name);
    }
}

#[test]
fn exact_numerics_match_the_frameworks() {
    for (fixture, errors) in FIXTURES.iter().zip(measured()) {
        assert!(errors.exact <= TOLERANCE, "{}: {:e}", fixture.name, errors.exact);
    }
}

/// With another algorithm wherever one can compute a layer: Winograd's F(4, 3) on its points errs about twice as much as
/// direct convolution, that of tile registers less (bounds of single layers are in `tests/kernels`).
#[test]
fn fast_numerics_stay_close_to_the_frameworks() {
    for (fixture, errors) in FIXTURES.iter().zip(measured()) {
        assert!(errors.fast <= 2.0 * TOLERANCE, "{}: {:e}", fixture.name, errors.fast);
    }
    let count = measured().iter().filter(|errors| errors.others > 0).count();
    assert!(count > FIXTURES.len() / 2, "{count} networks have a layer for another algorithm");
}

#[test]
fn unfused_networks_match_the_frameworks() {
    for fixture in FIXTURES {
        let [input, output] = fixture.io();
        let options = Options {
            passes: PassSelection::None,
            numerics: Numerics::Exact,
            threads: Some(2),
            ..Options::default()
        };
        let network = fixture.load(options).expect(fixture.name);
        let got = run(&network.compile().expect(fixture.name), input.data());
        let error = error(&got, output.data().iter().map(|&x| f64::from(x)));
        assert!(error <= TOLERANCE, "{}: {error:e}", fixture.name);
    }
}

/// Also of those whose files say another one.
#[test]
fn other_batches_match_the_interpreter_and_each_other() {
    for fixture in FIXTURES {
        let name = fixture.name;
        let three = fixture.load(options(Isa::Baseline, 1, 3)).expect(name);
        let shape = three.graph().node(three.graph().inputs()[0]).ty.shape.clone();
        let input = noise(shape.iter().product(), 7);
        let expected = eval(three.graph(), &[Value::from_f32(shape, &input)]).expect("evaluates");
        for isa in isas() {
            let compile = |batch, threads| {
                let network = fixture.load(options(isa, threads, batch)).expect(name);
                network.compile().expect(name)
            };
            let got = run(&compile(3, 2), &input);
            let error = error(&got, expected[0].data.iter().copied());
            assert!(error <= TOLERANCE, "{name} on {isa}: {error:e}");
            // Where a picture stands in the batch changes nothing.
            let last = run(&compile(1, 1), &input[input.len() / 3 * 2..]);
            let same = last == got[got.len() / 3 * 2..];
            assert!(same, "{name} on {isa}: the batch changes the result");
        }
    }
}
