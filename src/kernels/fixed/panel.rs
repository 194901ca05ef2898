//! Outputs that are computed together.

/// Panels of as many blocks of outputs each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// How many blocks.
    pub(super) blocks: usize,
    /// How many blocks stand before the first panel that is like this one.
    pub(super) before: usize,
    /// How many panels like this one a part of the outputs has.
    pub(super) per_part: usize,
}
