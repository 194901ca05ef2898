//! What tiles take: registers, and instructions in a loop.

use crate::codegen::vir::Target;

/// The most instructions in a loop body before a loop over the kernel's columns is made: beyond
/// that a body no longer fits the micro-op cache (4096 entries on Zen 3).
pub(super) const UNROLL_LIMIT: usize = 2500;

/// Columns of the kernel whose weights are held at once where each lane sees channels of its own.
pub(super) const HELD: usize = 3;

/// Registers beside the accumulators there: weights, the source's values, and what is blended into
/// them.
const BESIDE_PER_LANE: usize = HELD + 2;

/// The most pixels of a tile with that many vectors. Beside the accumulators it takes the narrower
/// side of a step and one register to stream the other, or a few (`BESIDE_PER_LANE`) where each
/// lane sees channels of its own; and one more for the product where multiply and add are two
/// instructions.
pub fn widest_tile(target: Target, vectors: usize, shared: bool) -> Option<usize> {
    let product = usize::from(!target.fused);
    let beside = |width: usize| if shared { width.min(vectors) + 1 } else { BESIDE_PER_LANE };
    (1..=target.vectors)
        .rev()
        .find(|&width| width * vectors + beside(width) + product <= target.vectors)
}
