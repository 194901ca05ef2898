//! The table of instructions, one type for each form of operands, and the registers.

use crate::codegen::vir::{Arith, Integer, P, Short, V};

/// A vector register of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Vector(pub(super) u32);

/// A 64-bit general register of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct General(pub(super) u32);

/// The stack pointer, where an instruction takes an address.
pub(super) const STACK: General = General(31);

/// Holds numbers that are no operands of the program. The platform's convention lets any callee
/// change it, like the next two.
pub(super) const NUMBER: General = General(15);

/// Hold addresses that are too far from a register of the program.
pub(super) const ADDRESSES: [General; 2] = [General(16), General(17)];

/// How many arguments are in registers, the first ones; the others are on the stack.
pub(super) const ARGUMENTS: usize = 8;

/// The first register whose low half a callee must save, and the first one that it need not save
/// again.
const SAVED: [u32; 2] = [8, 16];

/// How many registers a callee must not save.
pub(super) const FREE_VECTORS: u32 = 32 - (SAVED[1] - SAVED[0]);

/// The machine register of a program's vector: those that must be saved are the last ones.
pub(super) fn vector(v: V) -> Vector {
    let [saved, free] = SAVED;
    Vector(match u32::from(v.0) {
        n if n < saved => n,
        n if n < FREE_VECTORS => n + free - saved,
        n => n - FREE_VECTORS + saved,
    })
}

/// Pairs of registers, of those in the mask, whose low halves must be saved.
pub(super) fn saved_pairs(vectors: u32) -> impl Iterator<Item = [Vector; 2]> {
    let [saved, free] = SAVED;
    let used = move |register: u32| {
        (0..32).any(|v| vectors >> v & 1 == 1 && vector(V(v as u8)) == Vector(register))
    };
    let pairs = (saved..free).step_by(2).filter(move |&r| used(r) || used(r + 1));
    pairs.map(|r| [Vector(r), Vector(r + 1)])
}

/// The machine register of a program's address or count, or of a loop's counter. The convention
/// lets a callee change all of them.
pub(super) fn general(p: P) -> General {
    General(u32::from(p.0))
}

/// `op d, n, m`.
#[derive(Clone, Copy)]
pub(super) struct Three(u32);

impl Three {
    pub(super) fn word(self, d: Vector, n: Vector, m: Vector) -> u32 {
        self.0 | m.0 << 16 | n.0 << 5 | d.0
    }
}

pub(super) const FMLA: Three = Three(0x4e20_cc00);
pub(super) const FADD: Three = Three(0x4e20_d400);
pub(super) const FSUB: Three = Three(0x4ea0_d400);
pub(super) const FMUL: Three = Three(0x6e20_dc00);
pub(super) const FDIV: Three = Three(0x6e20_fc00);
pub(super) const FMAX: Three = Three(0x4e20_f400);
pub(super) const FCMEQ: Three = Three(0x4e20_e400);
pub(super) const FCMGE: Three = Three(0x6e20_e400);
pub(super) const FCMGT: Three = Three(0x6ea0_e400);
pub(super) const AND: Three = Three(0x4e20_1c00);
/// The bits that are set in `n` and not in `m`.
pub(super) const BIC: Three = Three(0x4e60_1c00);
pub(super) const ORR: Three = Three(0x4ea0_1c00);
pub(super) const EOR: Three = Three(0x6e20_1c00);
/// `d = d ? n : m`, bit by bit.
pub(super) const BSL: Three = Three(0x6e60_1c00);
/// `d = m ? n : d`, bit by bit.
pub(super) const BIT: Three = Three(0x6ea0_1c00);
/// `d = m ? d : n`, bit by bit.
pub(super) const BIF: Three = Three(0x6ee0_1c00);
pub(super) const ADD: Three = Three(0x4ea0_8400);
pub(super) const SUB: Three = Three(0x6ea0_8400);
const SMAX: Three = Three(0x4ea0_6400);
const SMIN: Three = Three(0x4ea0_6c00);
const MUL: Three = Three(0x4ea0_9c00);
const ADD_SHORTS: Three = Three(0x4e60_8400);
const SUB_SHORTS: Three = Three(0x6e60_8400);
/// Products of the low halves' 16-bit integers.
pub(super) const SMULL: Three = Three(0x0e60_c000);
/// Products of the high halves' 16-bit integers.
pub(super) const SMULL2: Three = Three(0x4e60_c000);
/// Sums of neighbours, those of `n` first.
pub(super) const ADDP: Three = Three(0x4ea0_bc00);
/// Adds sums of four products, of unsigned bytes of `n` and signed bytes of `m`.
pub(super) const USDOT: Three = Three(0x4e80_9c00);
/// Bytes of `n` at the positions in `m`.
pub(super) const TBL: Three = Three(0x4e00_0000);

