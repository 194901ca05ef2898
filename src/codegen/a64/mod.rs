//! Vector program -> A64 machine code with Advanced SIMD (NEON): 4 lanes.
//!
//! One instruction of the program becomes one machine instruction wherever the machine has it;
//! nothing is reordered. Functions follow the Arm procedure call standard (AAPCS64), call nothing
//! and hold no absolute address.
//!
//! Source of encodings: Arm, "Arm Architecture Reference Manual for A-profile architecture"
//! (DDI 0487), chapter C7.

mod address;
mod addresses;
mod bytes;
mod codes;
mod emit;
mod literal;
mod pool;
mod scratch;

pub use emit::encode;

/// The alignment that an encoded function requires: loop heads and constants are aligned relative
/// to it.
pub const ALIGNMENT: u64 = 64;
