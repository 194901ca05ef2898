//! Numbers drawn from a seed, the same on every machine.

/// Steele, Lea and Flood's SplitMix64 (2014): a counter and a mixing function, so that any number of
/// the stream can be computed directly. It holds the seed.
#[derive(Clone, Copy, Debug)]
pub struct SplitMix(pub u64);

/// What the counter grows by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix {
    /// The next number of the stream.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// The number that is drawn after `i` others.
    pub fn nth(&self, i: u64) -> u64 {
        mixed(self.0.wrapping_add(i.wrapping_add(1).wrapping_mul(STEP)))
    }
}

fn mixed(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation for the seed 1234567.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        let (mut drawn, start) = (SplitMix(1_234_567), SplitMix(1_234_567));
        for (i, number) in expected.into_iter().enumerate() {
            assert_eq!(drawn.draw(), number);
            assert_eq!(start.nth(i as u64), number);
        }
    }
}
