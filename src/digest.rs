//! A digest of what a network computes, to compare results of several machines.

use std::fmt;

/// Values that are hashed at once.
const PIECE: usize = 4096;

/// The digest of an output: equal for equal shapes and bits, and different for different ones
/// except for rare collisions.
///
/// It is the BLAKE3 hash of the number of extents, the extents, and the bits of all values in
/// row-major order; extents in 64 bits and values in 32 bits, the low byte first. Every NaN counts as
/// the same one (`0x7fc00000`), since CPUs do not agree on its bits. It is shown as 64 hexadecimal
/// digits.
///
/// With [`Numerics::Exact`](crate::Numerics::Exact) and
/// [`Numerics::Portable`](crate::Numerics::Portable) it is the same on every CPU with fused
/// multiply-adds.
///
/// ```
/// use resnetc::Digest;
///
/// let digest = Digest::of(&[1, 2], &[0.5, f32::NAN]);
/// assert_eq!(digest, Digest::of(&[1, 2], &[0.5, -f32::NAN]));
/// assert_ne!(digest, Digest::of(&[2, 1], &[0.5, f32::NAN]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; blake3::OUT_LEN]);

impl Digest {
    /// The digest of values of a shape.
    pub fn of(shape: &[usize], values: &[f32]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for extent in std::iter::once(shape.len()).chain(shape.iter().copied()) {
            hasher.update(&(extent as u64).to_le_bytes());
        }
        let mut bytes = Vec::with_capacity(4 * PIECE);
        for piece in values.chunks(PIECE) {
            bytes.clear();
            for &value in piece {
                let value = if value.is_nan() { f32::NAN } else { value };
                bytes.extend(value.to_bits().to_le_bytes());
            }
            hasher.update(&bytes);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; blake3::OUT_LEN] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_that_of_the_documentation() {
        let definition = [2u64, 1, 2].iter().flat_map(|n| n.to_le_bytes());
        let values = [0.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes());
        let bytes: Vec<u8> = definition.chain(values).collect();
        let expected = blake3::hash(&bytes).to_hex();
        assert_eq!(Digest::of(&[1, 2], &[0.5, -2.0]).to_string(), expected.as_str());
    }

    #[test]
    fn every_nan_is_the_same_and_zeros_are_not() {
        let odd = [f32::from_bits(0xffc0_0001), -f32::NAN, f32::from_bits(0x7f80_0001)];
        for nan in odd {
            assert_eq!(Digest::of(&[1], &[nan]), Digest::of(&[1], &[f32::NAN]));
        }
        assert_ne!(Digest::of(&[1], &[0.0]), Digest::of(&[1], &[-0.0]));
        let many: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
        assert_ne!(Digest::of(&[10_000], &many), Digest::of(&[9_999], &many[..9_999]));
    }
}
