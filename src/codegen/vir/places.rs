//! Which places in memory an instruction accesses.

use super::{Inst, Mem};

impl Inst {
    /// The places in memory that it accesses itself, without those of a loop's body.
    pub fn places(&self) -> impl Iterator<Item = Mem> {
        let (one, other) = match *self {
            Inst::Load { src: place, .. }
            | Inst::LoadFirst { src: place, .. }
            | Inst::Broadcast { src: place, .. }
            | Inst::Shuffle { src: place, .. }
            | Inst::Store { dst: place, .. }
            | Inst::StoreFirst { dst: place, .. }
            | Inst::BroadcastBytes { src: place, .. }
            | Inst::LoadBytes { src: place, .. }
            | Inst::LoadShorts { src: place, .. }
            | Inst::WidenBytes { src: place, .. }
            | Inst::StoreBytes { dst: place, .. }
            | Inst::LoadByte { src: place, .. }
            | Inst::StoreByte { dst: place, .. }
            | Inst::StorePacked { dst: place, .. }
            | Inst::Prefetch { src: place, .. }
            | Inst::TileLoad { src: place, .. }
            | Inst::TileStore { dst: place, .. }
            | Inst::AdvanceBy { src: place, .. } => (Some(place), None),
            Inst::Interleave { even, odd, .. } => (Some(even), Some(odd)),
            Inst::Lookup { dst, src, .. } => (Some(src), Some(dst)),
            Inst::Const { .. }
            | Inst::Copy { .. }
            | Inst::Round { .. }
            | Inst::Pow2 { .. }
            | Inst::Sqrt { .. }
            | Inst::Exponent { .. }
            | Inst::Exchange { .. }
            | Inst::MultiplyAdd { .. }
            | Inst::MultiplyAddLane { .. }
            | Inst::Arith { .. }
            | Inst::Blend { .. }
            | Inst::ToInteger { .. }
            | Inst::FromInteger { .. }
            | Inst::Integer { .. }
            | Inst::ByteDot { .. }
            | Inst::ByteDotLane { .. }
            | Inst::Short { .. }
            | Inst::PairDot { .. }
            | Inst::PairSum { .. }
            | Inst::Shift { .. }
            | Inst::Select { .. }
            | Inst::TileZero { .. }
            | Inst::TileDot { .. }
            | Inst::Number { .. }
            | Inst::CopyPointer { .. }
            | Inst::Advance { .. }
            | Inst::Loop { .. } => (None, None),
        };
        one.into_iter().chain(other)
    }
}
