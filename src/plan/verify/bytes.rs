//! Ranges of bytes in the arena.

use resnetc_ir::NodeId;

use crate::plan::Plan;

/// A range of bytes of the arena: the first, and one past the last.
pub(super) type Bytes = (i64, i64);

/// The bytes of a value, if it has a place.
pub(super) fn value(plan: &Plan, node: NodeId) -> Option<Bytes> {
    let place = plan.places.get(&node)?;
    Some((place.offset, place.offset + place.geometry.bytes() as i64))
}

/// The bytes of a buffer, if there is one.
pub(super) fn buffer(plan: &Plan, index: Option<usize>) -> Option<Bytes> {
    let buffer = plan.buffers.get(index?)?;
    Some((buffer.offset as i64, (buffer.offset + buffer.bytes) as i64))
}

/// Whether two ranges of memory overlap.
pub(super) fn cross(a: Option<Bytes>, b: Option<Bytes>) -> bool {
    matches!((a, b), (Some((s, e)), Some((t, f))) if s < f && t < e)
}
