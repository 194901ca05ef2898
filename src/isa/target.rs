//! What a vector program may count on.

use std::fmt;

/// What a program may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// f32 lanes of a vector register: 4, 8 or 16.
    pub lanes: usize,
    /// Vector registers: 16 or 32.
    pub vectors: usize,
    /// Tile registers: 8, or none.
    pub tiles: usize,
    /// Whether a multiply-add is one instruction, rounded once. Where it is not promised it may
    /// still be.
    pub fused: bool,
    /// Whether there are instructions for integers in lanes.
    pub integers: bool,
    /// What multiplies bytes and sums the products up.
    pub dot: IntegerDot,
}

/// Products of bytes, summed in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntegerDot {
    /// There is no instruction for it.
    None,
    /// Four products into each lane of a vector, as by AVX-VNNI and Arm's dot product. No row has
    /// it yet.
    Lanes,
    /// Tiles of 16 by 16, as by AMX-INT8.
    Tiles,
}

/// Lanes of the blocks in which values lie: a vector is a whole part of one.
const BLOCK: usize = 16;

impl Target {
    /// The fewest lanes that there can be.
    const FEWEST_LANES: usize = 4;
    /// The most vector registers that there can be.
    pub const MOST_VECTORS: usize = 32;
    /// The most tile registers that there can be.
    pub const MOST_TILES: usize = 8;

    /// Bytes of a vector register.
    pub fn vector_bytes(self) -> i64 {
        (self.lanes * 4) as i64
    }

    /// Why no machine can be so, if none can.
    pub fn flaw(self) -> Option<&'static str> {
        let parts = BLOCK.is_multiple_of(self.lanes) && self.lanes >= Self::FEWEST_LANES;
        if !parts || self.vectors > Self::MOST_VECTORS {
            return Some("lanes must be 4, 8 or 16 and vector registers at most 32");
        }
        if self.tiles > Self::MOST_TILES {
            return Some("there are at most 8 tile registers");
        }
        // A row of a tile is a vector.
        (self.tiles > 0 && self.lanes != BLOCK)
            .then_some("tiles are there beside vectors of 16 lanes only")
    }

    /// Whether a program for `other` runs here as it stands.
    pub fn includes(self, other: Target) -> bool {
        let Target { lanes, vectors, tiles, fused, integers, dot } = other;
        lanes <= self.lanes
            && vectors <= self.vectors
            && tiles <= self.tiles
            && fused <= self.fused
            && integers <= self.integers
            && (dot == IntegerDot::None || dot == self.dot)
    }
}

/// In words: `16 lanes, 32 vector registers, 8 tile registers, integers`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lanes, {} vector registers", self.lanes, self.vectors)?;
        if self.tiles > 0 {
            write!(f, ", {} tile registers", self.tiles)?;
        }
        let words = [
            (self.fused, "fused multiply-add"),
            (self.integers, "integers"),
            (self.dot == IntegerDot::Lanes, "products of bytes in lanes"),
            (self.dot == IntegerDot::Tiles, "products of bytes in tiles"),
        ];
        words.iter().filter(|word| word.0).try_for_each(|word| write!(f, ", {}", word.1))
    }
}