/// `op d, n`.
#[derive(Clone, Copy)]
pub(super) struct Two(u32);

impl Two {
    pub(super) fn word(self, d: Vector, n: Vector) -> u32 {
        self.0 | n.0 << 5 | d.0
    }
}

pub(super) const MVN: Two = Two(0x6e20_5800);
/// Neighbouring words change places.
pub(super) const REV64: Two = Two(0x4ea0_0800);
pub(super) const FRINTN: Two = Two(0x4e21_8800);
pub(super) const FSQRT: Two = Two(0x6ea1_f800);
/// To the nearest integer, ties to even; to the nearest one that there is, and 0 for NaN.
pub(super) const FCVTNS: Two = Two(0x4e21_a800);
pub(super) const SCVTF: Two = Two(0x4e21_d800);
/// The low 16 bits of words, in the low half.
pub(super) const XTN_WORDS: Two = Two(0x0e61_2800);
/// The low bytes of 16-bit integers, in the low half.
pub(super) const XTN_SHORTS: Two = Two(0x0e21_2800);
/// Words limited to signed 16 bits: in the low half, and in the high half.
pub(super) const SQXTN: [Two; 2] = [Two(0x0e61_4800), Two(0x4e61_4800)];
/// Signed 16-bit integers limited to unsigned bytes: in the low half, and in the high half.
pub(super) const SQXTUN: [Two; 2] = [Two(0x2e21_2800), Two(0x6e21_2800)];
/// Bytes of the low half as 16-bit integers: unsigned, signed.
pub(super) const WIDEN_BYTES: [Two; 2] = [Two(0x2f08_a400), Two(0x0f08_a400)];
/// 16-bit integers of the low half as words: unsigned, signed.
pub(super) const WIDEN_SHORTS: [Two; 2] = [Two(0x2f10_a400), Two(0x0f10_a400)];

/// `op d, n, m[element]`: a word of `m`.
#[derive(Clone, Copy)]
pub(super) struct ByElement(u32);

impl ByElement {
    pub(super) fn word(self, d: Vector, n: Vector, m: Vector, element: u8) -> u32 {
        let (low, high) = (u32::from(element) & 1, u32::from(element) >> 1 & 1);
        self.0 | high << 11 | low << 21 | m.0 << 16 | n.0 << 5 | d.0
    }
}

pub(super) const FMLA_ELEMENT: ByElement = ByElement(0x4f80_1000);
/// Adds sums of four products, of signed bytes of `n` and of the element.
pub(super) const SDOT_ELEMENT: ByElement = ByElement(0x4f80_e000);
/// Adds sums of four products, of signed bytes of `n` and unsigned bytes of the element.
pub(super) const SUDOT_ELEMENT: ByElement = ByElement(0x4f00_f000);

/// The word of a lane in all lanes.
pub(super) fn dup(d: Vector, n: Vector, lane: u8) -> u32 {
    0x4e04_0400 | u32::from(lane) << 19 | n.0 << 5 | d.0
}

/// A general register's low word in all lanes.
pub(super) fn dup_general(d: Vector, n: General) -> u32 {
    0x4e04_0c00 | n.0 << 5 | d.0
}

/// A general register in the low half; the high half becomes 0.
pub(super) fn move_low(d: Vector, n: General) -> u32 {
    0x9e67_0000 | n.0 << 5 | d.0
}

/// A general register in the high half.
pub(super) fn move_high(d: Vector, n: General) -> u32 {
    0x4e18_1c00 | n.0 << 5 | d.0
}

/// The halves of a register change places.
pub(super) fn exchange_halves(d: Vector, n: Vector) -> u32 {
    0x6e00_4000 | n.0 << 16 | n.0 << 5 | d.0
}

/// Words shifted to the left, by less than 32 bits.
pub(super) fn shl(d: Vector, n: Vector, by: u32) -> u32 {
    0x4f00_5400 | (32 + by) << 16 | n.0 << 5 | d.0
}

/// Words shifted to the right, by 1 to 32 bits.
pub(super) fn shr(signed: bool, d: Vector, n: Vector, by: u32) -> u32 {
    let code = if signed { 0x4f00_0400 } else { 0x6f00_0400 };
    code | (64 - by) << 16 | n.0 << 5 | d.0
}

