//! Counts of the instructions that a program executes.

use super::{Count, Inst, Program, TILE_ROWS};

impl Program {
    /// The instructions that one call executes; loops over a register count as one iteration.
    pub fn work(&self) -> Work {
        Work::of(&self.body)
    }
}

/// Counts of executed instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Vector multiply-adds.
    pub multiply_adds: u64,
    /// Vectors of two products of 16-bit integers per lane.
    pub pair_dots: u64,
    /// Vectors of four products of bytes per lane.
    pub byte_dots: u64,
    /// Products of tiles.
    pub tile_dots: u64,
    /// Prefetches.
    pub prefetches: u64,
    /// All instructions.
    pub instructions: u64,
}

impl Work {
    const ONE: Work = Work {
        multiply_adds: 0,
        pair_dots: 0,
        byte_dots: 0,
        tile_dots: 0,
        prefetches: 0,
        instructions: 1,
    };

    /// Vector multiply-adds; products of integers count as the number of multiply-adds that they
    /// replace, those of tiles with 16 lanes.
    pub fn arithmetic(&self) -> u64 {
        self.multiply_adds
            + 2 * self.pair_dots
            + 4 * self.byte_dots
            + self.tile_dots * (4 * TILE_ROWS * TILE_ROWS) as u64
    }

    fn of(body: &[Inst]) -> Work {
        let mut sum = Work::default();
        for inst in body {
            let (turns, inner) = match inst {
                Inst::Loop { count: Count::Fixed(n), body } => (u64::from(*n), Work::of(body)),
                Inst::Loop { count: Count::Register(_), body } => (1, Work::of(body)),
                Inst::MultiplyAdd { .. } | Inst::MultiplyAddLane { .. } => {
                    (1, Work { multiply_adds: 1, ..Work::ONE })
                }
                Inst::PairDot { .. } | Inst::PairSum { .. } => {
                    (1, Work { pair_dots: 1, ..Work::ONE })
                }
                Inst::ByteDot { .. } | Inst::ByteDotLane { .. } => {
                    (1, Work { byte_dots: 1, ..Work::ONE })
                }
                Inst::TileDot { .. } => (1, Work { tile_dots: 1, ..Work::ONE }),
                Inst::Prefetch { .. } => (1, Work { prefetches: 1, ..Work::ONE }),
                _ => (1, Work::ONE),
            };
            sum.multiply_adds += turns * inner.multiply_adds;
            sum.pair_dots += turns * inner.pair_dots;
            sum.byte_dots += turns * inner.byte_dots;
            sum.tile_dots += turns * inner.tile_dots;
            sum.prefetches += turns * inner.prefetches;
            sum.instructions += turns * inner.instructions;
        }
        sum
    }
}
