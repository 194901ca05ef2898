//! What is not quantized, and why.

use resnetc::ir::op::Unary;
use resnetc::ir::{Graph, Op};
use resnetc::quantize::{Method, Quantizer};
use resnetc::{Compiler, ErrorCode, Network, Options};

use crate::support::*;

fn refused(quantizer: &Quantizer, network: &Network, runs: Runs) -> (ErrorCode, String) {
    let error = quantize(quantizer, network, runs).expect_err("it is refused");
    (error.code(), error.to_string())
}

#[test]
fn a_quantized_network_is_told_from_one_that_only_rounds() {
    let graph = product(8, 4, 1);
    let original = network(graph);
    let file = quantize(&Quantizer::default(), &original, runs(&original, 2)).unwrap();
    let again =
        Compiler::new(Options::default()).onnx_bytes(&file.to_onnx().unwrap(), None).unwrap();
    let (code, message) = refused(&Quantizer::default(), &again, runs(&again, 1));
    assert_eq!(code, ErrorCode::AlreadyQuantized, "{message}");
    let mut graph = product(8, 4, 1);
    let y = graph.outputs()[0].node;
    let rounded = graph.add("round", Op::Unary(Unary::Round), &[y]).unwrap();
    let clipped = Op::Unary(Unary::Clip { lo: 0.0, hi: 1.0 });
    let clipped = graph.add("clip", clipped, &[rounded]).unwrap();
    graph.output("z", clipped);
    let rounds = network(graph);
    quantize(&Quantizer::default(), &rounds, runs(&rounds, 1)).unwrap();
}

#[test]
fn there_must_be_a_layer() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 4]);
    let y = graph.add("relu", Op::Unary(Unary::Relu), &[x]).unwrap();
    graph.output("y", y);
    let none = network(graph);
    let (code, message) = refused(&Quantizer::default(), &none, runs(&none, 1));
    assert_eq!(code, ErrorCode::NothingToQuantize);
    assert!(message.contains("no convolution"), "{message}");
    let one = network(product(8, 4, 1));
    let quantizer = Quantizer::default().last_layers(false);
    let (code, message) = refused(&quantizer, &one, runs(&one, 1));
    assert_eq!(code, ErrorCode::NothingToQuantize);
    assert!(message.contains("only layer"), "{message}");
}

#[test]
fn a_misspelled_layer_gets_a_suggestion() {
    let one = network(product(8, 4, 1));
    let quantizer = Quantizer::default().keep(["fd"]);
    let (code, message) = refused(&quantizer, &one, runs(&one, 1));
    assert_eq!(code, ErrorCode::UnknownLayer);
    assert!(message.contains("\"fd\"") && message.contains("\"fc\"?"), "{message}");
}

#[test]
fn inputs_must_fit_and_be_finite() {
    let one = network(product(8, 4, 1));
    let with = |runs: Runs| refused(&Quantizer::default(), &one, runs);
    assert_eq!(with(vec![]).0, ErrorCode::NoSamples);
    assert_eq!(with(vec![vec![]]).0, ErrorCode::InputLength);
    assert_eq!(with(vec![vec![vec![0.0; 7]]]).0, ErrorCode::InputLength);
    assert_eq!(with(vec![vec![vec![0.0; 8], vec![0.0; 8]]]).0, ErrorCode::InputLength);
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (code, message) = with(vec![vec![vec![0.0; 8]], vec![vec![x; 8]]]);
        assert_eq!(code, ErrorCode::NotFinite);
        assert!(message.contains("\"x\"") && message.contains("input 1"), "{message}");
    }
    // A value inside overflows.
    let mut graph = product(8, 4, 1);
    let y = graph.outputs()[0].node;
    let powers = graph.add("powers", Op::Unary(Unary::Exp), &[y]).unwrap();
    let weights = resnetc::ir::Tensor::new([4, 4], vec![1.0; 16]).unwrap();
    let weights = graph.constant("w2", weights);
    let last = graph.add("last", Op::MatMul, &[powers, weights]).unwrap();
    graph.output("z", last);
    let overflowing = network(graph);
    let (code, message) = refused(&Quantizer::default(), &overflowing, vec![vec![vec![1e5; 8]]]);
    assert_eq!(code, ErrorCode::NotFinite);
    assert!(message.contains("\"powers\""), "{message}");
}

#[test]
fn weights_must_be_finite() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 1]);
    let weights = resnetc::ir::Tensor::new([1, 1], vec![f32::NAN]).unwrap();
    let weights = graph.constant("w", weights);
    let y = graph.add("fc", Op::MatMul, &[x, weights]).unwrap();
    graph.output("y", y);
    let wrong = network(graph);
    let (code, message) = refused(&Quantizer::default(), &wrong, vec![vec![vec![1.0]]]);
    assert_eq!(code, ErrorCode::NotFinite);
    assert!(message.contains("\"fc\""), "{message}");
}

#[test]
fn a_percentile_is_checked() {
    let one = network(product(8, 4, 1));
    let quantizer = Quantizer::default().method(Method::Percentile(20.0));
    assert_eq!(refused(&quantizer, &one, runs(&one, 1)).0, ErrorCode::Percentile);
}
