//! Properties that hold for every graph.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use resnetc_ir::dot::dot;
use resnetc_ir::eval::{eval, eval_each, eval_node};
use resnetc_ir::text::{constants, parse, parse_with, print};
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, Op, OpKind};
use resnetc_testing::coverage::{Occurs, both, occurs};

/// The graph read back from its own text.
fn reread(graph: &Graph) -> Graph {
    let table = constants(graph);
    parse_with(&print(graph), &|hash| table.get(&hash).cloned()).expect("printed text parses")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_graphs_verify((random, _) in both(0..12)) {
        prop_assert_eq!(verify(&random.graph), Ok(()));
    }

    #[test]
    fn inferred_and_evaluated_shapes_agree((random, _) in both(0..12)) {
        let mut seen = 0;
        let outputs = eval_each(&random.graph, &random.inputs(), &mut |id, _, value| {
            seen += 1;
            assert_eq!(value.ty(), random.graph.node(id).ty);
            assert!(value.data.iter().all(|&x| value.dtype.contains(x)));
            assert_eq!(value.data.len(), value.shape.iter().product::<usize>());
        });
        prop_assert_eq!(outputs.expect("evaluates").len(), random.graph.outputs().len());
        prop_assert_eq!(seen, random.graph.len());
    }

    #[test]
    fn text_reads_back((random, _) in both(0..12)) {
        let reread = reread(&random.graph);
        prop_assert_eq!(print(&reread), print(&random.graph));
        prop_assert_eq!(verify(&reread), Ok(()));
        let (a, b) = (eval(&random.graph, &random.inputs()), eval(&reread, &random.inputs()));
        // Compared as text: NaN differs from itself.
        prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }

    #[test]
    fn dot_has_every_computed_value((random, _) in both(0..12)) {
        let text = dot(&random.graph);
        for id in random.graph.nodes() {
            let collapsed = matches!(random.graph.node(id).op, Op::Constant(_));
            let box_of_id = format!("n{} [", id.index());
            prop_assert!(collapsed || text.contains(&box_of_id));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_mutation_of_a_text_makes_the_parser_panic(
        (random, _) in both(0..8),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4usize), 1..4),
    ) {
        let mut text: Vec<char> = print(&random.graph).chars().collect();
        for (at, from, length) in edits {
            let (at, from) = (at.index(text.len()), from.index(text.len()));
            let piece: Vec<char> = text[from..text.len().min(from + length)].to_vec();
            text.splice(at..text.len().min(at + 1), piece);
        }
        let table = constants(&random.graph);
        let mutated: String = text.into_iter().collect();
        if let Ok(graph) = parse_with(&mutated, &|hash| table.get(&hash).cloned()) {
            let _ = print(&graph);
            let _ = verify(&graph);
        }
    }

    #[test]
    fn operators_on_foreign_operands_fail_without_a_panic((a, _) in both(1..6), (b, _) in both(1..6)) {
        let mut values = Vec::new();
        let collected = eval_each(&a.graph, &a.inputs(), &mut |_, _, value| values.push(value.clone()));
        prop_assert!(collected.is_ok());
        for id in b.graph.nodes() {
            let count = b.graph.operands(id).len().max(1);
            for operands in values.windows(count) {
                let _ = eval_node(&b.graph.node(id).op, &operands.iter().collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn every_operator_occurs_where_it_is_said_to() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeSet<(OpKind, bool)> = BTreeSet::new();
    for _ in 0..2000 {
        let (random, among) = both(4..12).new_tree(&mut runner).expect("there is one").current();
        let kinds = random.graph.nodes().map(|id| random.graph.node(id).op.kind());
        seen.extend(kinds.map(|kind| (kind, among == Occurs::Floats)));
    }
    for &kind in OpKind::ALL {
        let (floats, integers) = (seen.contains(&(kind, true)), seen.contains(&(kind, false)));
        let as_said = match occurs(kind) {
            Occurs::Floats => floats,
            Occurs::Integers => integers && !floats,
            Occurs::Never => !integers && !floats,
        };
        assert!(as_said, "{kind:?}: {:?}, seen {floats} {integers}", occurs(kind));
    }
}

#[test]
fn kinds_know_their_names() {
    for &kind in OpKind::ALL {
        assert!(kind.names().iter().all(|name| OpKind::by_name(name) == Some(kind)), "{kind:?}");
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let (random, _) = both(4..12).new_tree(&mut runner).expect("there is one").current();
        for id in random.graph.nodes() {
            let op = &random.graph.node(id).op;
            assert!(op.kind().names().contains(&op.name()), "{op:?}");
        }
    }
}