/// A register, copied.
pub(super) fn copy(d: Vector, n: Vector) -> u32 {
    ORR.word(d, n, n)
}

/// How a register is loaded from an address or stored to it.
#[derive(Clone, Copy)]
pub(super) struct Access {
    /// With a displacement in units of the access, 12 bits.
    scaled: u32,
    /// With a signed displacement in bytes, 9 bits.
    unscaled: u32,
    /// Bytes of the access.
    pub(super) size: i64,
}

impl Access {
    const fn new(scaled: u32, unscaled: u32, size: i64) -> Self {
        Access { scaled, unscaled, size }
    }

    /// The instruction, unless the displacement is too far away.
    pub(super) fn word(self, register: u32, base: General, displacement: i64) -> Option<u32> {
        let operands = base.0 << 5 | register;
        let units = displacement / self.size;
        if displacement % self.size == 0 && (0..SCALED_END).contains(&units) {
            return Some(self.scaled | (units as u32) << 10 | operands);
        }
        let near = (-UNSCALED_END..UNSCALED_END).contains(&displacement);
        near.then_some(self.unscaled | (displacement as u32 & 0x1ff) << 12 | operands)
    }

    /// The size of a stretch of memory that displacements from its first byte reach.
    pub(super) fn stretch(self, displacement: i64) -> i64 {
        if displacement % self.size == 0 { SCALED_END * self.size } else { UNSCALED_END }
    }
}

/// The end of displacements in units of the access.
const SCALED_END: i64 = 1 << 12;
/// The end of displacements in bytes.
const UNSCALED_END: i64 = 1 << 8;

pub(super) const LOAD: Access = Access::new(0x3dc0_0000, 0x3cc0_0000, 16);
pub(super) const STORE: Access = Access::new(0x3d80_0000, 0x3c80_0000, 16);
pub(super) const LOAD_HALF: Access = Access::new(0xfd40_0000, 0xfc40_0000, 8);
pub(super) const LOAD_WORD: Access = Access::new(0xbd40_0000, 0xbc40_0000, 4);
pub(super) const STORE_WORD: Access = Access::new(0xbd00_0000, 0xbc00_0000, 4);
pub(super) const LOAD_BYTE: Access = Access::new(0x3d40_0000, 0x3c40_0000, 1);
pub(super) const STORE_BYTE: Access = Access::new(0x3d00_0000, 0x3c00_0000, 1);
/// General registers: 64 bits.
pub(super) const LOAD_GENERAL: Access = Access::new(0xf940_0000, 0xf840_0000, 8);
/// General registers: a byte, the other bits 0.
pub(super) const LOAD_INDEX: Access = Access::new(0x3940_0000, 0x3840_0000, 1);
pub(super) const STORE_INDEX: Access = Access::new(0x3900_0000, 0x3800_0000, 1);
/// The register is what is prefetched for: [`KEEP`].
pub(super) const PREFETCH: Access = Access::new(0xf980_0000, 0xf880_0000, 8);
/// To be read several times: from the first level, and from the second level.
pub(super) const KEEP: [u32; 2] = [0, 2];

/// A byte at the sum of two registers, the other bits 0.
pub(super) fn load_indexed(d: General, base: General, index: General) -> u32 {
    0x3860_6800 | index.0 << 16 | base.0 << 5 | d.0
}

/// Two registers at consecutive places, loaded or stored at once.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    code: u32,
    size: i64,
}

impl Pair {
    /// The instruction, unless the displacement is too far away.
    pub(super) fn word(self, both: [Vector; 2], base: General, displacement: i64) -> Option<u32> {
        let units = displacement / self.size;
        let near = displacement % self.size == 0 && (-64..64).contains(&units);
        let [first, second] = both;
        let operands = second.0 << 10 | base.0 << 5 | first.0;
        near.then_some(self.code | (units as u32 & 0x7f) << 15 | operands)
    }
}

pub(super) const LOAD_PAIR: Pair = Pair { code: 0xad40_0000, size: 16 };
pub(super) const STORE_PAIR: Pair = Pair { code: 0xad00_0000, size: 16 };
pub(super) const LOAD_HALVES: Pair = Pair { code: 0x6d40_0000, size: 8 };
pub(super) const STORE_HALVES: Pair = Pair { code: 0x6d00_0000, size: 8 };

/// `d = n + m`, of general registers.
pub(super) fn add_general(d: General, n: General, m: General) -> u32 {
    0x8b00_0000 | m.0 << 16 | n.0 << 5 | d.0
}

