//! Machine code as text, whatever machine it is for.

use disarm64::{InsnDisplay, decoder};
use resnetc::codegen::x64;

/// Instructions that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// x86-64, in nasm syntax.
    X64,
    /// 64-bit Arm.
    A64,
}

impl Instructions {
    /// Those of this machine, if they can be shown.
    pub(crate) fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Instructions::X64),
            "aarch64" => Some(Instructions::A64),
            _ => None,
        }
    }

    /// The offset of each instruction, and its line, which begins with the offset.
    pub(crate) fn disassemble(self, code: &[u8]) -> Vec<(usize, String)> {
        match self {
            Instructions::X64 => x64::disassemble(code),
            Instructions::A64 => {
                let words = code.as_chunks().0.iter().copied().map(u32::from_le_bytes);
                (0..).step_by(4).zip(words).map(|(at, word)| (at, a64(at, word))).collect()
            }
        }
    }
}

fn a64(at: usize, word: u32) -> String {
    match decoder::decode(word) {
        Some(instruction) => {
            let text = instruction.display_at(at as u64).to_string();
            format!("{at:6x}  {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        None => format!("{at:6x}  .word {word:#010x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_show_where_they_go() {
        let words: [u32; 3] = [0x4fa2_1820, 0xb5ff_ffe0, 0];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let lines = Instructions::A64.disassemble(&code);
        let lines: Vec<&str> = lines.iter().map(|(_, line)| line.trim_start()).collect();
        assert_eq!(lines[0], "0  fmla v0.4s, v1.4s, v2.s[3]");
        assert_eq!(lines[1], "4  cbnz x0, 0x0");
        assert!(lines[2].starts_with("8  "), "{}", lines[2]);
    }
}
