//! What tiles need: registers, and instructions in a loop.

use crate::codegen::vir::Target;

/// The maximum number of instructions in a loop body with the kernel's columns unrolled: a larger
/// body no longer fits the micro-op cache (4096 entries on Zen 3).
pub(super) const UNROLL_LIMIT: usize = 2500;

/// The maximum number of steps in such a body where each lane sees its own channels. There, the
/// order of a sum depends on it, so it must not depend on the tile: it is what fits with the tiles
/// of AVX2, of 17 instructions a step. On wider targets the body is larger, which costs less than
/// gathering every value once for each column.
pub(super) const UNROLLED_STEPS: usize = UNROLL_LIMIT / 17;

/// Columns of the kernel whose weights are held in registers at once where each lane sees its own
/// channels.
pub(super) const HELD: usize = 3;

/// Registers needed there beside the accumulators: weights, source values, and values to blend into
/// them.
const BESIDE_PER_LANE: usize = HELD + 2;

/// The maximum number of pixels of a tile with `vectors` vectors of sums of floats; one register is
/// for the product if multiply and add are two instructions.
pub fn widest_tile(target: Target, vectors: usize, shared: bool) -> Option<usize> {
    widest(target, vectors, shared, usize::from(!target.fused))
}

/// The maximum number of pixels of a tile with `vectors` vectors. Beside the accumulators, a tile
/// needs registers for the narrower side of a step (for the pixels, if they are multiplied by lanes)
/// and one to stream the other side, or a few (`BESIDE_PER_LANE`) if each lane sees its own
/// channels; and those for products.
pub(in crate::kernels) fn widest(
    target: Target,
    vectors: usize,
    shared: bool,
    products: usize,
) -> Option<usize> {
    let by_lane = target.by_lane && products == 0;
    let beside = |width: usize| match shared {
        true if by_lane => width + 1,
        true => width.min(vectors) + 1,
        false => BESIDE_PER_LANE,
    };
    (1..=target.vectors)
        .rev()
        .find(|&width| width * vectors + beside(width) + products <= target.vectors)
}
