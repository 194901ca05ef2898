//! Which vector registers an instruction reads and writes.

use super::{Inst, V};

/// Vector registers, one bit for each.
pub type VectorSet = u64;

/// The vector registers of an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vectors {
    /// Those whose contents matter to it.
    pub read: VectorSet,
    /// Those that it changes, or leaves with unspecified contents.
    pub written: VectorSet,
}

fn set(vectors: &[V]) -> VectorSet {
    // Registers that no target has are still told apart from those that one has.
    vectors.iter().fold(0, |set, v| set | 1 << v.0.min(63))
}

impl Vectors {
    fn new(read: &[V], written: &[V]) -> Self {
        Vectors { read: set(read), written: set(written) }
    }

    /// All of them.
    pub fn named(self) -> VectorSet {
        self.read | self.written
    }
}

impl Inst {
    /// The vector registers that it reads and writes itself, without those of a loop's body.
    pub fn vectors(&self) -> Vectors {
        match *self {
            Inst::Const { dst, .. }
            | Inst::Load { dst, .. }
            | Inst::LoadFirst { dst, .. }
            | Inst::Broadcast { dst, .. }
            | Inst::Shuffle { dst, .. }
            | Inst::BroadcastBytes { dst, .. }
            | Inst::LoadBytes { dst, .. }
            | Inst::LoadByte { dst, .. }
            | Inst::LoadShorts { dst, .. }
            | Inst::WidenBytes { dst, .. }
            | Inst::Interleave { dst, .. } => Vectors::new(&[], &[dst]),
            Inst::Store { src, .. }
            | Inst::StoreFirst { src, .. }
            | Inst::StoreByte { src, .. } => Vectors::new(&[src], &[]),
            Inst::StoreBytes { src, .. } => Vectors::new(&[src], &[src]),
            Inst::StorePacked { src, .. } => Vectors::new(&src, &src),
            Inst::Copy { dst, src }
            | Inst::Round { dst, src }
            | Inst::Pow2 { dst, src }
            | Inst::Sqrt { dst, src }
            | Inst::Exponent { dst, src }
            | Inst::ToInteger { dst, src }
            | Inst::FromInteger { dst, src }
            | Inst::Shift { dst, src, .. }
            | Inst::Exchange { dst, src, .. } => Vectors::new(&[src], &[dst]),
            Inst::Arith { dst, a, b, .. }
            | Inst::Blend { dst, a, b, .. }
            | Inst::Integer { dst, a, b, .. }
            | Inst::Short { dst, a, b, .. }
            | Inst::PairDot { dst, a, b } => Vectors::new(&[a, b], &[dst]),
            Inst::MultiplyAdd { acc, a, b }
            | Inst::MultiplyAddLane { acc, a, b, .. }
            | Inst::PairSum { acc, a, b }
            | Inst::ByteDot { acc, a, b }
            | Inst::ByteDotLane { acc, a, b, .. } => Vectors::new(&[acc, a, b], &[acc]),
            Inst::Select { dst, mask, other } => Vectors::new(&[dst, mask, other], &[dst]),
            Inst::Prefetch { .. }
            | Inst::Lookup { .. }
            | Inst::TileZero { .. }
            | Inst::TileLoad { .. }
            | Inst::TileStore { .. }
            | Inst::TileDot { .. }
            | Inst::Number { .. }
            | Inst::CopyPointer { .. }
            | Inst::Advance { .. }
            | Inst::AdvanceBy { .. }
            | Inst::Loop { .. } => Vectors::default(),
        }
    }
}
