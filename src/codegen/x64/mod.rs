//! Vector program -> x86-64 machine code: AVX2 and FMA for 8 lanes (and 4), AVX-512F for 16.
//!
//! One instruction of the program becomes one machine instruction wherever the machine has it;
//! nothing is reordered. The functions follow the System V convention on every system, call nothing
//! and hold no absolute address.

mod bytes;
mod codes;
mod emit;

use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter};

pub use emit::encode;

/// The alignment that an encoded function requires: loop heads are aligned relative to it.
pub const ALIGNMENT: u64 = 64;

/// The instructions in nasm syntax: the offset of each, and its line, which begins with the offset.
pub fn disassemble(code: &[u8]) -> Vec<(usize, String)> {
    let mut formatter = NasmFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE)
        .iter()
        .map(|instruction| {
            let mut line = format!("{:6x}  ", instruction.ip());
            formatter.format(&instruction, &mut line);
            (instruction.ip() as usize, line)
        })
        .collect()
}
