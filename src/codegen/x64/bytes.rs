//! Instructions that load, store and look up bytes.

use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

use super::codes::{Packing, SingleByte, ToBytes, low_byte, low_half};
use super::emit::{Emitter, masked, mem, pointer};
use crate::codegen::vir::{Mem, P, V};

/// `vpermq`: the first 64 bits of each 128-bit part, one after the other.
const FIRST_OF_EACH: u32 = 0b00_00_10_00;

impl Emitter<'_> {
    /// The byte at the position that another one is, by way of the register `index`.
    pub(super) fn lookup(
        &mut self,
        dst: Mem,
        src: Mem,
        table: P,
        index: P,
    ) -> Result<(), IcedError> {
        let register = pointer(index);
        let (half, byte) = (low_half(register), low_byte(register));
        let element = MemoryOperand::with_base_index(pointer(table), register);
        self.emit(Instruction::with2(Code::Movzx_r32_rm8, half, mem(src))?)?;
        self.emit(Instruction::with2(Code::Movzx_r32_rm8, half, element)?)?;
        self.emit(Instruction::with2(Code::Mov_rm8_r8, mem(dst), byte)?)
    }

    pub(super) fn load_byte(&mut self, dst: V, src: Mem, signed: bool) -> Result<(), IcedError> {
        let codes = &self.codes.integers;
        match codes.single_byte {
            SingleByte::Masked => {
                let load = if signed { codes.from_signed_bytes } else { codes.from_bytes };
                self.set_mask(1)?;
                let mut load = masked(Instruction::with2(load, self.v(dst), mem(src))?);
                load.set_zeroing_masking(true);
                self.emit(load)
            }
            SingleByte::Inserted { insert, widen_signed, .. } => {
                let first = Register::XMM0 + u32::from(dst.0);
                self.vvv(self.codes.zero, dst, dst, dst)?;
                self.emit(Instruction::with4(insert, first, first, mem(src), 0)?)?;
                if signed {
                    self.emit(Instruction::with2(widen_signed, first, first)?)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn store_byte(&mut self, dst: Mem, src: V) -> Result<(), IcedError> {
        match (self.codes.integers.single_byte, self.codes.integers.to_bytes) {
            (SingleByte::Inserted { extract, .. }, _) => {
                let first = Register::XMM0 + u32::from(src.0);
                self.emit(Instruction::with3(extract, mem(dst), first, 0)?)
            }
            (SingleByte::Masked, ToBytes::At(code)) => {
                self.set_mask(1)?;
                self.emit(masked(Instruction::with2(code, mem(dst), self.v(src))?))
            }
            (SingleByte::Masked, ToBytes::Packed { .. }) => Ok(()),
        }
    }

    /// Packing works on 128-bit parts, so what comes out is in the order of the parts, and within
    /// each in the order of the vectors.
    pub(super) fn store_packed(&mut self, dst: Mem, [a, b, c, d]: [V; 4]) -> Result<(), IcedError> {
        let Packing { words, bytes, order } = self.codes.integers.packing;
        self.vvv(words, a, a, b)?;
        self.vvv(words, c, c, d)?;
        self.vvv(bytes, a, a, c)?;
        if let Some(order) = order {
            let parts = self.program.target.lanes / 4;
            let word = |i: usize| (i % parts * 4 + i / parts) as u32;
            let place = self.place((0..4 * parts).map(word).collect());
            self.refer(Instruction::with2(self.codes.load, self.v(b), self.rip(false))?, place)?;
            self.vvv(order, a, b, a)?;
        }
        self.emit(Instruction::with2(self.codes.store, mem(dst), self.v(a))?)
    }

    /// The low byte of every lane. Where no single instruction narrows so far, the lanes are packed
    /// to 16 bits and then to 8, in the register; packing works on 128-bit parts.
    pub(super) fn store_bytes(&mut self, dst: Mem, src: V) -> Result<(), IcedError> {
        match self.codes.integers.to_bytes {
            ToBytes::At(code) => self.emit(Instruction::with2(code, mem(dst), self.v(src))?),
            ToBytes::Packed { words, join, bytes, store } => {
                let (wide, narrow) = (self.v(src), Register::XMM0 + u32::from(src.0));
                self.vvv(words, src, src, src)?;
                if let Some(join) = join {
                    self.emit(Instruction::with3(join, wide, wide, FIRST_OF_EACH)?)?;
                }
                self.emit(Instruction::with3(bytes, narrow, narrow, narrow)?)?;
                self.emit(Instruction::with2(store, mem(dst), narrow)?)
            }
        }
    }
}
