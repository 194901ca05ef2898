//! What a vector program may rely on.

use std::fmt;

/// What a program may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// f32 lanes of a vector register: 4, 8 or 16.
    pub lanes: usize,
    /// Vector registers: 16 to 32.
    pub vectors: usize,
    /// Tile registers: 8, or none.
    pub tiles: usize,
    /// Whether a multiply-add is guaranteed to be one instruction, rounded once. Without the
    /// guarantee it may still be.
    pub fused: bool,
    /// Whether a factor of a product can be one lane of a register.
    pub by_lane: bool,
    /// Whether one instruction adds products of pairs of 16-bit integers to a sum.
    pub pair_sums: bool,
    /// Whether lanes can be chosen bit by bit and values of two places can be interleaved.
    pub selects: bool,
    /// The instruction that multiplies integers and sums the products.
    pub dot: IntegerDot,
}

/// Products of integers, summed in 32 bits. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntegerDot {
    /// No instruction does this.
    None,
    /// Two products of 16 bits into each lane of a vector, as in AVX2.
    Pairs,
    /// Four products of signed bytes into each lane of a vector, as in Arm's DotProd.
    SignedLanes,
    /// Four products of unsigned and signed bytes into each lane of a vector, as in AVX-VNNI.
    Lanes,
    /// Tiles of 16 by 16, as in AMX-INT8.
    Tiles,
}

/// Lanes of the blocks in which values are stored: a block is a whole number of vectors.
const BLOCK: usize = 16;

impl Target {
    /// The minimum number of lanes.
    const FEWEST_LANES: usize = 4;
    /// The maximum number of vector registers.
    pub const MOST_VECTORS: usize = 32;
    /// The maximum number of tile registers.
    pub const MOST_TILES: usize = 8;

    /// The target of code with at most this many lanes on the same machine. AVX2 comes with
    /// AVX-512, but products of bytes in its vectors do not.
    pub fn narrowed(self, lanes: usize) -> Target {
        if self.lanes <= lanes {
            return self;
        }
        Target {
            lanes,
            vectors: 16,
            tiles: 0,
            pair_sums: false,
            selects: false,
            dot: self.dot.min(IntegerDot::Pairs),
            ..self
        }
    }

    /// Bytes of a vector register.
    pub fn vector_bytes(self) -> i64 {
        (self.lanes * 4) as i64
    }

    /// Whether four vectors of integers can be packed to bytes. AVX-512F alone cannot.
    pub fn packs(self) -> bool {
        self.lanes < BLOCK || self.dot >= IntegerDot::Lanes
    }

    /// Why no machine can have this target, or `None` if one can.
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
            .then_some("tile registers require vectors of 16 lanes")
    }

    /// Whether a program for `other` runs here unchanged.
    pub fn includes(self, other: Target) -> bool {
        let Target { lanes, vectors, tiles, fused, by_lane, pair_sums, selects, dot } = other;
        lanes <= self.lanes
            && vectors <= self.vectors
            && tiles <= self.tiles
            && fused <= self.fused
            && by_lane <= self.by_lane
            && pair_sums <= self.pair_sums
            && selects <= self.selects
            && dot <= self.dot
    }
}

/// In words: `16 lanes, 32 vector registers, 8 tile registers, fused multiply-add`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lanes, {} vector registers", self.lanes, self.vectors)?;
        if self.tiles > 0 {
            write!(f, ", {} tile registers", self.tiles)?;
        }
        let words = [
            (self.fused, "fused multiply-add"),
            (self.dot == IntegerDot::Pairs, "products of 16-bit integers"),
            (self.dot == IntegerDot::SignedLanes, "products of signed bytes in lanes"),
            (self.dot >= IntegerDot::Lanes, "products of bytes in lanes"),
            (self.dot == IntegerDot::Tiles, "products of bytes in tiles"),
        ];
        words.iter().filter(|word| word.0).try_for_each(|word| write!(f, ", {}", word.1))
    }
}
