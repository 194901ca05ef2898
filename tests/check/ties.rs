//! Comparisons and orders: where the compared values are nearly equal, correct networks may go
//! either way, and wrong ones are still found.

use resnetc::check::{Check, CheckReport, Subject, random_values};
use resnetc::compile::compile_scheduled;
use resnetc::ir::op::{Binary, Conv, TopK, TopPart, Window};
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
