//! Vector program -> x86-64 machine code: AVX2 and FMA for 8 lanes (and 4), AVX-512F for 16.
//!
//! One instruction of the program becomes one of the machine wherever the machine has it; nothing is reordered.
//! The functions follow the System V convention on every system, call nothing and hold no absolute address.

mod codes;
mod emit;

use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter};

use super::error::CodegenError;
use super::listing::CodeLine;
use super::vir::Program;

/// The alignment that an encoded function asks for: loop heads are aligned relative to it.
pub const ALIGNMENT: u64 = 64;

/// An encoded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Instructions, then the constants that they refer to.
    pub bytes: Vec<u8>,
    /// How many of the bytes are instructions.
    pub code: usize,
    /// Where the lines of the program begin.
    pub lines: Vec<CodeLine>,
}

/// Encodes `program`. Any x86-64 encodes any program; running it is another matter.
///
/// # Errors
/// If the program is malformed.
pub fn encode(program: &Program) -> Result<Encoded, CodegenError> {
    emit::encode(program)
}

/// The instructions in the syntax of nasm: the offset of each, and its line, which begins with the offset.
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
