//! Rewrites: what a patch changes, cleans up, and refuses as a whole.

use std::sync::Arc;

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::text::{parse, print};
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, NodeId, Op, Patch, PatchError, Tensor};

const RELU: Op = Op::Unary(Unary::Relu);

fn graph() -> Graph {
    parse(
        r#"
        %0 = input : f32[2] "x"
        %1 = constant [1, 2] "w"
        %2 = mul(%0, %1) "scaled"
        %3 = relu(%2) "y"
        output "y" = %3
        "#,
    )
    .expect("parses")
}

fn named(graph: &Graph, name: &str) -> NodeId {
    graph.nodes().find(|&id| graph.node(id).name == name).expect("the graph has it")
}

#[test]
fn replacement_removes_what_is_no_longer_used() {
    let mut graph = graph();
    let before = graph.len();
    let mut patch = Patch::new("double instead of scale");
    let x = named(&graph, "x");
    let sum = patch.add("sum", Op::Binary(Binary::Add), &[x.into(), x.into()]);
    let scaled = named(&graph, "scaled");
    patch.replace(scaled, sum);
    let change = graph.apply(patch).expect("type-checks");
    let sum = named(&graph, "sum");
    assert_eq!((&change.added, &change.replaced), (&vec![sum], &vec![(scaled, sum)]));
    assert!(change.removed.iter().all(|(id, _)| !graph.contains(*id)));
    assert_eq!(change.removed.len() + graph.len(), before + change.added.len());
    assert_eq!(verify(&graph), Ok(()));
    let want = "%0 = input : f32[2] \"x\"\n%1 = add(%0, %0) : f32[2] \"sum\"\n\
                %2 = relu(%1) : f32[2] \"y\"\noutput \"y\" = %2\n";
    assert_eq!(print(&graph), want);
}

#[test]
fn a_new_node_may_use_what_it_replaces() {
    let mut graph = graph();
    let y = named(&graph, "y");
    let mut patch = Patch::new("twice");
    let again = patch.add("again", RELU, &[y.into()]);
    patch.replace(y, again);
    graph.apply(patch).expect("type-checks");
    assert_eq!(verify(&graph), Ok(()));
    let output = graph.outputs()[0].node;
    assert_eq!(graph.node(output).name, "again");
    assert_eq!(graph.operands(output), [y]);
}

#[test]
fn a_wrong_patch_changes_nothing() {
    let mut graph = graph();
    let before = print(&graph);
    let (x, y) = (named(&graph, "x"), named(&graph, "y"));
    let mut patch = Patch::new("another shape");
    let shape = vec![1, 2];
    let new = patch.add("new", Op::Reshape { shape }, &[x.into()]);
    patch.replace(y, new);
    let error = graph.apply(patch).expect_err("the shape differs");
    assert!(matches!(error, PatchError::Replaced { node, .. } if node == y), "{error}");
    assert_eq!(print(&graph), before);
    let mut patch = Patch::new("no such axis");
    let constant = patch.constant("c", Tensor::scalar(1.0));
    let fine = patch.add("fine", Op::Binary(Binary::Add), &[x.into(), constant]);
    let wrong = patch.add("wrong", Op::Softmax { axis: 1 }, &[fine]);
    patch.replace(y, wrong);
    let error = graph.apply(patch).expect_err("the axis does not exist");
    assert!(error.to_string().contains("softmax \"wrong\": axis 1"), "{error}");
    assert_eq!(print(&graph), before);
}

#[test]
fn constants_are_shared_and_released() {
    let mut graph = graph();
    let w = named(&graph, "w");
    let tensor = Arc::clone(graph.constant_of(w).expect("a constant"));
    let copy = graph.clone();
    assert_eq!(Arc::strong_count(&tensor), 3);
    let mut patch = Patch::new("pass x on");
    patch.replace(named(&graph, "scaled"), Value::Old(named(&graph, "x")));
    graph.apply(patch).expect("type-checks");
    assert!(!graph.contains(w));
    assert_eq!(Arc::strong_count(&tensor), 2);
    drop(copy);
    assert_eq!(Arc::strong_count(&tensor), 1);
}

#[test]
fn constants_are_added_through_their_own_function() {
    let source = graph();
    let Op::Constant(id) = source.node(named(&source, "w")).op else { unreachable!("a constant") };
    let mut graph = graph();
    assert!(graph.add("copy", Op::Constant(id), &[]).is_err());
    assert!(graph.add("input", Op::Input, &[]).is_err());
}
