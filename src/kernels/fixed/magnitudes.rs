//! The abs-max of each pixel's channels.

use crate::codegen::vir::{
    Builder, Count, Distance, Inst, Integer, Mem, OverBudget, Program, Target, V,
};
use crate::kernels::epilogue::MAGNITUDE;
use crate::kernels::geometry::F32;

use super::sizes::{BLOCK, LANES_BYTES};

/// Bytes from the magnitude of one pixel to the next.
pub(super) const MAGNITUDE_BYTES: i64 = F32;

/// The magnitudes of some pixels of a blocked value. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magnitudes {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// Bytes between pixels of the source.
    pub(super) pixel: i64,
    /// Bytes between the source's blocks of channels.
    pub(super) plane: i64,
    /// Channels that exist; lanes past the last hold anything.
    pub(super) channels: usize,
}

impl Magnitudes {
    /// Arguments: the first pixel, the first magnitude.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let [abs_max, value, mask, zero] = [b.vector(), b.vector(), b.vector(), b.vector()];
        b.bits(mask, MAGNITUDE);
        b.bits(zero, 0);
        let block = b.pointer(src);
        b.repeat(Count::Fixed(self.positions as u32), |b| {
            b.bits(abs_max, 0);
            let (whole, rest) = (self.channels / BLOCK, self.channels % BLOCK);
            b.repeat(Count::Fixed(whole as u32), |b| {
                take(b, [abs_max, value, mask], block.at(0));
                b.advance(block, self.plane);
            });
            if rest > 0 {
                b.load(value, block.at(0));
                b.integer(Integer::And, value, value, mask);
                b.blend(value, zero, value, (1 << rest) - 1);
                b.integer(Integer::Max, abs_max, abs_max, value);
            }
            for distance in Distance::ALL {
                b.push(Inst::Exchange { dst: value, src: abs_max, distance });
                b.integer(Integer::Max, abs_max, abs_max, value);
            }
            b.store_first(dst.at(0), abs_max);
            b.advance(block, self.pixel - whole as i64 * self.plane);
            b.advance(dst, MAGNITUDE_BYTES);
        });
        b.finish()
    }
}

/// The magnitudes of a row of a planar image. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowMagnitudes {
    /// The machine.
    pub(super) target: Target,
    /// Channels, and bytes between them.
    pub(super) channels: (usize, i64),
    /// Pixels of a row, 16 or more.
    pub(super) pixels: usize,
}

impl RowMagnitudes {
    /// Arguments: the first pixel, the first magnitude.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let registers = [b.vector(), b.vector(), b.vector()];
        let [abs_max, _, mask] = registers;
        b.bits(mask, MAGNITUDE);
        let vector = |b: &mut Builder| {
            b.bits(abs_max, 0);
            for channel in 0..self.channels.0 as i64 {
                take(b, registers, src.at(channel * self.channels.1));
            }
            b.store(dst.at(0), abs_max);
        };
        b.repeat(Count::Fixed((self.pixels / BLOCK) as u32), |b| {
            vector(b);
            for p in [src, dst] {
                b.advance(p, LANES_BYTES);
            }
        });
        let rest = self.pixels % BLOCK;
        if rest > 0 {
            // The last pixels, some of which are already done.
            let again = (BLOCK - rest) as i64 * F32;
            for p in [src, dst] {
                b.advance(p, -again);
            }
            vector(&mut b);
        }
        b.finish()
    }
}

/// Updates the maximum with the magnitudes at a place. As integers, NaN is above infinity, and
/// infinity above all other values.
fn take(b: &mut Builder, [abs_max, value, mask]: [V; 3], place: Mem) {
    b.load(value, place);
    b.integer(Integer::And, value, value, mask);
    b.integer(Integer::Max, abs_max, abs_max, value);
}
