//! Instructions of the program that become several, and need a register in between.

use super::codes::{
    self, ADDP, AND, BIF, BIT, BSL, FADD, FCMEQ, FCMGT, FCVTNS, FMAX, FREE_VECTORS, FSUB, MVN, ORR,
    POP, PUSH, SMULL, SMULL2, TBL, Vector, vector,
};
use super::emit::Emitter;
use crate::codegen::vir::{
    EXPONENT_BASE, EXPONENT_MAGIC, POW2_MAGIC, POW2_SHIFT, V, VectorSet, Vectors,
};

/// The float 2^31, the first beyond 32-bit integers.
const INTEGERS_END: u32 = 0x4f00_0000;

/// Registers that need not be saved.
const UNSAVED: VectorSet = (1 << FREE_VECTORS) - 1;

impl Emitter<'_> {
    /// Passes a register to `emit` that the instruction, which has these operands, does not need:
    /// one that holds nothing, or one whose contents wait on the stack meanwhile.
    pub(super) fn with_scratch(&mut self, operands: Vectors, emit: impl FnOnce(&mut Self, Vector)) {
        let first = |set: VectorSet| vector(V(set.trailing_zeros() as u8));
        // A register that the program does not use at all may be one that had to be saved.
        let free = self.free() & (UNSAVED | self.used());
        if free != 0 {
            return emit(self, first(free));
        }
        let scratch = first(!operands.named());
        self.emit(PUSH | scratch.0);
        emit(self, scratch);
        self.emit(POP | scratch.0);
    }

    /// `greater > than ? yes : no`
    pub(super) fn pick(
        &mut self,
        operands: Vectors,
        [greater, than]: [Vector; 2],
        [dst, yes, no]: [Vector; 3],
    ) {
        if dst != yes && dst != no {
            self.emit(FCMGT.word(dst, greater, than));
            return self.emit(BSL.word(dst, yes, no));
        }
        self.with_scratch(operands, |e, mask| {
            e.emit(FCMGT.word(mask, greater, than));
            e.choose(dst, yes, no, mask);
        });
    }

    /// `dst = mask ? yes : no`, where the result's register is one of the operands'.
    fn choose(&mut self, dst: Vector, yes: Vector, no: Vector, mask: Vector) {
        self.emit(match dst == no {
            true => BIT.word(dst, yes, mask),
            false => BIF.word(dst, no, mask),
        });
    }

    /// `fmax` is right except where zeros of different signs are equal: there it gives the
    /// positive one, where `a` is wanted.
    pub(super) fn max_nan(&mut self, operands: Vectors, [dst, a, b]: [Vector; 3]) {
        self.with_scratch(operands, |e, scratch| match dst {
            _ if dst == a => {
                // `b` where it is larger, then where it is NaN.
                e.emit(FCMGT.word(scratch, b, a));
                e.emit(BIT.word(dst, b, scratch));
                e.emit(FCMEQ.word(scratch, b, b));
                e.emit(BIF.word(dst, b, scratch));
            }
            _ if dst == b => {
                e.emit(FCMEQ.word(scratch, a, b));
                e.emit(FMAX.word(dst, a, b));
                e.emit(BIT.word(dst, a, scratch));
            }
            _ => {
                e.emit(FCMEQ.word(dst, a, b));
                e.emit(FMAX.word(scratch, a, b));
                e.emit(BSL.word(dst, a, scratch));
            }
        });
    }

    pub(super) fn blend(&mut self, operands: Vectors, [dst, a, b]: [Vector; 3], mask: u16) {
        let taken = |lane: u16| if mask >> lane & 1 == 1 { u32::MAX } else { 0 };
        let mask = [0, 1, 2, 3].map(taken);
        if dst != a && dst != b {
            self.words(dst, mask);
            return self.emit(BSL.word(dst, b, a));
        }
        self.with_scratch(operands, |e, scratch| {
            e.words(scratch, mask);
            e.choose(dst, b, a, scratch);
        });
    }

    /// Puts the lanes of a register in another order.
    pub(super) fn shuffle(&mut self, operands: Vectors, register: Vector, order: [u8; 4]) {
        let order = order.map(|lane| lane % 4);
        if order == [0, 1, 2, 3] {
            return;
        }
        if order == [order[0]; 4] {
            return self.emit(codes::dup(register, register, order[0]));
        }
        let bytes = |lane: u8| u32::from_le_bytes([0, 1, 2, 3].map(|byte| 4 * lane + byte));
        self.with_scratch(operands, |e, scratch| {
            e.words(scratch, order.map(bytes));
            e.emit(TBL.word(register, register, scratch));
        });
    }

    pub(super) fn pow2(&mut self, operands: Vectors, [dst, src]: [Vector; 2]) {
        self.with_scratch(operands, |e, magic| {
            e.splat(magic, POW2_MAGIC.to_bits());
            e.emit(FADD.word(dst, src, magic));
        });
        self.emit(codes::shl(dst, dst, POW2_SHIFT));
    }

    pub(super) fn exponent(&mut self, operands: Vectors, [dst, src]: [Vector; 2]) {
        self.emit(codes::shr(false, dst, src, POW2_SHIFT));
        self.with_scratch(operands, |e, scratch| {
            e.splat(scratch, EXPONENT_BASE.to_bits());
            e.emit(ORR.word(dst, dst, scratch));
            e.splat(scratch, EXPONENT_MAGIC.to_bits());
            e.emit(FSUB.word(dst, dst, scratch));
        });
    }

    /// `fcvtns` is right below 2^31. Everything else, NaN included, becomes the smallest integer.
    pub(super) fn nearest_integer(&mut self, operands: Vectors, [dst, src]: [Vector; 2]) {
        self.with_scratch(operands, |e, inside| {
            e.splat(inside, INTEGERS_END);
            e.emit(FCMGT.word(inside, inside, src));
            e.emit(FCVTNS.word(dst, src));
            e.emit(AND.word(dst, dst, inside));
            e.emit(MVN.word(inside, inside));
            e.emit(codes::shl(inside, inside, 31));
            e.emit(ORR.word(dst, dst, inside));
        });
    }

    pub(super) fn pair_dot(&mut self, operands: Vectors, [dst, a, b]: [Vector; 3]) {
        self.with_scratch(operands, |e, low| {
            e.emit(SMULL.word(low, a, b));
            e.emit(SMULL2.word(dst, a, b));
            e.emit(ADDP.word(dst, low, dst));
        });
    }
}
