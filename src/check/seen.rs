//! What is known of a node while a graph is interpreted.

use resnetc_ir::NodeId;
use resnetc_ir::eval::Value;

use super::decisions::Decided;

/// A node whose value is known.
pub(super) struct Seen<'a> {
    pub(super) node: NodeId,
    pub(super) operands: &'a [&'a Value],
    pub(super) value: &'a Value,
    /// What its operator decided.
    pub(super) decided: Option<&'a Decided>,
}
