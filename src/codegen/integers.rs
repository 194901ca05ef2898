//! The semantics of instructions on integers in vector lanes and on bytes in tiles.
//!
//! Source: Intel, "Architecture Instruction Set Extensions Programming Reference", TDPBSSD, TDPBUSD and VPDPBUSD; "Software
//! Developer's Manual", volume 2, PMADDWD.

use super::vir::{Bytes, Integer, Shift, Short, TILE_ROWS};

/// [`Inst::ToInteger`](super::vir::Inst::ToInteger).
pub(super) fn nearest(x: f32) -> f32 {
    let rounded = x.round_ties_even();
    let fits = (-2_147_483_648.0..2_147_483_648.0).contains(&rounded);
    from(if fits { rounded as i32 } else { i32::MIN })
}

/// [`Inst::FromInteger`](super::vir::Inst::FromInteger).
pub(super) fn number(x: f32) -> f32 {
    of(x) as f32
}

/// [`Inst::Integer`](super::vir::Inst::Integer).
pub(super) fn lane(op: Integer, a: f32, b: f32) -> f32 {
    let (a, b) = (of(a), of(b));
    from(match op {
        Integer::Add => a.wrapping_add(b),
        Integer::Sub => a.wrapping_sub(b),
        Integer::Max => a.max(b),
        Integer::Min => a.min(b),
        Integer::And => a & b,
        Integer::Xor => a ^ b,
        Integer::Mul => a.wrapping_mul(b),
    })
}

/// [`Inst::Shift`](super::vir::Inst::Shift).
pub(super) fn shift(to: Shift, x: f32, by: u8) -> f32 {
    f32::from_bits(match to {
        Shift::Left => x.to_bits() << by,
        Shift::Right => x.to_bits() >> by,
        Shift::SignedRight => (of(x) >> by) as u32,
    })
}

/// [`Inst::Select`](super::vir::Inst::Select).
pub(super) fn select(kept: f32, mask: f32, other: f32) -> f32 {
    let mask = mask.to_bits();
    f32::from_bits(kept.to_bits() & mask | other.to_bits() & !mask)
}

/// A byte that [`Inst::LoadBytes`](super::vir::Inst::LoadBytes) loads.
pub(super) fn widened(byte: u8, signed: bool) -> f32 {
    from(if signed { i32::from(byte as i8) } else { i32::from(byte) })
}

/// An integer that [`Inst::LoadShorts`](super::vir::Inst::LoadShorts) loads.
pub(super) fn short(bytes: [u8; 2]) -> f32 {
    from(i16::from_le_bytes(bytes).into())
}

/// A byte that [`Inst::StoreBytes`](super::vir::Inst::StoreBytes) stores.
pub(super) fn low_byte(x: f32) -> u8 {
    of(x) as u8
}

/// A byte that [`Inst::StorePacked`](super::vir::Inst::StorePacked) stores.
pub(super) fn limited_byte(x: f32) -> u8 {
    of(x).clamp(0, 255) as u8
}

/// Two bytes that [`Inst::WidenBytes`](super::vir::Inst::WidenBytes) loads.
pub(super) fn widened_pair([low, high]: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// [`Inst::Short`](super::vir::Inst::Short).
pub(super) fn shorts(op: Short, a: f32, b: f32) -> f32 {
    let (a, b) = (pair(a), pair(b));
    let one = |i: usize| match op {
        Short::Add => a[i].wrapping_add(b[i]),
        Short::Sub => a[i].wrapping_sub(b[i]),
    };
    f32::from_bits(u32::from(one(1) as u16) << 16 | u32::from(one(0) as u16))
}

/// [`Inst::PairDot`](super::vir::Inst::PairDot).
pub(super) fn pair_dot(a: f32, b: f32) -> f32 {
    let (a, b) = (pair(a), pair(b));
    let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
    from(product(0).wrapping_add(product(1)))
}

/// The 16-bit integers of a lane, the low one first.
fn pair(x: f32) -> [i16; 2] {
    [of(x) as i16, (of(x) >> 16) as i16]
}

/// A byte as a factor.
fn factor(kind: Bytes, byte: u8) -> i32 {
    match kind {
        Bytes::Signed => i32::from(byte as i8),
        Bytes::Unsigned => i32::from(byte),
    }
}

/// [`Inst::ByteDot`](super::vir::Inst::ByteDot), whose left factors are unsigned, and
/// [`Inst::ByteDotLane`](super::vir::Inst::ByteDotLane).
pub(super) fn byte_dot(left: Bytes, acc: f32, a: f32, b: f32) -> f32 {
    let (a, b) = (of(a).to_le_bytes(), of(b).to_le_bytes());
    let product = |i: usize| factor(left, a[i]) * factor(Bytes::Signed, b[i]);
    from(of(acc).wrapping_add(product(0) + product(1) + product(2) + product(3)))
}

/// [`Inst::TileDot`](super::vir::Inst::TileDot).
pub(super) fn dot(
    left: Bytes,
    acc: &mut [[f32; TILE_ROWS]; TILE_ROWS],
    a: &[[f32; TILE_ROWS]; TILE_ROWS],
    b: &[[f32; TILE_ROWS]; TILE_ROWS],
) {
    for (acc, a) in acc.iter_mut().zip(a) {
        for (&a, b) in a.iter().zip(b) {
            acc.iter_mut().zip(b).for_each(|(acc, &b)| *acc = byte_dot(left, *acc, a, b));
        }
    }
}

fn of(x: f32) -> i32 {
    x.to_bits() as i32
}

fn from(x: i32) -> f32 {
    f32::from_bits(x as u32)
}
