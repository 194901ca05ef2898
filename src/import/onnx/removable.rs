//! Which nodes a tool that folds constants, such as an ONNX simplifier, can remove from a file.

use super::open::is_standard;
use super::ops::MICROSOFT;
use super::proto::{AttributeType, NodeProto};

/// Operators whose results differ on every run, whatever they read, and those that are refused only
/// in training mode, which no such tool folds.
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

/// Whether a node computes the same in every run if its operands are the same, and tools can
/// evaluate it. Of an `If`, only the condition counts: if it is known, one branch remains.
pub(super) fn is_removable(node: &NodeProto) -> bool {
    let has_body = node.attribute.iter().any(|a| a.r#type == Some(AttributeType::Graph as i32));
    let is_fixed = !has_body || node.op_type() == "If";
    let is_known = is_standard(node.domain()) || node.domain() == MICROSOFT;
    is_fixed && is_known && !NEVER.contains(&node.op_type())
}
