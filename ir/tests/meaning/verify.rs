//! Each invariant that can be broken from outside the crate, broken.

use resnetc_ir::op::Unary;
use resnetc_ir::text::parse;
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, Layout, NodeId, Op, Patch};

const RELU: Op = Op::Unary(Unary::Relu);

/// `relu(input)` of this shape.
fn small(shape: &[usize]) -> (Graph, NodeId, NodeId) {
    let mut graph = Graph::new();
    let x = graph.input("x", shape);
    let y = graph.add("y", RELU, &[x]).expect("type-checks");
    graph.output("out", y);
    (graph, x, y)
}

#[track_caller]
fn broken(graph: &Graph, invariants: &[u8]) -> String {
    let errors = verify(graph).expect_err("an invariant is broken");
    let numbers: Vec<u8> = errors.0.iter().map(|e| e.invariant).collect();
    assert_eq!(numbers, invariants, "{errors}");
    errors.to_string()
}

fn mark(graph: &mut Graph, node: NodeId, layout: Layout) {
    let mut patch = Patch::new("mark");
    patch.set_layout(node, layout);
    graph.apply(patch).expect("changes no shape");
}

#[test]
fn sound() {
    assert_eq!(verify(&small(&[1, 4, 2, 2]).0), Ok(()));
}

#[test]
fn cycle() {
    let (mut graph, _, y) = small(&[4]);
    let z = graph.add("z", RELU, &[y]).expect("type-checks");
    let mut patch = Patch::new("y becomes what is computed from it");
    patch.replace(y, z);
    graph.apply(patch).expect("changes no shape");
    broken(&graph, &[1]);
    // Nothing that prints or runs a graph may hang or panic on it.
    assert!(resnetc_ir::eval::eval(&graph, &[]).is_err());
    let x = resnetc_ir::eval::Value::new(vec![4], vec![0.0; 4]);
    let error = resnetc_ir::eval::eval(&graph, &[x]).expect_err("has no value");
    assert!(error.to_string().contains("depends on its own result"), "{error}");
    assert!(parse(&resnetc_ir::text::print(&graph)).is_err());
    assert!(!resnetc_ir::dot::dot(&graph).is_empty());
}

#[test]
fn limits() {
    // An input is not inferred, so the graph accepts any; its users do not.
    let mut graph = Graph::new();
    let x = graph.input("x", [3, 0]);
    graph.output("out", x);
    let message = broken(&graph, &[4]);
    assert!(message.contains("%0 input \"x\""), "{message}");
    assert!(graph.add("y", RELU, &[x]).is_err());
}

#[test]
fn layout() {
    let (mut graph, x, y) = small(&[1, 4, 2]);
    mark(&mut graph, y, Layout::Blocked);
    broken(&graph, &[5]);
    mark(&mut graph, x, Layout::Blocked);
    broken(&graph, &[5, 7, 5]);
    let (mut graph, _, y) = small(&[1, 4, 2, 2]);
    mark(&mut graph, y, Layout::Blocked);
    assert_eq!(verify(&graph), Ok(()));
    let z = graph.add("z", Op::Reorder(Layout::Planar), &[y]).expect("type-checks");
    mark(&mut graph, z, Layout::Blocked);
    broken(&graph, &[6]);
}

#[test]
fn outputs() {
    let mut graph = Graph::new();
    graph.input("x", [1]);
    broken(&graph, &[10]);
    let (mut other, _, foreign) = small(&[1]);
    other.add("z", RELU, &[foreign]).expect("type-checks");
    graph.output("out", foreign);
    let message = broken(&graph, &[10]);
    assert!(message.contains("output \"out\": %1"), "{message}");
    let x = resnetc_ir::eval::Value::new(vec![1], vec![0.0]);
    assert!(resnetc_ir::eval::eval(&graph, &[x]).is_err());
    assert!(!resnetc_ir::text::print(&graph).is_empty());
    assert!(!resnetc_ir::dot::dot(&graph).is_empty());
}
