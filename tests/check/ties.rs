//! Comparisons and orders: where the compared values are nearly equal, correct networks may go
//! either way, and wrong ones are still found.

use resnetc::check::{Check, CheckReport, Finding, Subject, random_values};
use resnetc::compile::compile_scheduled;
use resnetc::ir::expression::Step;
use resnetc::ir::op::{Binary, Conv, Pool, TopK, TopPart, Unary, Window};
use resnetc::ir::{Graph, NodeId, Op, Patch, Tensor};
use resnetc::{Compiler, Error, Model, Network, Options};

use crate::planted::options;

/// The weighted sum of the channels of "x", computed at once and in thirds; or, for values that are
/// far apart, another sum. Both are compared and sorted, and more is computed from the results.
fn sums(is_near: bool) -> Network {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 8, 9, 9]);
    let mut sum = |name: &str, weight: fn(usize) -> f32, factor: f32| {
        let weights = (0..8).map(|i| weight(i) / factor).collect();
        let weights = Tensor::new([1, 8, 1, 1], weights).expect("its size");
        let weights = graph.constant(format!("{name}.weights"), weights);
        let conv = Op::Conv(Conv::new(Window::square(1, 1, 0), 1));
        let y = graph.add(format!("{name}.conv"), conv, &[x, weights]).expect("it fits");
        let factor = graph.constant(format!("{name}.factor"), Tensor::scalar(factor));
        graph.add(name, Op::Binary(Binary::Mul), &[y, factor]).expect("it fits")
    };
    let first = sum("first", |i| 0.1 + i as f32, 1.0);
    let second = match is_near {
        true => sum("second", |i| 0.1 + i as f32, 3.0),
        false => sum("second", |i| 3.0 - i as f32, 3.0),
    };
    let mut add = |name: &str, op, operands: &[NodeId]| {
        let node = graph.add(name, op, operands).expect("it fits");
        graph.output(name, node);
        node
    };
    let less = add("less", Op::Binary(Binary::Less), &[first, second]);
    add("less_or_equal", Op::Binary(Binary::LessOrEqual), &[second, first]);
    add("equal", Op::Binary(Binary::Equal), &[first, second]);
    let both = add("both", Op::Concat { axis: 1 }, &[first, second]);
    let top = |largest| Op::TopK(TopK { axis: 1, k: 1, largest, part: TopPart::Indices });
    let greatest = add("greatest", top(true), &[both]);
    add("smallest", top(false), &[both]);
    add("behind", Op::Binary(Binary::Mul), &[less, first]);
    add("count", Op::GlobalAveragePool, &[greatest]);
    Compiler::new(options()).graph(graph).expect("it is a graph")
}

fn compare(network: &Network, seed: u64, subject: Subject<'_>) -> CheckReport {
    let inputs = random_values(network.graph(), seed).expect("it is small");
    let check = Check::new(network, &inputs).expect("inputs").subject(subject);
    check.compare(&mut |_, _| {}).expect("it can be compared")
}

#[test]
fn what_is_nearly_equal_may_go_either_way() {
    for is_near in [true, false] {
        for seed in 0..3 {
            let report = compare(&sums(is_near), seed, Subject::default());
            let first = report.first_above();
            assert!(report.passed(), "{is_near}, {seed}: {:?}, {first:?}", report.findings);
        }
    }
}

/// Compiles "less" with its operands swapped, and the largest as the smallest.
fn turned_round(mut graph: Graph, options: &Options) -> Result<Model, Error> {
    for node in graph.topo() {
        let mut operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
        let n = graph.node(node);
        let wrong = match n.op {
            Op::Binary(Binary::Less) => {
                operands.reverse();
                n.op.clone()
            }
            Op::TopK(top) => Op::TopK(TopK { largest: !top.largest, ..top }),
            _ => continue,
        };
        let layout = n.ty.layout;
        let mut patch = Patch::new("turn round");
        let value = patch.add(n.name.clone(), wrong, &operands);
        patch.set_layout(value, layout);
        patch.replace(node, value);
        graph.apply(patch).expect("the shapes stay");
    }
    compile_scheduled(graph, options)
}

