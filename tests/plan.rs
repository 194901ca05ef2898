//! Memory plans: those that are broken are refused, each for its own reason, and those that are accepted compute what they
//! should.

#[path = "plan/broken.rs"]
mod broken;
#[path = "plan/mutated.rs"]
mod mutated;
#[path = "plan/planned.rs"]
mod planned;
#[path = "../ir/tests/common/random_graph.rs"]
mod random_graph;
#[path = "plan/ranges.rs"]
mod ranges;
