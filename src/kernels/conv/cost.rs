//! What direct convolution of bytes costs.

use resnetc_ir::ty::BLOCK;

use crate::codegen::vir::Target;
use crate::kernels::sink::Machine;
use crate::kernels::tiling::split;

use super::budget::widest;
use super::dots::Dot;

/// Bytes of weights that memory delivers per half cycle.
pub(in crate::kernels) const MEMORY: f64 = 3.0;

/// Half cycles of a thread for two input channels and 16 outputs, with this many pixels of the
/// result and taps of the window.
pub(in crate::kernels) fn direct_cost(
    [pixels, taps]: [usize; 2],
    dot: Dot,
    machine: &Machine,
) -> f64 {
    let target = machine.target;
    let vectors = (BLOCK / target.lanes).max(1);
    let widest = widest(target, vectors, true, dot.registers(target)).unwrap_or(1);
    let steps = split(pixels, widest, vectors).1 as f64;
    let line = (2 * BLOCK * dot.bytes()) as f64 / MEMORY;
    taps as f64 * (steps * product_cost(dot, target) + line) / machine.threads as f64
}

/// Half cycles of the products of a vector with two channels, and of their addition.
pub(in crate::kernels) fn product_cost(dot: Dot, target: Target) -> f64 {
    match dot {
        // A multiplication and an addition, on three units.
        Dot::Pairs if dot.registers(target) > 0 => 1.33,
        Dot::Pairs => 1.0,
        Dot::Fours | Dot::Shifted => 0.5,
    }
}
