//! The passes: documented examples, refusals, whole pipelines, and random graphs whose meaning must
//! not change.

mod driver;
mod exact;
mod examples;
mod layouts;
mod near;
mod quantized;
mod random;
mod refusals;
mod transposes;
