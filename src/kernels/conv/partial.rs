//! Long sums as sums of partial sums ([`Summation`](crate::kernels::summation::Summation)): each part
//! is added to the sum of the parts before it, which waits where the result will be.

use crate::codegen::vir::{Arith, Builder, Inst, Mem, V};
use crate::kernels::summation::MOST_TERMS;

/// How the channel blocks of a sum are cut into parts.
pub(super) struct Parts {
    /// Parts of as many blocks.
    pub(super) whole: usize,
    /// Blocks of each of them.
    pub(super) blocks: usize,
    /// Blocks of the last part, if it has fewer.
    pub(super) rest: usize,
}

impl Parts {
    /// Parts of as many blocks as have at most [`MOST_TERMS`] terms; of fewer, down to half of
    /// that, if they then divide all blocks. A block has `terms` terms.
    pub(super) fn of(blocks: usize, terms: usize) -> Self {
        let most = (MOST_TERMS / terms.max(1)).clamp(1, blocks.max(1));
        let divides = |&together: &usize| blocks.is_multiple_of(together);
        let together = (most.div_ceil(2)..=most).rev().find(divides).unwrap_or(most);
        Parts { whole: blocks / together, blocks: together, rest: blocks % together }
    }
}

/// Where the sum of the parts that have been computed is saved.
pub(super) struct Saved {
    /// A place for each accumulator.
    pub(super) places: Vec<Mem>,
    /// Where the scales are in whose units parts are, for each vector of a pixel's accumulators;
    /// none if parts are not in units.
    pub(super) scales: Vec<Mem>,
}

impl Saved {
    /// Stores the accumulators.
    pub(super) fn store(&self, b: &mut Builder, sums: &[V]) {
        sums.iter().zip(&self.places).for_each(|(&sum, &place)| b.store(place, sum));
    }

    /// Computes a part: `terms` adds its terms to the accumulators, which afterwards have the sum
    /// of all parts so far.
    pub(super) fn part(&self, b: &mut Builder, sums: &[V], terms: impl FnOnce(&mut Builder)) {
        sums.iter().for_each(|&sum| b.constant(sum, 0.0));
        terms(b);
        let before = b.vector();
        for (&sum, &place) in sums.iter().zip(&self.places).filter(|_| self.scales.is_empty()) {
            b.load(before, place);
            b.arith(Arith::Add, sum, before, sum);
        }
        for (v, &place) in self.scales.iter().enumerate() {
            let scale = b.vector();
            b.load(scale, place);
            let vectors = self.scales.len();
            let own = sums.iter().zip(&self.places).skip(v).step_by(vectors);
            for (&sum, &place) in own {
                b.load(before, place);
                b.multiply_add(before, sum, scale);
                b.push(Inst::Copy { dst: sum, src: before });
            }
            b.release([scale]);
        }
        b.release([before]);
        self.store(b, sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_of_the_usual_layers_are_equal() {
        for (blocks, terms) in [(32, 16), (128, 16), (36, 16)] {
            let parts = Parts::of(blocks, terms);
            assert_eq!(parts.rest, 0, "{blocks} blocks of {terms}");
            assert!((MOST_TERMS / 2..=MOST_TERMS).contains(&(parts.blocks * terms)));
        }
    }

    proptest! {
        #[test]
        fn parts_are_all_blocks(blocks in 0usize..300, terms in 1usize..1000) {
            let Parts { whole, blocks: together, rest } = Parts::of(blocks, terms);
            prop_assert_eq!(whole * together + rest, blocks);
            prop_assert!(rest < together && (together == 1 || together * terms <= MOST_TERMS));
        }
    }
}
