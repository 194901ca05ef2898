//! The passes: documented examples, refusals, whole pipelines, and random graphs that must mean the
//! same.

mod driver;
mod exact;
mod examples;
mod layouts;
mod near;
mod random;
mod refusals;
mod transposes;
