//! Random graphs, whose constants are values like the others.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use resnetc_testing::cases::with_cases;
use resnetc_testing::random_graph::random_graph;

use crate::difference::{Found, compare, opened};

#[test]
fn gradients_are_limits_of_differences() {
    let (all, corners) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(with_cases(300));
    let cases = (random_graph(1..10), any::<u64>());
    let checked = runner.run(&cases, |(random, seed)| {
        let (graph, values) = opened(&random.graph, &random.inputs(), seed);
        all.set(all.get() + 1);
        match compare(&graph, &values, seed) {
            Found::Equal => Ok(()),
            Found::Corner => {
                corners.set(corners.get() + 1);
                Ok(())
            }
            different => Err(TestCaseError::fail(format!("{different:?}"))),
        }
    });
    checked.expect("gradients are right");
    assert!(corners.get() * 10 <= all.get(), "{} of {} have corners", corners.get(), all.get());
}
