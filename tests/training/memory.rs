//! Steps within a limit of memory: values that are computed again are the same.

use proptest::prelude::*;
use resnetc::spec::{Block, Shortcut, Spec, Stem, StemPool};
use resnetc::training::Recipe;
use resnetc::{Compiler, Error, ErrorCode, Model, Options};
use resnetc_ir::Graph;
use resnetc_testing::cases::with_cases;
use resnetc_testing::family::Case;

use crate::compiled::{given, run};
use crate::support::{Values, drawn};

fn compiled(graph: &Graph, memory: Option<usize>) -> Result<Model, Error> {
    let options = Options::default().threads(2).memory(memory);
    Compiler::new(options).graph(graph.clone())?.compile()
}

/// The least limit, as the error for a smaller one says it.
fn least(graph: &Graph) -> usize {
    match compiled(graph, Some(1)) {
        Err(Error::MemoryLimit { limit: 1, least }) => least,
        other => panic!("it is refused for its memory, not: {other:?}"),
    }
}

/// Compares steps within limits with the one that keeps everything.
fn check(name: &str, graph: &Graph, given: &Values) -> [usize; 2] {
    let full = compiled(graph, None).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected = run(&full, given);
    let (most, least) = (full.report().arena_bytes, least(graph));
    let limits = [most, most - 1, least.midpoint(most), least];
    for limit in limits.into_iter().filter(|&limit| limit >= least) {
        let model = compiled(graph, Some(limit)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let arena = model.report().arena_bytes;
        assert!(arena <= limit, "{name}: {arena} bytes, {limit} are allowed");
        assert!(run(&model, given) == expected, "{name}: other results within {limit} bytes");
        let found = model.report().for_gradients.expect("it is a step");
        assert_eq!(found.again.count > 0, limit < most, "{name}: {found:?}");
    }
    let refused = compiled(graph, Some(least - 1)).expect_err("it is less than the least");
    assert_eq!(refused.code(), ErrorCode::MemoryLimit);
    [most, least]
}

#[test]
fn steps_of_the_family_are_the_same_within_any_limit() {
    let some =
        ["cifar20_a", "highway", "preact", "resnet_bottleneck_v1", "resnet_d", "seresnet", "vgg"];
    for case in [Case::described(), Case::exported()].concat() {
        if !some.iter().any(|name| case.name.contains(name)) {
            continue;
        }
        let mut spec = case.spec.clone();
        (spec.input.height, spec.input.width) = (32, 32);
        let graph = Recipe::new(3).step(&spec).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        check(&case.name, &graph, &given(&graph, &case));
    }
}

/// Networks of blocks that are alike: what must be kept grows with the root of their number.
#[test]
fn deep_networks_need_a_fraction() {
    for is_plain in [false, true] {
        let mut spec = Spec::new(Block::Basic, [16], [16]);
        (spec.input.height, spec.input.width, spec.classes) = (32, 32, 4);
        spec.stem = Stem { channels: 16, kernel: 3, stride: 1, pool: StemPool::None, ..spec.stem };
        spec.shortcut = if is_plain { Shortcut::None } else { Shortcut::B };
        let graph = Recipe::new(8).step(&spec).expect("it has gradients");
        let full = compiled(&graph, None).expect("it compiles").report().arena_bytes;
        let least = least(&graph);
        assert!(4 * least < full, "plain: {is_plain}, {least} of {full} bytes");
    }
}

#[test]
fn a_network_that_is_not_trained_needs_what_it_needs() {
    let graph = Spec::new(Block::Basic, [1], [8]);
    let network = |memory| Compiler::new(Options::default().memory(memory)).spec(&graph);
    let compiled = |memory: usize| network(memory).and_then(|network| network.compile());
    let model = compiled(usize::MAX).expect("no limit");
    let bytes = model.report().arena_bytes;
    assert!(compiled(bytes).is_ok());
    match compiled(bytes - 1) {
        Err(error @ Error::MemoryLimit { least, .. }) => {
            assert_eq!(least, bytes);
            let message = error.to_string();
            assert!(message.contains(&format!("{bytes} bytes")), "{message}");
        }
        other => panic!("it needs {bytes} bytes: {other:?}"),
    }
}

proptest! {
    #![proptest_config(with_cases(6))]

    #[test]
    fn any_network_within_any_limit(
        blocks in proptest::collection::vec(1usize..4, 1..3),
        is_plain: bool,
        is_bottleneck: bool,
        size in 7usize..20,
        batch in 1usize..6,
    ) {
        let block = if is_bottleneck { Block::Bottleneck } else { Block::Basic };
        let channels: Vec<usize> = (0..blocks.len()).map(|stage| 12 << stage).collect();
        let mut spec = Spec::new(block, blocks, channels);
        (spec.input.height, spec.input.width, spec.classes) = (size, size, 3);
        spec.shortcut = if is_plain { Shortcut::None } else { Shortcut::B };
        let graph = Recipe::new(batch).step(&spec).expect("it has gradients");
        let value = |&id: &_| {
            let node = graph.node(id);
            let numbers = drawn(5, node.ty.elements());
            let is_positive = node.name.ends_with("var") || node.name == "rate";
            let is_label = node.name == resnetc::training::names::LABELS;
            let number = |x: f64| match (is_label, is_positive) {
                (true, _) => f64::from(u8::from(x > 0.0)),
                (_, true) => x.abs() + 0.1,
                _ => x,
            };
            let data = numbers.into_iter().map(number).collect();
            (node.name.clone(), resnetc_ir::eval::Value::new(node.ty.shape.clone(), data))
        };
        let given: Values = graph.inputs().iter().map(value).collect();
        check("a random network", &graph, &given);
    }
}
