//! What has no gradient is refused by name.

use resnetc::ErrorCode;
use resnetc::gradient::{GradientError, gradients};
use resnetc_ir::op::{Pool, Quantize, Requantize, TopK, TopPart, Window};
use resnetc_ir::{DType, Graph, NodeId, Op, TensorType};

/// Adds the mean of a value.
fn mean(graph: &mut Graph, value: NodeId) -> NodeId {
    let axes = (0..graph.node(value).ty.shape.len()).collect();
    graph.add("loss", Op::ReduceMean { axes, keep_dims: false }, &[value]).expect("it fits")
}

fn refused(graph: &mut Graph, loss: NodeId, at: NodeId) -> GradientError {
    let error = gradients(graph, loss, &[at]).expect_err("it has no gradient");
    assert_eq!(error.code(), ErrorCode::NoGradient, "{error}");
    error
}

#[test]
fn a_loss_is_one_number() {
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 3]);
    let error = refused(&mut graph, x, x);
    assert!(error.to_string().contains("the loss x is f32[2, 3], not a single number"), "{error}");
    let mut graph = Graph::new();
    let x = graph.input_of("count", TensorType::of(DType::I32, [1]));
    assert!(refused(&mut graph, x, x).to_string().contains("count is i32[1]"));
}

#[test]
fn operators_without_a_rule_are_named() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 2, 4, 4]);
    let top = TopK { axis: 1, k: 1, largest: true, part: TopPart::Values };
    let best = graph.add("best", Op::TopK(top), &[x]).expect("it fits");
    let loss = mean(&mut graph, best);
    let error = refused(&mut graph, loss, x);
    assert!(error.to_string().starts_with("top_values best: "), "{error}");

    let to = Quantize { scale: 0.5, result: Requantize { to: DType::U8, zero: 3, lo: 0, hi: 255 } };
    let bytes = graph.add("bytes", Op::Quantize(to), &[x]).expect("it fits");
    let from = resnetc_ir::op::Dequantize { scale: 0.5, zero: 3 };
    let floats = graph.add("floats", Op::Dequantize(from), &[bytes]).expect("it fits");
    let loss = mean(&mut graph, floats);
    assert!(refused(&mut graph, loss, x).to_string().contains("train the network in f32"));

    let pool = Pool { window: Window::square(2, 2, 0), ceil_mode: false };
    let y = graph.add("pool", Op::MaxPool(pool), &[x]).expect("it fits");
    let square = graph.add("square", Op::Binary(resnetc_ir::op::Binary::Mul), &[y, y]);
    let loss = mean(&mut graph, square.expect("it fits"));
    let first = gradients(&mut graph, loss, &[x]).expect("it has a gradient")[0];
    let size = mean(&mut graph, first);
    assert!(refused(&mut graph, size, x).to_string().contains("second derivatives"));

    let mut graph = Graph::new();
    let (scores, target) = (graph.input("scores", [2, 3]), graph.input("target", [2, 3]));
    let losses = graph.add("losses", Op::CrossEntropy, &[scores, target]).expect("it fits");
    let loss = mean(&mut graph, losses);
    gradients(&mut graph, loss, &[scores]).expect("it has a gradient");
    assert!(refused(&mut graph, loss, target).to_string().contains("its target"));
}

/// What nothing depends on has a gradient of zeros, and operators in between do not matter.
#[test]
fn values_without_influence_have_a_gradient_of_zeros() {
    let mut graph = Graph::new();
    let (x, other) = (graph.input("x", [3]), graph.input("other", [2, 2]));
    let loss = mean(&mut graph, x);
    let found = gradients(&mut graph, loss, &[other, x]).expect("it has a gradient");
    let zeros = graph.constant_of(found[0]).expect("a constant");
    assert_eq!((zeros.shape(), zeros.data()), (&[2, 2][..], &[0.0; 4][..]));
    assert_eq!(graph.node(found[1]).ty.shape, [3]);
}
