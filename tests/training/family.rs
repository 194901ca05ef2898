//! One step of every network of the family against PyTorch's, in f64.

use resnetc::training::names;
use resnetc::training::{Optimizer, Recipe};
use resnetc_ir::eval::Value;
use resnetc_testing::family::{Case, renamed};
use serde::Deserialize;

use crate::support::{Values, drawn, numbers, step};

/// What `make.py` found for a network.
#[derive(Deserialize)]
struct Found {
    name: String,
    size: usize,
    loss: f64,
    /// The root of the sum of squares, and the sum of products with drawn numbers.
    gradients: std::collections::BTreeMap<String, [f64; 2]>,
    statistics: std::collections::BTreeMap<String, [f64; 2]>,
}

const LABELS: [f64; 3] = [1.0, 7.0, 4.0];
const SMOOTHING: f64 = 0.1;

/// Constants of a description are f32 here and f64 in PyTorch: a hundredth, epsilons, the share of
/// smoothing. So results differ by about their relative rounding error, 6e-8, times what the
/// network makes of it.
const TOLERANCE: f64 = 2e-6;

fn check(found: &Found, case: &Case) {
    let mut spec = case.spec.clone();
    (spec.input.height, spec.input.width) = (found.size, found.size);
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let recipe = Recipe { optimizer: plain, smoothing: SMOOTHING, ..Recipe::new(LABELS.len()) };
    let graph = recipe.step(&spec).unwrap_or_else(|e| panic!("{}: {e}", found.name));
    resnetc_ir::verify::verify(&graph).unwrap_or_else(|e| panic!("{}: {e}", found.name));
    let count = LABELS.len() * 3 * found.size * found.size;
    let images = drawn(2, count).into_iter().map(|x| 2.0 * x).collect();
    let mut given: Values = case
        .weights
        .iter()
        .map(|(name, tensor)| (name.replace(".shortcut.", ".downsample."), Value::from(&**tensor)))
        .collect();
    let shape = vec![LABELS.len(), 3, found.size, found.size];
    given.insert(names::IMAGES.into(), Value::new(shape, images));
    given.insert(names::LABELS.into(), Value::new([LABELS.len()], LABELS.to_vec()));
    given.insert("rate".into(), Value::new([1], vec![1.0]));
    let results = step(&graph, &given);
    near(found, names::LOSS, [found.loss; 2], [results[names::LOSS].data[0]; 2]);
    for (name, expected) in &found.gradients {
        let name = named(&found.name, name);
        let (before, after) = (&given[&name], &results[&name]);
        let gradient: Vec<f64> = before.data.iter().zip(&after.data).map(|(a, b)| a - b).collect();
        near(found, &name, *expected, numbers(&gradient));
    }
    for (name, expected) in &found.statistics {
        let name = named(&found.name, name);
        near(found, &name, *expected, numbers(&results[&name].data));
    }
    // Nothing else changes.
    let changed = found.gradients.len() + found.statistics.len();
    assert_eq!(results.len(), 2 + changed, "{}", found.name);
}

fn named(network: &str, name: &str) -> String {
    renamed(network, name, &[]).0.replace(".shortcut.", ".downsample.")
}

#[track_caller]
fn near(network: &Found, name: &str, expected: [f64; 2], found: [f64; 2]) {
    // The sum of products is at most the norm times that of the drawn numbers, and so is its error.
    let scale = expected[0].abs().max(1e-3);
    for (expected, found) in expected.into_iter().zip(found) {
        let error = (expected - found).abs() / scale;
        assert!(error < TOLERANCE, "{} {name}: {found} for {expected}, {error:e}", network.name);
    }
}

#[test]
fn steps_of_the_family_are_those_of_pytorch() {
    let found: Vec<Found> =
        serde_json::from_str(include_str!("gradients.json")).expect("it is as written");
    let cases = [Case::exported(), Case::described()].concat();
    assert_eq!(found.len(), cases.len());
    std::thread::scope(|scope| {
        for half in [0, 1] {
            let (found, cases) = (&found, &cases);
            scope.spawn(move || {
                for found in found.iter().skip(half).step_by(2) {
                    let case = cases.iter().find(|case| case.name == found.name);
                    check(found, case.unwrap_or_else(|| panic!("no network {}", found.name)));
                }
            });
        }
    });
}
