//! Random numbers that depend on nothing but a seed and what they are for.

use resnetc::ir::random::SplitMix;

/// The stream of numbers for one purpose of a seed, such as one sample of one epoch.
pub(super) fn stream(seed: u64, purpose: &[u64]) -> SplitMix {
    purpose.iter().fold(SplitMix(seed), |stream, &i| SplitMix(stream.nth(i)))
}

/// A number below `end`, which is not 0. All are equally likely, up to a part in 2^64 / `end`.
pub(super) fn below(random: &mut SplitMix, end: usize) -> usize {
    ((u128::from(random.draw()) * end as u128) >> u64::BITS) as usize
}

/// A number from `lo` to `hi`.
pub(super) fn between(random: &mut SplitMix, (lo, hi): (f64, f64)) -> f64 {
    /// The bits of an f64's fraction, with the implicit one.
    const BITS: u32 = f64::MANTISSA_DIGITS;
    let unit = (random.draw() >> (u64::BITS - BITS)) as f64 / (1u64 << BITS) as f64;
    lo + unit * (hi - lo)
}

/// True with probability 1/2.
pub(super) fn coin(random: &mut SplitMix) -> bool {
    random.draw() >> (u64::BITS - 1) == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_in_their_range(seed: u64, end in 1usize.., lo in -9.0..9.0, more in 0.0..9.0) {
            let mut random = stream(seed, &[]);
            prop_assert!(below(&mut random, end) < end);
            let x = between(&mut random, (lo, lo + more));
            prop_assert!((lo..=lo + more).contains(&x));
        }

        #[test]
        fn purposes_have_streams_of_their_own(seed: u64, a in 0u64..1 << 40, b in 0u64..1 << 40) {
            let first = |purpose: &[u64]| stream(seed, purpose).draw();
            prop_assert_eq!(first(&[a, b]), first(&[a, b]));
            prop_assert_eq!(first(&[a, b]) == first(&[b, a]), a == b);
            prop_assert_ne!(first(&[a]), first(&[a, b]));
        }
    }

    /// Counts of ten thousand draws differ from their mean by less than five deviations.
    #[test]
    fn all_numbers_are_equally_likely() {
        let mut random = stream(7, &[]);
        let mut counts = [0i32; 5];
        let mut heads = 0;
        for _ in 0..10_000 {
            counts[below(&mut random, 5)] += 1;
            heads += i32::from(coin(&mut random));
        }
        assert!(counts.iter().all(|n| (n - 2000).abs() < 5 * 40), "{counts:?}");
        assert!((heads - 5000).abs() < 5 * 50, "{heads}");
    }
}
