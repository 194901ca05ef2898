//! Damaged bytes give a graph or an error: no panic, no endless loop, no disproportionate
//! allocation.

use std::path::Path;

use proptest::prelude::*;
use resnetc::import::onnx::{self, Bindings};
use resnetc::import::safetensors;
use resnetc_ir::verify::verify;

use crate::model::Attr::{Int, Ints};
use crate::model::Model;

/// Imports arbitrary bytes.
fn survive(bytes: &[u8]) {
    let bindings = Bindings { batch: Some(2), ..Bindings::default() };
    match onnx::parse(bytes, None, &bindings) {
        Ok(graph) => verify(&graph).unwrap(),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A little of everything, so that a random byte often hits something that matters.
fn dense() -> Vec<u8> {
    Model::new(&[-1, 3, 9, 9])
        .weights("w", &[4, 3, 3, 3])
        .weights("c", &[4])
        .ints("zero", &[0])
        .ints("one", &[1])
        .ints("rest", &[-1])
        .ints("p", &[0, 0, 1, 1, 0, 0, 1, 1])
        .node(
            "Conv",
            &["x", "w", "c"],
            &["a"],
            &[("strides", Ints(vec![2, 2])), ("pads", Ints(vec![1; 4]))],
        )
        .node("BatchNormalization", &["a", "c", "c", "c", "c"], &["b"], &[])
        .node("Pad", &["b", "p"], &["e"], &[])
        .node(
            "MaxPool",
            &["e"],
            &["m"],
            &[("kernel_shape", Ints(vec![3, 3])), ("ceil_mode", Int(1))],
        )
        .node("Shape", &["m"], &["s"], &[])
        .node("Gather", &["s", "zero"], &["n"], &[])
        .node("Range", &["zero", "n", "one"], &["r"], &[])
        .node("ConstantOfShape", &["n"], &["o"], &[])
        .node("Cast", &["o"], &["oi"], &[("to", Int(7))])
        .node("Mul", &["r", "oi"], &["ro"], &[])
        .node("Concat", &["n", "rest"], &["nr"], &[("axis", Int(0))])
        .node("Slice", &["nr", "zero", "n"], &["sl"], &[])
        .node("Add", &["sl", "ro"], &["to"], &[])
        .node("Reshape", &["m", "to"], &["y"], &[])
        .node("Softmax", &["y"], &["z"], &[("axis", Int(1))])
        .output("z")
        .bytes()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn damage(mut bytes: Vec<u8>, flips: &[(usize, u8)], within: usize) -> Vec<u8> {
    let end = bytes.len().min(within);
    for &(at, value) in flips {
        bytes[at % end] = value;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn dense_models_with_wrong_bytes(flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        survive(&damage(dense(), &flips, usize::MAX));
    }

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
        let _ = safetensors::parse(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Nodes come first in the file, weights after them.
    #[test]
    fn a_real_model_with_wrong_bytes(flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        survive(&damage(fixture("cifar20_a/model.onnx"), &flips, 30_000));
    }

    #[test]
    fn a_real_model_cut_short(at in any::<usize>()) {
        let bytes = fixture("cifar20_a/model.onnx");
        survive(&bytes[..at % bytes.len()]);
    }

    #[test]
    fn weights_with_wrong_bytes(flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let _ = safetensors::parse(&damage(fixture("cifar20_a/weights.safetensors"), &flips, 9_000));
    }
}

#[test]
fn the_dense_model_is_sound() {
    let bindings = Bindings { batch: Some(2), ..Bindings::default() };
    let graph = onnx::parse(&dense(), None, &bindings).unwrap();
    assert_eq!(graph.node(graph.outputs()[0].node).ty.shape[0], 2);
}

/// One byte more or less anywhere shifts every length after it.
#[test]
fn every_cut_of_a_dense_model() {
    let bytes = dense();
    for at in 0..bytes.len() {
        survive(&bytes[..at]);
        let mut shorter = bytes.clone();
        shorter.remove(at);
        survive(&shorter);
    }
}
