//! Numbers that define instructions, on which every back end and the emulator must agree.

#[cfg(doc)]
use super::Inst;

/// Rows of a tile register; each is as long as a vector of 16 lanes.
pub const TILE_ROWS: usize = 16;

/// Bytes of a row of a tile register.
pub const TILE_ROW_BYTES: usize = 64;

/// Added to `x`, leaves `x + 127` in the low bits of the sum: [`Inst::Pow2`] on every back end is
/// this addition and a shift that moves these bits to the exponent. The other bits are 0, so that
/// no `x` gives NaN.
pub const POW2_MAGIC: f32 = 12_582_912.0 + 127.0;

/// The number of bits that [`Inst::Pow2`] and [`Inst::Exponent`] shift by.
pub const POW2_SHIFT: u32 = 23;

/// [`Inst::Exponent`] shifts the exponent of `x` to the low bits of this number, whose unit in the
/// last place is 1, and subtracts it and the bias again.
pub const EXPONENT_BASE: f32 = 8_388_608.0;

/// What [`Inst::Exponent`] subtracts.
pub const EXPONENT_MAGIC: f32 = EXPONENT_BASE + 127.0;
