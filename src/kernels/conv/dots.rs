//! Products of bytes: how many of them are summed in a step, and of what.

use crate::codegen::vir::{Builder, Integer, Target, V};
use crate::isa::IntegerDot;

/// The instruction that multiplies bytes. A step of a sum multiplies one word of the source, which
/// all lanes see, with one word of weights in each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dot {
    /// A word is two bytes, widened to 16 bits.
    Pairs,
    /// A word is four bytes, unsigned ones of the source and signed ones of the weights.
    Fours,
}

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
            IntegerDot::Lanes | IntegerDot::Tiles => Some(Dot::Fours),
        }
    }

    /// Products of a step.
    pub fn together(self) -> usize {
        match self {
            Dot::Pairs => 2,
            Dot::Fours => 4,
        }
    }

    /// Bytes of a factor as it is multiplied.
    pub fn bytes(self) -> usize {
        match self {
            Dot::Pairs => 2,
            Dot::Fours => 1,
        }
    }

    /// Registers that a step needs for products beside accumulators and factors: one where a product
    /// of pairs cannot be added to a sum at once.
    pub(in crate::kernels) fn registers(self, target: Target) -> usize {
        usize::from(self == Dot::Pairs && !target.pair_sums)
    }

    /// `acc += pixel * weights`; `product` may be overwritten.
    pub fn add(self, b: &mut Builder, acc: V, [pixel, weights]: [V; 2], product: V) {
        match self {
            Dot::Pairs if b.target().pair_sums => b.pair_sum(acc, pixel, weights),
            Dot::Pairs => {
                b.pair_dot(product, pixel, weights);
                b.integer(Integer::Add, acc, acc, product);
            }
            Dot::Fours => b.byte_dot(acc, pixel, weights),
        }
    }
}
