//! Recipes that are refused, and what frozen layers keep.

use resnetc::spec::{Block, Spec};
use resnetc::training::names;
use resnetc::training::{Optimizer, Recipe, TrainingError};

fn spec() -> Spec {
    let mut spec = Spec::new(Block::Basic, [1, 1], [4, 8]);
    (spec.input.height, spec.input.width, spec.classes) = (32, 32, 3);
    (spec.stem.channels, spec.stem.kernel) = (4, 3);
    spec
}

#[track_caller]
fn refused(recipe: &Recipe, words: &[&str]) -> TrainingError {
    let error = recipe.step(&spec()).expect_err("it is wrong");
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    error
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    let plain = Recipe::new(2);
    for decay in [-1.0, f64::NAN, f64::INFINITY] {
        refused(&Recipe { decay, ..plain.clone() }, &["decay", "finite"]);
    }
    for smoothing in [-0.1, 1.0, f64::NAN] {
        refused(&Recipe { smoothing, ..plain.clone() }, &["smoothing", "below 1"]);
    }
    for momentum in [0.0, 1.1, f64::NAN] {
        refused(&Recipe { momentum, ..plain.clone() }, &["normalization", "above 0"]);
    }
    let sgd = Optimizer::Sgd { momentum: 1.0, nesterov: false };
    let error = refused(&Recipe { optimizer: sgd, ..plain.clone() }, &["momentum is 1"]);
    assert_eq!(error.code().name(), "recipe");
    let betas = Optimizer::AdamW { betas: [0.9, 1.0], epsilon: 1e-8 };
    refused(&Recipe { optimizer: betas, ..plain.clone() }, &["second beta is 1"]);
    let epsilon = Optimizer::AdamW { betas: [0.9, 0.999], epsilon: 0.0 };
    refused(&Recipe { optimizer: epsilon, ..plain }, &["epsilon is 0"]);
    refused(&Recipe::new(0), &["at least one image"]);
}

#[test]
fn a_variance_of_one_element_is_refused_by_layer() {
    let mut spec = spec();
    (spec.input.height, spec.input.width) = (8, 8);
    let error = Recipe::new(1).step(&spec).expect_err("one pixel is left").to_string();
    assert!(error.contains("layer2.0.bn1") && error.contains("more images"), "{error}");
    assert!(Recipe::new(2).step(&spec).is_ok());
}

#[test]
fn frozen_layers_stay_with_their_statistics() {
    let frozen = |names: &[&str]| Recipe {
        frozen: names.iter().map(|&name| name.to_owned()).collect(),
        ..Recipe::new(2)
    };
    let graph = frozen(&["conv1", "bn1", "layer1"]).step(&spec()).expect("it is valid");
    let changed: Vec<&str> = graph.outputs().iter().map(|o| o.name.as_str()).collect();
    assert!(changed.contains(&"layer2.0.bn1.running_mean"));
    assert!(changed.iter().all(|name| !name.starts_with("layer1.") && !name.starts_with("bn1")));
    // A prefix ends at a dot: "conv1" is the stem's convolution, not "layer2.0.conv1".
    assert!(changed.contains(&"layer2.0.conv1.weight"));
    let state = graph.outputs().iter().filter(|output| output.next_of.is_some()).count();
    assert_eq!(state + [names::LOSS, names::SCORES].len(), changed.len());
    let error = refused(&frozen(&["layer", "layer1.0"]), &["layer;", "conv1, bn1, layer1"]);
    assert_eq!(error.code().name(), "unknown-layer");
    refused(&frozen(&["conv1", "bn1", "layer1", "layer2", "fc"]), &["nothing to train"]);
}
