//! The operators, by topic. A handler turns one ONNX node into values: constants, or nodes of the
//! graph.

mod activations;
mod arithmetic;
mod cast;
mod constants;
mod conv;
mod elementwise;
mod indexing;
mod joining;
mod logic;
mod matrix;
mod microsoft;
mod moments;
mod normalize;
mod operator;
mod pad;
mod pixels;
mod pool;
mod powers;
mod qlinear;
mod quantize;
mod reduce;
mod resample;
mod resize;
mod scales;
mod shapes;
mod standardize;
mod table;
mod top;
mod volume;
mod window;

use super::open::is_standard;

pub(super) use microsoft::DOMAIN as MICROSOFT;
pub(super) use operator::Integers;
pub use operator::{Operator, When};
pub(super) use table::find;
pub use table::operators;

/// Why an operator is not supported.
pub(super) fn why_not(domain: &str, op: &str) -> &'static str {
    match is_standard(domain) {
        true => why_not_standard(op),
        false => microsoft::why_not(domain, op)
            .unwrap_or("the operator is in a domain that is not supported"),
    }
}

fn why_not_standard(op: &str) -> &'static str {
    const REASONS: &[(&[&str], &str)] = &[
        (
            &["If", "Loop", "Scan"],
            "control flow is not supported; export the model with fixed shapes",
        ),
        (&["LRN"], "the normalization is not supported"),
        (&["ConvTranspose"], "transposed convolution is not supported"),
        (
            &["NonMaxSuppression", "NonZero"],
            "the number of results depends on the values; cut the model before this node",
        ),
    ];
    let found = REASONS.iter().find(|(ops, _)| ops.contains(&op));
    found.map_or("the operator is not supported", |(_, reason)| reason)
}
