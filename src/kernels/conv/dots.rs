//! Products of bytes: how many of them are summed in a step, and of what.

use crate::codegen::vir::{Builder, Bytes, Integer, Target, V};
use crate::isa::IntegerDot;

/// The instruction that multiplies bytes. A step of a sum multiplies one word of the source, which
/// all lanes see, with one word of weights in each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dot {
    /// A word is two bytes, widened to 16 bits.
    Pairs,
    /// A word is four bytes, unsigned ones of the source and signed ones of the weights.
    Fours,
    /// A word is four bytes, all signed: from those of the source, 128 is subtracted when they
    /// are loaded, and so it is from the zero point that sums start from.
    Shifted,
}

/// What is subtracted from unsigned bytes so that they are signed.
const SHIFT: i32 = 128;

/// The sign bits of four bytes: by xor, subtracts 128 from each unsigned byte, modulo 256.
pub(in crate::kernels) const SIGNS: u32 = 0x8080_8080;

/// What the products of a step are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// Consecutive channels of a pixel: of a source in blocks.
    Channels,
    /// Consecutive taps of a row: of a planar source.
    Taps,
}

impl Dot {
    /// The one to use on a target, if it has any.
    pub fn of(target: Target) -> Option<Dot> {
        match target.dot {
            IntegerDot::None => None,
            IntegerDot::Pairs => Some(Dot::Pairs),
            IntegerDot::SignedLanes => Some(Dot::Shifted),
            IntegerDot::Lanes | IntegerDot::Tiles => Some(Dot::Fours),
        }
    }

    /// Products of a step.
    pub fn together(self) -> usize {
        match self {
            Dot::Pairs => 2,
            Dot::Fours | Dot::Shifted => 4,
        }
    }

    /// Bytes of a factor as it is multiplied.
    pub fn bytes(self) -> usize {
        match self {
            Dot::Pairs => 2,
            Dot::Fours | Dot::Shifted => 1,
        }
    }

    /// Registers that a step needs for products beside accumulators and factors: one where a product
    /// of pairs cannot be added to a sum at once.
    pub(in crate::kernels) fn registers(self, target: Target) -> usize {
        usize::from(self == Dot::Pairs && !target.pair_sums)
    }

    /// What is subtracted from the bytes of a source before they are multiplied.
    pub(in crate::kernels) fn shift(self) -> i32 {
        match self {
            Dot::Pairs | Dot::Fours => 0,
            Dot::Shifted => SHIFT,
        }
    }

    /// `acc += pixel * weights`, where all lanes of `pixel` are alike; `product` may be overwritten.
    pub fn add(self, b: &mut Builder, acc: V, [pixel, weights]: [V; 2], product: V) {
        match self {
            Dot::Pairs if b.target().pair_sums => b.pair_sum(acc, pixel, weights),
            Dot::Pairs => {
                b.pair_dot(product, pixel, weights);
                b.integer(Integer::Add, acc, acc, product);
            }
            Dot::Fours => b.byte_dot(acc, pixel, weights),
            Dot::Shifted => b.byte_dot_lane(Bytes::Signed, acc, pixel, weights, 0),
        }
    }
}