#[test]
fn what_is_far_apart_may_not() {
    let report = compare(&sums(false), 0, Subject { compile: &turned_round, ..Subject::default() });
    let found: Vec<&str> = report
        .layers
        .iter()
        .filter(|l| l.difference.is_above(report.tolerance))
        .map(|l| l.name.as_str())
        .collect();
    assert!(!report.passed(), "{:?}", report.findings);
    for name in ["less", "greatest", "smallest"] {
        assert!(found.iter().any(|layer| layer.contains(name)), "{name}: {found:?}");
    }
}

/// What gradients decide by nearly equal values: a ReLU's by whether a difference of sums is above 0,
/// which is 0 but for rounding or far from it; a maximum pool's by which of the sums is the largest of a column.
fn decisions() -> Network {
    let network = sums(true);
    let mut graph = network.graph().clone();
    let all: Vec<String> = graph.outputs().iter().map(|output| output.name.clone()).collect();
    graph.keep_outputs(&[]);
    let node = |graph: &Graph, name: &str| {
        let found = graph.topo().into_iter().rfind(|&node| graph.node(node).name == name);
        found.unwrap_or_else(|| panic!("no {name}, besides {all:?}"))
    };
    let (first, second) = (node(&graph, "first"), node(&graph, "second"));
    let mut add =
        |name: &str, op, operands: &[NodeId]| graph.add(name, op, operands).expect("fits");
    let clip = Op::Unary(Unary::Clip { lo: -1e3, hi: 1.0 });
    let at_most = add("at_most", clip, &[second]);
    let difference = add("difference", Op::Binary(Binary::Sub), &[first, at_most]);
    let columns = add("columns", Op::Concat { axis: 2 }, &[first, second]);
    let zero = graph.constant("zero", Tensor::scalar(0.0));
    let dy = graph.input("dy", [1, 1, 9, 9]);
    let dmax = graph.input("dmax", [1, 1, 1, 9]);
    let mut add =
        |name: &str, op, operands: &[NodeId]| graph.add(name, op, operands).expect("fits");
    let is_none = add("is_none", Op::Binary(Binary::LessOrEqual), &[difference, zero]);
    let dx = add("dx", Op::Where, &[is_none, zero, dy]);
    let scaled = add("scaled", Op::Binary(Binary::Mul), &[dx, dy]);
    let window = Window { kernel: [18, 1], ..Window::square(1, 1, 0) };
    let pool = Pool { window, ceil_mode: false };
    let dcolumns = add("dcolumns", Op::MaxPoolSource(pool), &[dmax, columns]);
    for (name, node) in [("difference", difference), ("scaled", scaled), ("dcolumns", dcolumns)] {
        graph.output(name, node);
    }
    Compiler::new(options()).graph(graph).expect("it is a graph")
}

#[test]
fn gradients_may_decide_either_way() {
    let network = decisions();
    for seed in 0..6 {
        let report = compare(&network, seed, Subject::default());
        let first = report.first_above();
        assert!(report.passed(), "{seed}: {:?}, {first:?}", report.findings);
    }
}

/// Compiles gradients of ReLUs that are those of the other side.
fn inverted(mut graph: Graph, options: &Options) -> Result<Model, Error> {
    for node in graph.topo() {
        let n = graph.node(node);
        let Op::Pointwise(expression) = &n.op else { continue };
        let mut wrong = expression.clone();
        for step in &mut wrong.steps {
            if let Step::Where([_, x, y]) = step {
                std::mem::swap(x, y);
            }
        }
        let operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
        let layout = n.ty.layout;
        let mut patch = Patch::new("invert");
        let value = patch.add(n.name.clone(), Op::Pointwise(wrong), &operands);
        patch.set_layout(value, layout);
        patch.replace(node, value);
        graph.apply(patch).expect("the shapes stay");
    }
    compile_scheduled(graph, options)
}

#[test]
fn gradients_of_the_wrong_side_are_found() {
    let subject = Subject { compile: &inverted, ..Subject::default() };
    let report = compare(&decisions(), 0, subject);
    assert!(report.findings.contains(&Finding::Layer), "{:?}", report.findings);
}
