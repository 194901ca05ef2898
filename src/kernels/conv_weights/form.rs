//! The shapes of a problem, and how its sums are stored.

use resnetc_ir::op::ConvGradient;
use resnetc_ir::ty::{BLOCK, Layout};

use crate::kernels::geometry::F32;

/// Chunks that there should be: several for each of the threads of a large machine.
const CHUNKS: usize = 32;
/// Bytes of a vector of sums for all outputs of a block.
pub(super) const SUMS: i64 = BLOCK as i64 * F32;

/// The shapes of a problem.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub(super) gradient: ConvGradient,
    pub(super) images: usize,
    /// Channels of the result and of the source.
    pub(super) channels: [usize; 2],
    /// Rows and columns of the result.
    pub(super) size: [usize; 2],
    /// Whether the source is planar.
    pub(super) planar: bool,
    /// Blocks of the source's channels that a block of outputs sees, and blocks of outputs that
    /// see the same ones.
    pub(super) blocks: usize,
    pub(super) shared: usize,
}

impl Form {
    /// The form for the gradient of a result and a source `[N, C, H, W]`; `None` if groups are
    /// neither whole blocks nor parts of one.
    pub fn of(
        gradient: &ConvGradient,
        dy: [usize; 4],
        src: [usize; 4],
        layout: Layout,
    ) -> Option<Self> {
        let channels = [dy[1], src[1]];
        let planar = layout == Layout::Planar;
        let [outputs, inputs] = channels.map(|all| all / gradient.groups);
        let is_whole = outputs.is_multiple_of(BLOCK) && inputs.is_multiple_of(BLOCK);
        let is_part = outputs == inputs && BLOCK.is_multiple_of(outputs);
        let (blocks, shared) = match gradient.groups {
            1 if planar => (inputs, outputs.div_ceil(BLOCK)),
            1 => (inputs.div_ceil(BLOCK), outputs.div_ceil(BLOCK)),
            _ if planar => return None,
            _ if is_whole => (inputs / BLOCK, outputs / BLOCK),
            _ if is_part => (1, 1),
            _ => return None,
        };
        let gradient = *gradient;
        let size = [dy[2], dy[3]];
        Some(Form { gradient, images: dy[0], channels, size, planar, blocks, shared })
    }

    pub(super) fn output_blocks(&self) -> usize {
        self.channels[0].div_ceil(BLOCK)
    }

    /// Scalars of a block of the source.
    pub(super) fn scalars(&self) -> usize {
        if self.planar { 1 } else { BLOCK }
    }

    pub(super) fn taps(&self) -> usize {
        self.gradient.window.kernel.into_iter().product()
    }

    /// Bytes of the sums of a block of outputs and a block of the source's channels.
    pub(super) fn block_bytes(&self) -> i64 {
        (self.taps() * self.scalars()) as i64 * SUMS
    }

    /// Bytes of the sums of a block of outputs.
    pub(super) fn output_bytes(&self) -> i64 {
        self.blocks as i64 * self.block_bytes()
    }

    pub(super) fn part_bytes(&self) -> i64 {
        self.output_blocks() as i64 * self.output_bytes()
    }

    /// Images of a part.
    pub(super) fn images_of_part(&self) -> usize {
        let tiles = self.output_blocks() * self.blocks;
        let parts = CHUNKS.div_ceil(tiles).clamp(1, self.images);
        self.images.div_ceil(parts)
    }

    pub(super) fn parts(&self) -> usize {
        self.images.div_ceil(self.images_of_part())
    }
}
