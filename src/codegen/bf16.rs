//! bfloat16, the upper half of an f32, as the instructions on halves and tiles have it.
//!
//! Source: Intel, "Architecture Instruction Set Extensions Programming Reference", TDPBF16PS.

use super::vir::TILE_ROWS;

/// Bits of the upper half.
pub(crate) const UPPER: u32 = 0xffff_0000;

/// Bits of a half.
pub(crate) const HALF: u32 = 16;

/// The upper half of the bits, the lower half 0.
pub(crate) fn upper(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & UPPER)
}

/// The lower half of the bits as a number of its own.
fn lower(x: f32) -> f32 {
    f32::from_bits(x.to_bits() << HALF)
}

/// The upper halves of two numbers: of `a` in the lower half, of `b` in the upper.
pub(crate) fn pair(a: f32, b: f32) -> f32 {
    f32::from_bits(a.to_bits() >> HALF | b.to_bits() & UPPER)
}

/// [`Inst::TileDot`](super::vir::Inst::TileDot).
pub(super) fn dot(
    acc: &mut [[f32; TILE_ROWS]; TILE_ROWS],
    a: &[[f32; TILE_ROWS]; TILE_ROWS],
    b: &[[f32; TILE_ROWS]; TILE_ROWS],
) {
    for (acc, a) in acc.iter_mut().zip(a) {
        for (n, acc) in acc.iter_mut().enumerate() {
            let (mut low, mut high) = (0.0, 0.0);
            for (a, b) in a.iter().zip(b) {
                low = multiply_add(lower(*a), lower(b[n]), low);
                high = multiply_add(upper(*a), upper(b[n]), high);
            }
            *acc = flush(flush(*acc) + flush(low + high));
        }
    }
}

fn multiply_add(a: f32, b: f32, sum: f32) -> f32 {
    flush(flush(a).mul_add(flush(b), sum))
}

/// Zero for a denormal number.
fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}
