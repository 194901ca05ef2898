//! The passes: documented examples, refusals, whole pipelines, and random graphs that must mean the same.

#[path = "passes/bound.rs"]
mod bound;
#[path = "common/close.rs"]
mod close;
#[path = "passes/driver.rs"]
mod driver;
#[path = "passes/exact.rs"]
mod exact;
#[path = "passes/examples.rs"]
mod examples;
#[path = "passes/layouts.rs"]
mod layouts;
#[path = "passes/near/mod.rs"]
mod near;
#[path = "passes/random.rs"]
mod random;
#[path = "../ir/tests/common/random_graph.rs"]
mod random_graph;
#[path = "passes/refusals/mod.rs"]
mod refusals;
#[path = "passes/transposes.rs"]
mod transposes;
