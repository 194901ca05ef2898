//! Copies a row of pixels, 16 channels of each.

use crate::codegen::vir::{Builder, Count, OverBudget, Program, Target};

use super::geometry::F32;

/// Everything that determines the code.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) pixels: usize,
    /// Bytes from one copied pixel to the next; the source's pixels are contiguous.
    pub(super) pixel: i64,
}

impl Copy {
    /// Arguments: the first pixel, its copy.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let value = b.vector();
        b.repeat(Count::Fixed(self.pixels as u32), |b| {
            for lane in (0..16 * F32).step_by(self.target.vector_bytes() as usize) {
                b.load(value, src.at(lane));
                b.store(dst.at(lane), value);
            }
            b.advance(src, 16 * F32);
            b.advance(dst, self.pixel);
        });
        b.release([value]);
        b.finish()
    }
}
