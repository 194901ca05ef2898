//! Which nodes a program that folds constants may take out of a file, as ONNX simplifiers do.

use super::open::is_standard;
use super::ops::MICROSOFT;
use super::proto::{AttributeType, NodeProto};

/// Operators whose results are others each time, whatever they read, and those that are only
/// refused where they train, which no such program does.
const NEVER: [&str; 8] = [
    "BatchNormalization",
    "Bernoulli",
    "Dropout",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// Whether a node computes the same in every run if its operands do, and programs know how. Of an
/// `If`, only the condition counts: one that is known leaves a branch.
pub(super) fn is_removable(node: &NodeProto) -> bool {
    let has_body = node.attribute.iter().any(|a| a.r#type == Some(AttributeType::Graph as i32));
    let is_fixed = !has_body || node.op_type() == "If";
    let is_known = is_standard(node.domain()) || node.domain() == MICROSOFT;
    is_fixed && is_known && !NEVER.contains(&node.op_type())
}
