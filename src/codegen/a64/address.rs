//! Places in memory: displacements of any size.

use super::addresses::Sum;
use super::codes::{
    Access, General, NUMBER, Pair, Vector, add_general, add_number, general, movk, movn, movz,
};
use super::emit::Emitter;
use crate::codegen::vir::Mem;

impl Emitter<'_> {
    /// Loads, stores or prefetches.
    pub(super) fn access(&mut self, access: Access, register: u32, place: Mem) {
        let base = general(place.base);
        if let Some(word) = access.word(register, base, place.offset) {
            return self.emit(word);
        }
        let low = place.offset.rem_euclid(access.stretch(place.offset));
        let address = self.address(Sum { base: place.base, displacement: place.offset - low });
        let word = access.word(register, address, low);
        debug_assert!(word.is_some(), "a stretch is what displacements reach");
        word.into_iter().for_each(|word| self.emit(word));
    }

    pub(super) fn access_vector(&mut self, access: Access, vector: Vector, place: Mem) {
        self.access(access, vector.0, place);
    }

    /// Two vectors at consecutive places, if one instruction reaches both.
    pub(super) fn pair(&mut self, pair: Pair, vectors: [Vector; 2], places: [Mem; 2]) -> bool {
        let [first, second] = places;
        let consecutive = first.base == second.base && first.offset + 16 == second.offset;
        let word = pair.word(vectors, general(first.base), first.offset);
        let word = word.filter(|_| consecutive);
        word.into_iter().for_each(|word| self.emit(word));
        word.is_some()
    }

    /// A register that holds the sum.
    fn address(&mut self, sum: Sum) -> General {
        let (address, is_known) = self.addresses.register(sum);
        if !is_known {
            self.add(address, general(sum.base), sum.displacement);
        }
        address
    }

    /// `d = n + number`.
    pub(super) fn add(&mut self, d: General, n: General, number: i64) {
        if let Some(word) = add_number(d, n, number) {
            return self.emit(word);
        }
        let low = number % 0x1000;
        match add_number(d, n, number - low) {
            Some(high) => {
                self.emit(high);
                add_number(d, d, low).into_iter().for_each(|word| self.emit(word));
            }
            None => {
                self.number(NUMBER, number);
                self.emit(add_general(d, n, NUMBER));
            }
        }
    }

    /// `d = number`: the parts of 16 bits that differ from those that most of them are.
    pub(super) fn number(&mut self, d: General, number: i64) {
        let parts: [u16; 4] = std::array::from_fn(|i| (number >> (16 * i)) as u16);
        let fill = if number < 0 { u16::MAX } else { 0 };
        let first = parts.iter().position(|&part| part != fill).unwrap_or(0);
        self.emit(match number < 0 {
            true => movn(d, !parts[first], first as u32),
            false => movz(d, parts[first], first as u32),
        });
        for (i, &part) in parts.iter().enumerate().skip(first + 1).filter(|(_, p)| **p != fill) {
            self.emit(movk(d, part, i as u32));
        }
    }
}
