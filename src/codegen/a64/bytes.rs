//! Instructions that load, store and look up bytes and 16-bit integers.

use super::codes::{
    LOAD_BYTE, LOAD_HALF, LOAD_INDEX, LOAD_WORD, SQXTN, SQXTUN, STORE, STORE_BYTE, STORE_INDEX,
    STORE_WORD, Two, WIDEN_BYTES, WIDEN_SHORTS, XTN_SHORTS, XTN_WORDS, general, load_indexed,
    vector,
};
use super::emit::Emitter;
use crate::codegen::vir::{Mem, P, V};

impl Emitter<'_> {
    /// The byte at the position that another one is, by way of the register `index`.
    pub(super) fn lookup(&mut self, dst: Mem, src: Mem, table: P, index: P) {
        let register = general(index);
        self.access(LOAD_INDEX, register.0, src);
        self.emit(load_indexed(register, general(table), register));
        self.addresses.forget(index);
        self.access(STORE_INDEX, register.0, dst);
    }

    pub(super) fn load_bytes(&mut self, dst: V, src: Mem, signed: bool) {
        let dst = vector(dst);
        self.access_vector(LOAD_WORD, dst, src);
        self.widen(&[WIDEN_BYTES[usize::from(signed)], WIDEN_SHORTS[usize::from(signed)]], dst);
    }

    /// Loading a byte makes the rest of a register 0.
    pub(super) fn load_byte(&mut self, dst: V, src: Mem, signed: bool) {
        let dst = vector(dst);
        self.access_vector(LOAD_BYTE, dst, src);
        if signed {
            self.widen(&[WIDEN_BYTES[1], WIDEN_SHORTS[1]], dst);
        }
    }

    pub(super) fn store_byte(&mut self, dst: Mem, src: V) {
        self.access_vector(STORE_BYTE, vector(src), dst);
    }

    pub(super) fn load_shorts(&mut self, dst: V, src: Mem) {
        let dst = vector(dst);
        self.access_vector(LOAD_HALF, dst, src);
        self.widen(&[WIDEN_SHORTS[1]], dst);
    }

    pub(super) fn widen_bytes(&mut self, dst: V, src: Mem) {
        let dst = vector(dst);
        self.access_vector(LOAD_HALF, dst, src);
        self.widen(&[WIDEN_BYTES[0]], dst);
    }

    fn widen(&mut self, steps: &[Two], register: super::codes::Vector) {
        steps.iter().for_each(|step| self.emit(step.word(register, register)));
    }

    pub(super) fn store_packed(&mut self, dst: Mem, src: [V; 4]) {
        let [a, b, c, d] = src.map(vector);
        for (half, [first, second]) in [[a, b], [c, d]].into_iter().enumerate() {
            self.emit(SQXTN[0].word(first, first));
            self.emit(SQXTN[1].word(first, second));
            self.emit(SQXTUN[half].word(a, first));
        }
        self.access_vector(STORE, a, dst);
    }

    pub(super) fn store_bytes(&mut self, dst: Mem, src: V) {
        let src = vector(src);
        [XTN_WORDS, XTN_SHORTS].iter().for_each(|step| self.emit(step.word(src, src)));
        self.access_vector(STORE_WORD, src, dst);
    }
}
