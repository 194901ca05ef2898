//! The output of `dump --stage graph|fused|scheduled` reads back as the same graph.

use std::collections::HashMap;

use proptest::prelude::*;
use resnetc::Compiler;
use resnetc::ir::eval::eval;
use resnetc::ir::text::{constants, parse_with, print};
use resnetc::ir::verify::verify;
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::passes::{PassOptions, Stage, run};
use resnetc::spec::Spec;

use crate::planted::{fixture, options};
use resnetc_testing::random_graph::random_graph;

/// Asserts that two graphs differ at most in the numbers of nodes and constants.
fn assert_same(a: &Graph, b: &Graph) {
    let (left, right) = (a.topo(), b.topo());
    assert_eq!((left.len(), a.outputs().len()), (right.len(), b.outputs().len()));
    let twin: HashMap<NodeId, NodeId> = left.iter().copied().zip(right.iter().copied()).collect();
    for (&x, &y) in left.iter().zip(&right) {
        let (m, n) = (a.node(x), b.node(y));
        assert_eq!((&m.name, &m.ty), (&n.name, &n.ty));
        let operands: Vec<NodeId> = a.operands(x).iter().map(|o| twin[o]).collect();
        assert_eq!(operands, b.operands(y), "{}", m.name);
        match (a.constant_of(x), b.constant_of(y)) {
            (None, None) => assert_eq!(format!("{:?}", m.op), format!("{:?}", n.op)),
            (Some(s), Some(t)) => {
                let same =
                    |(p, q): (&f32, &f32)| p.to_bits() == q.to_bits() || p.is_nan() && q.is_nan();
                assert!(
                    s.shape() == t.shape() && s.data().iter().zip(t.data()).all(same),
                    "{}",
                    m.name
                );
            }
            _ => panic!("one of {} and {} is a constant", m.name, n.name),
        }
    }
    for (x, y) in a.outputs().iter().zip(b.outputs()) {
        assert_eq!((&x.name, twin[&x.node]), (&y.name, y.node));
    }
}

/// The graph read from its own text, after checking that it is the same.
fn reread(graph: &Graph) -> Graph {
    let (text, table) = (print(graph), constants(graph));
    let reread = parse_with(&text, &|hash| table.get(&hash).cloned()).expect("it reads back");
    assert_eq!(verify(&reread), Ok(()));
    assert_same(graph, &reread);
    assert_eq!(print(&reread), text);
    reread
}

/// The graph before all passes, after the fusion passes, and after all.
fn stages(graph: &Graph) -> [Graph; 3] {
    let behind = |until| {
        let mut graph = graph.clone();
        run(&mut graph, &PassOptions { until, ..PassOptions::default() }).expect("the passes run");
        graph
    };
    [graph.clone(), behind(Some(Stage::Fused)), behind(None)]
}

#[test]
fn the_stages_of_small_built_in_networks_read_back() {
    let mut found = 0;
    for name in Spec::builtin_names().filter(|n| n.starts_with("cifar")) {
        let spec = Spec::builtin(name).expect("a built-in network");
        if spec.layers.iter().sum::<usize>() > 30 {
            continue;
        }
        let network = Compiler::new(options()).spec(&spec).expect(name);
        stages(network.graph()).iter().map(reread).for_each(drop);
        found += 1;
    }
    assert!(found >= 2, "{found} networks are small");
}

#[test]
fn the_stages_of_imported_networks_read_back() {
    // Exporters' names, projections, gates, borders, pre-activation.
    for name in ["resnet_bottleneck_v15", "seresnet", "resnetblur", "resnetv2_preact", "highway"] {
        let graphs = stages(fixture(name).graph());
        graphs.iter().map(reread).for_each(drop);
        let blocked = |g: &Graph| g.nodes().any(|n| matches!(g.node(n).op, Op::Reorder(_)));
        assert_eq!(graphs.each_ref().map(blocked), [false, false, true], "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_stages_of_random_graphs_read_back(random in random_graph(1..12)) {
        for graph in stages(&random.graph) {
            let evaluated = [&graph, &reread(&graph)].map(|g| eval(g, &random.inputs()));
            // Compared as text: NaN differs from itself.
            let [text, again] = evaluated.map(|values| format!("{values:?}"));
            prop_assert_eq!(text, again);
        }
    }
}