/// `d = n + number`, or `n - number`, for a number of 12 bits, or of 12 bits above 12 zeros.
pub(super) fn add_number(d: General, n: General, number: i64) -> Option<u32> {
    const ADD: u32 = 0x9100_0000;
    const SUBTRACT: u32 = 0xd100_0000;
    const SHIFTED: u32 = 1 << 22;
    let size = number.unsigned_abs();
    let immediate = match size {
        0..0x1000 => (size as u32) << 10,
        0x1000..0x100_0000 if size.is_multiple_of(0x1000) => SHIFTED | (size as u32 >> 12) << 10,
        _ => return None,
    };
    Some(if number < 0 { SUBTRACT } else { ADD } | immediate | n.0 << 5 | d.0)
}

/// Sets 16 bits of a general register; the others become 0.
pub(super) fn movz(d: General, bits: u16, part: u32) -> u32 {
    0xd280_0000 | part << 21 | u32::from(bits) << 5 | d.0
}

/// Sets 16 bits of a general register to the complement; the others become 1.
pub(super) fn movn(d: General, bits: u16, part: u32) -> u32 {
    0x9280_0000 | part << 21 | u32::from(bits) << 5 | d.0
}

/// Sets 16 bits of a general register; the others stay.
pub(super) fn movk(d: General, bits: u16, part: u32) -> u32 {
    0xf280_0000 | part << 21 | u32::from(bits) << 5 | d.0
}

/// `d = n`, of general registers.
pub(super) fn copy_general(d: General, n: General) -> u32 {
    0xaa00_03e0 | n.0 << 16 | d.0
}

/// A branch, or a load, by a distance of 19 bits in words.
#[derive(Clone, Copy)]
pub(super) struct Near(u32);

impl Near {
    pub(super) fn word(self, register: u32, words: i64) -> u32 {
        self.0 | (words as u32 & 0x7_ffff) << 5 | register
    }

    /// Whether the distance fits.
    pub(super) fn reaches(words: i64) -> bool {
        (-(1 << 18)..1 << 18).contains(&words)
    }
}

/// Branches if a general register is 0.
pub(super) const CBZ: Near = Near(0xb400_0000);
/// Branches if a general register is not 0.
pub(super) const CBNZ: Near = Near(0xb500_0000);
/// Loads a vector.
pub(super) const LOAD_LITERAL: Near = Near(0x9c00_0000);

/// Puts a vector on the stack, and takes it from there again.
pub(super) const PUSH: u32 = 0x3c9f_0fe0;
pub(super) const POP: u32 = 0x3cc1_07e0;

/// Branches by a distance in words.
pub(super) fn branch(words: i64) -> u32 {
    0x1400_0000 | words as u32 & 0x3ff_ffff
}

pub(super) const NOP: u32 = 0xd503_201f;
pub(super) const RET: u32 = 0xd65f_03c0;

/// The instruction of an operation on integers.
pub(super) fn integer(op: Integer) -> Three {
    match op {
        Integer::Add => ADD,
        Integer::Sub => SUB,
        Integer::Max => SMAX,
        Integer::Min => SMIN,
        Integer::And => AND,
        Integer::Xor => EOR,
        Integer::Mul => MUL,
    }
}

/// The instruction of an operation on 16-bit integers.
pub(super) fn short(op: Short) -> Three {
    match op {
        Short::Add => ADD_SHORTS,
        Short::Sub => SUB_SHORTS,
    }
}

/// What computes an operation on floats: an instruction, with its operands in this order or the
/// other one, or several.
pub(super) enum Operation {
    One(Three),
    Swapped(Three),
    /// The first operand where a comparison holds, else the second; the comparison may take its
    /// operands the other way round.
    Pick {
        swapped: bool,
    },
    MaxNan,
}

/// How an operation on floats is computed.
pub(super) fn operation(op: Arith) -> Operation {
    match op {
        Arith::Add => Operation::One(FADD),
        Arith::Sub => Operation::One(FSUB),
        Arith::Mul => Operation::One(FMUL),
        Arith::Div => Operation::One(FDIV),
        Arith::Max => Operation::Pick { swapped: false },
        Arith::Min => Operation::Pick { swapped: true },
        Arith::MaxNan => Operation::MaxNan,
        Arith::Equal => Operation::One(FCMEQ),
        Arith::Less => Operation::Swapped(FCMGT),
        Arith::LessOrEqual => Operation::Swapped(FCMGE),
        Arith::And => Operation::One(AND),
        Arith::AndNot => Operation::Swapped(BIC),
        Arith::Or => Operation::One(ORR),
    }
}
