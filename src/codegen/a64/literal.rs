//! Constants: as immediates where instructions have room for them, else from memory behind the
//! code.

use super::codes::{NUMBER, Vector, dup_general, move_high, move_low};
use super::emit::Emitter;
use super::pool::Words;

impl Emitter<'_> {
    /// The same bits in every lane.
    pub(super) fn splat(&mut self, d: Vector, bits: u32) {
        match immediate(bits) {
            Some(word) => self.emit(word | d.0),
            None => self.words(d, [bits; 4]),
        }
    }

    /// Any vector.
    pub(super) fn words(&mut self, d: Vector, words: Words) {
        if self.long {
            return self.assemble(d, words);
        }
        self.pool.refer(self.words.len(), words);
        // The register; `Pool::append` makes an instruction of it.
        self.emit(d.0);
    }

    /// Any vector, by way of a general register.
    fn assemble(&mut self, d: Vector, words: Words) {
        if words == [words[0]; 4] {
            self.number(NUMBER, words[0].into());
            return self.emit(dup_general(d, NUMBER));
        }
        let half = |i: usize| (u64::from(words[i + 1]) << 32 | u64::from(words[i])) as i64;
        self.number(NUMBER, half(0));
        self.emit(move_low(d, NUMBER));
        self.number(NUMBER, half(2));
        self.emit(move_high(d, NUMBER));
    }
}

/// The instruction, without its register, that sets every lane to these bits, if there is one: a
/// byte at any place, the complement of one, or a float of few digits.
fn immediate(bits: u32) -> Option<u32> {
    const BYTE: u32 = 0x4f00_0400;
    const COMPLEMENT: u32 = 0x6f00_0400;
    const FLOAT: u32 = 0x4f00_f400;
    let operand = |byte: u32| (byte >> 5) << 16 | (byte & 0x1f) << 5;
    let place = |bits: u32| (0..4).find(|i| bits & !(0xff << (8 * i)) == 0);
    let byte = |code: u32, bits: u32| {
        place(bits).map(|i| code | i << 13 | operand(bits >> (8 * i) & 0xff))
    };
    byte(BYTE, bits)
        .or_else(|| byte(COMPLEMENT, !bits))
        .or_else(|| float(bits).map(|byte| FLOAT | operand(byte)))
}

/// Sign, 3 bits of the exponent and 4 of the fraction, if these are all of a float.
fn float(bits: u32) -> Option<u32> {
    let (sign, exponent, fraction) = (bits >> 31, bits >> 23 & 0xff, bits & 0x7f_ffff);
    // -3 to 4.
    let near = (124..=131).contains(&exponent) && fraction.trailing_zeros() >= 19;
    let exponent = (exponent.wrapping_sub(124) ^ 4) & 7;
    near.then_some(sign << 7 | exponent << 4 | fraction >> 19)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from the manual's table of 8-bit floating-point constants.
    #[test]
    fn floats_of_few_digits_are_immediates() {
        for (value, byte) in [
            (2.0f32, 0x00),
            (4.0, 0x10),
            (16.0, 0x30),
            (0.125, 0x40),
            (0.25, 0x50),
            (0.5, 0x60),
            (1.0, 0x70),
            (1.9375, 0x7f),
            (-31.0, 0xbf),
        ] {
            assert_eq!(float(value.to_bits()), Some(byte), "{value}");
        }
        for value in [0.1f32, 32.0, 0.0625, 0.0, f32::INFINITY, 1.03125] {
            assert_eq!(float(value.to_bits()), None, "{value}");
        }
    }
}
