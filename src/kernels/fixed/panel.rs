//! Outputs that are computed together.

/// Panels with the same number of blocks of outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// Blocks of a panel.
    pub(super) blocks: usize,
    /// Blocks before the first of these panels.
    pub(super) before: usize,
    /// How many of these panels a part of the outputs has.
    pub(super) per_part: usize,
}
