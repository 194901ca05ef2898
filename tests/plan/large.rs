//! Networks of as many nodes as a description may have: every stage up to the proof of the plan
//! takes time in what is there, not in its square. Where it does not, these tests take hours.

use resnetc::Options;
use resnetc::compile::{self, Choices};
use resnetc::ir::op::{Binary, Unary};
use resnetc::ir::{Graph, NodeId, Op, Tensor};
use resnetc::plan::verify::verify;
use resnetc::plan::{Plan, Reuse};

const NODES: usize = 60_000;

/// Through the pipeline, planned and proved.
fn planned(mut graph: Graph, reuse: Reuse) -> (Graph, Plan) {
    compile::schedule(&mut graph, &Options::default()).expect("passes");
    let plan = compile::plan(&graph, &Choices::default(), reuse);
    assert_eq!(verify(&graph, &plan), Ok(()));
    (graph, plan)
}

fn chain(op: impl Fn(usize) -> Op) -> Graph {
    let mut graph = Graph::new();
    let mut y = graph.input("x", [1, 16]);
    for i in 0..NODES {
        y = graph.add(format!("n{i}"), op(i), &[y]).expect("valid");
    }
    graph.output("y", y);
    graph
}

#[test]
fn a_chain_of_functions() {
    for reuse in [Reuse::InPlace, Reuse::Freed, Reuse::Never] {
        let (_, plan) = planned(chain(|_| Op::Unary(Unary::Sigmoid)), reuse);
        let buffers = match reuse {
            Reuse::InPlace => 2,
            Reuse::Freed => 3,
            Reuse::Never => NODES + 1,
        };
        assert_eq!(plan.peak, buffers * 64, "{reuse:?}");
    }
}

#[test]
fn a_chain_of_reshapes() {
    let shapes = [vec![16, 1], vec![4, 4]];
    let (graph, _) =
        planned(chain(|i| Op::Reshape { shape: shapes[i % 2].clone() }), Reuse::InPlace);
    assert!(graph.topo().len() < 3, "they become one");
}

/// All of them are alive at once: half of the nodes read the input, the others add them up in the
/// order in which they come.
#[test]
fn a_fan() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 16]);
    let leaf = |graph: &mut Graph, i: usize| {
        let lo = i as f32;
        graph
            .add(format!("n{i}"), Op::Unary(Unary::Clip { lo, hi: lo + 1.0 }), &[x])
            .expect("valid")
    };
    let leaves: Vec<NodeId> = (0..NODES / 2).map(|i| leaf(&mut graph, i)).collect();
    let add = |graph: &mut Graph, a, b| graph.add("sum", Op::Binary(Binary::Add), &[a, b]);
    let sum = leaves.iter().rev().copied().reduce(|a, b| add(&mut graph, a, b).expect("valid"));
    graph.output("y", sum.expect("leaves"));
    // The first and the last of them are needed at the end.
    leaves.iter().step_by(7).enumerate().for_each(|(i, &leaf)| graph.output(format!("l{i}"), leaf));
    planned(graph, Reuse::InPlace);
}

/// As many inputs as outputs, each of which must not lie on any input.
#[test]
fn inputs_and_outputs() {
    let mut graph = Graph::new();
    for i in 0..NODES / 2 {
        let x = graph.input(format!("x{i}"), [1, 16]);
        let y = graph.add(format!("n{i}"), Op::Unary(Unary::Abs), &[x]).expect("valid");
        graph.output(format!("y{i}"), y);
    }
    let (_, plan) = planned(graph, Reuse::InPlace);
    assert_eq!(plan.peak, NODES * 64);
}

/// Exporters repeat a constant for every node that reads it. All copies become one.
#[test]
fn a_chain_with_copies_of_a_constant() {
    let mut graph = Graph::new();
    let mut y = graph.input("x", [1, 16]);
    for i in 0..NODES / 3 {
        let half = graph.constant("half", Tensor::scalar(0.5));
        y = graph.add(format!("m{i}"), Op::Binary(Binary::Max), &[y, half]).expect("valid");
        y = graph.add(format!("s{i}"), Op::Unary(Unary::Sigmoid), &[y]).expect("valid");
    }
    graph.output("y", y);
    let (graph, _) = planned(graph, Reuse::InPlace);
    let constants = graph.nodes().filter(|&id| graph.constant_of(id).is_some()).count();
    assert_eq!(constants, 1);
}

/// The same function of the same value, again and again: it is computed once.
#[test]
fn copies_of_a_function() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 16]);
    let mut y = x;
    for i in 0..NODES / 2 {
        let leaf = graph.add(format!("n{i}"), Op::Unary(Unary::Sigmoid), &[x]).expect("valid");
        y = graph.add(format!("s{i}"), Op::Binary(Binary::Sub), &[y, leaf]).expect("valid");
    }
    graph.output("y", y);
    let (graph, _) = planned(graph, Reuse::InPlace);
    let is_sin = |id: &NodeId| graph.node(*id).op == Op::Unary(Unary::Sigmoid);
    assert_eq!(graph.nodes().filter(is_sin).count(), 1);
}
