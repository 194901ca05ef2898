//! Which sample comes when.

use resnetc::ir::memory::{NoMemory, reserved};
use resnetc::ir::random::SplitMix;

use super::chance::below;

/// The samples of an epoch, one after the other.
#[derive(Debug)]
pub(super) enum Order {
    /// As in the data set.
    Sequential,
    /// A permutation of the samples' numbers.
    Shuffled(Vec<u32>),
}

impl Order {
    /// All of `count` samples, at most 2^32, in an order drawn by Fisher and Yates' method: all
    /// orders are equally likely.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(super) fn shuffled(count: usize, mut random: SplitMix) -> Result<Self, NoMemory> {
        let mut order = reserved(count)?;
        order.extend((0..=u32::MAX).take(count));
        for last in (1..order.len()).rev() {
            order.swap(last, below(&mut random, last + 1));
        }
        Ok(Order::Shuffled(order))
    }

    /// The sample at a position of the epoch.
    pub(super) fn at(&self, position: usize) -> usize {
        match self {
            Order::Sequential => position,
            Order::Shuffled(order) => order[position] as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::train::data::chance::stream;

    fn shuffled(count: usize, seed: u64) -> Vec<usize> {
        let order = Order::shuffled(count, stream(seed, &[])).unwrap();
        (0..count).map(|i| order.at(i)).collect()
    }

    proptest! {
        #[test]
        fn a_shuffled_order_is_a_permutation(count in 0usize..500, seed: u64) {
            let mut order = shuffled(count, seed);
            prop_assert_eq!(&order, &shuffled(count, seed));
            order.sort_unstable();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }

    /// Each of the six orders of three comes 1,000 times in 6,000, up to five deviations of 29.
    #[test]
    fn all_orders_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *counts.entry(shuffled(3, seed)).or_insert(0i32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|n| (n - 1000).abs() < 5 * 29), "{counts:?}");
    }

    /// A training that was begun with an earlier version goes on in the same order.
    #[test]
    fn the_order_of_a_seed_stays() {
        assert_eq!(shuffled(8, 1), [0, 3, 7, 1, 2, 6, 5, 4]);
    }
}
