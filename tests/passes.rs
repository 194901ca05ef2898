//! The passes: documented examples, refusals, whole pipelines, and random graphs that must mean the same.

#[path = "passes/examples.rs"]
mod examples;
