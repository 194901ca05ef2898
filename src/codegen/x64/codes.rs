//! The machine instruction for each operation, one table per register width.

use iced_x86::{Code, Register};

use crate::codegen::vir::{Integer, Short};
use crate::isa::Target;

/// The instructions of one width.
#[derive(Debug)]
pub(super) struct Codes {
    /// The most that programs made of these instructions may rely on, except for the number of
    /// lanes, which must be exactly this.
    encoded: Target,
    /// Register number 0.
    pub(super) first: Register,
    /// Whether there are mask registers and embedded broadcasts.
    pub(super) masks: bool,
    /// Whether registers have an upper part, which callers expect to be zero.
    pub(super) upper: bool,
    pub(super) zero: Code,
    pub(super) load: Code,
    pub(super) broadcast: Code,
    pub(super) shuffle: Code,
    /// Selects 128-bit parts of two vectors, by an immediate. Vectors with a single part do not use
    /// it.
    pub(super) exchange_parts: Code,
    pub(super) store: Code,
    pub(super) store_first: Code,
    pub(super) copy: Code,
    pub(super) multiply_add: Code,
    pub(super) add: Code,
    pub(super) sub: Code,
    pub(super) mul: Code,
    pub(super) div: Code,
    pub(super) max: Code,
    pub(super) min: Code,
    pub(super) and: Code,
    /// The bits that are set in the second operand and not in the first.
    pub(super) and_not: Code,
    pub(super) or: Code,
    /// To a vector, or to a mask where there are masks.
    pub(super) compare: Code,
    /// By an immediate, or by a mask where there are masks.
    pub(super) blend: Code,
    pub(super) round: Code,
    pub(super) shift_left: Code,
    pub(super) shift_right: Code,
    pub(super) shift_signed: Code,
    pub(super) sqrt: Code,
    pub(super) integers: Integers,
}

/// The instructions for integers in lanes.
#[derive(Debug)]
pub(super) struct Integers {
    pub(super) from_float: Code,
    pub(super) to_float: Code,
    pub(super) add: Code,
    pub(super) sub: Code,
    pub(super) max: Code,
    pub(super) min: Code,
    pub(super) and: Code,
    pub(super) xor: Code,
    pub(super) mul: Code,
    pub(super) add_shorts: Code,
    pub(super) sub_shorts: Code,
    /// Loads unsigned bytes as integers.
    pub(super) from_bytes: Code,
    /// Loads signed bytes as integers.
    pub(super) from_signed_bytes: Code,
    /// Loads signed 16-bit integers as integers.
    pub(super) from_shorts: Code,
    pub(super) to_bytes: ToBytes,
    pub(super) single_byte: SingleByte,
    pub(super) packing: Packing,
    /// Loads unsigned bytes as 16-bit integers.
    pub(super) shorts_from_bytes: Code,
    /// Sums of two products of 16-bit integers.
    pub(super) pair_dot: Code,
    /// The same, added to a sum.
    pub(super) pair_sum: Code,
    /// Sums of four products of bytes.
    pub(super) byte_dot: Code,
    /// Any bitwise function of three operands, given by its truth table.
    pub(super) ternary: Code,
    /// Widens 32-bit integers to 64 bits.
    pub(super) widen: Code,
    /// Loads consecutive values into the lanes of a mask.
    pub(super) expand: Code,
}

/// How the low byte of the first lane is loaded and stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum SingleByte {
    /// As all bytes are, with a mask.
    Masked,
    /// By inserting it into a register and extracting it.
    Inserted {
        insert: Code,
        /// Widens a signed one.
        widen_signed: Code,
        extract: Code,
    },
}

/// How four vectors of integers become one of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    /// 32 to 16 bits, signed, within 128-bit parts.
    pub(super) words: Code,
    /// 16 to 8 bits, unsigned, within 128-bit parts.
    pub(super) bytes: Code,
    /// Orders words by the numbers in a register, where there are several parts.
    pub(super) order: Option<Code>,
}

/// How the low bytes of lanes are stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToBytes {
    /// One instruction.
    At(Code),
    /// Integers that are bytes are packed within the register.
    Packed {
        /// 32 to 16 bits, within 128-bit parts.
        words: Code,
        /// Moves the results of the parts together, where there are several.
        join: Option<Code>,
        /// 16 to 8 bits.
        bytes: Code,
        /// Stores them.
        store: Code,
    },
}

const INSERTED: SingleByte = SingleByte::Inserted {
    insert: Code::VEX_Vpinsrb_xmm_xmm_r32m8_imm8,
    widen_signed: Code::VEX_Vpmovsxbd_xmm_xmmm32,
    extract: Code::VEX_Vpextrb_r32m8_xmm_imm8,
};

impl Integers {
    pub(super) fn of(&self, op: Integer) -> Code {
        match op {
            Integer::Add => self.add,
            Integer::Sub => self.sub,
            Integer::Max => self.max,
            Integer::Min => self.min,
            Integer::And => self.and,
            Integer::Xor => self.xor,
            Integer::Mul => self.mul,
        }
    }

    pub(super) fn short(&self, op: Short) -> Code {
        match op {
            Short::Add => self.add_shorts,
            Short::Sub => self.sub_shorts,
        }
    }
}

impl Codes {
    /// The table for a target, if there is one.
    pub(super) fn of(target: Target) -> Option<&'static Codes> {
        let fits =
            |codes: &&&Codes| codes.encoded.lanes == target.lanes && codes.encoded.includes(target);
        [&XMM, &YMM, &ZMM].iter().find(fits).copied()
    }
}

/// What VEX prefixes encode.
const VEX: Target = Target::AVX_VNNI;

/// What EVEX prefixes encode, and tiles.
const EVEX: Target = Target::AMX;

static XMM: Codes = Codes {
    encoded: Target { lanes: 4, ..VEX },
    first: Register::XMM0,
    masks: false,
    upper: false,
    zero: Code::VEX_Vxorps_xmm_xmm_xmmm128,
    load: Code::VEX_Vmovups_xmm_xmmm128,
    broadcast: Code::VEX_Vbroadcastss_xmm_m32,
    shuffle: Code::VEX_Vpermilps_xmm_xmmm128_imm8,
    exchange_parts: Code::INVALID,
    store: Code::VEX_Vmovups_xmmm128_xmm,
    store_first: Code::VEX_Vmovss_m32_xmm,
    copy: Code::VEX_Vmovaps_xmm_xmmm128,
    multiply_add: Code::VEX_Vfmadd231ps_xmm_xmm_xmmm128,
    add: Code::VEX_Vaddps_xmm_xmm_xmmm128,
    sub: Code::VEX_Vsubps_xmm_xmm_xmmm128,
    mul: Code::VEX_Vmulps_xmm_xmm_xmmm128,
    div: Code::VEX_Vdivps_xmm_xmm_xmmm128,
    max: Code::VEX_Vmaxps_xmm_xmm_xmmm128,
    min: Code::VEX_Vminps_xmm_xmm_xmmm128,
    and: Code::VEX_Vandps_xmm_xmm_xmmm128,
    and_not: Code::VEX_Vandnps_xmm_xmm_xmmm128,
    or: Code::VEX_Vorps_xmm_xmm_xmmm128,
    compare: Code::VEX_Vcmpps_xmm_xmm_xmmm128_imm8,
    blend: Code::VEX_Vblendps_xmm_xmm_xmmm128_imm8,
    round: Code::VEX_Vroundps_xmm_xmmm128_imm8,
    shift_left: Code::VEX_Vpslld_xmm_xmm_imm8,
    shift_right: Code::VEX_Vpsrld_xmm_xmm_imm8,
    shift_signed: Code::VEX_Vpsrad_xmm_xmm_imm8,
    sqrt: Code::VEX_Vsqrtps_xmm_xmmm128,
    integers: Integers {
        from_float: Code::VEX_Vcvtps2dq_xmm_xmmm128,
        to_float: Code::VEX_Vcvtdq2ps_xmm_xmmm128,
        add: Code::VEX_Vpaddd_xmm_xmm_xmmm128,
        sub: Code::VEX_Vpsubd_xmm_xmm_xmmm128,
        max: Code::VEX_Vpmaxsd_xmm_xmm_xmmm128,
        min: Code::VEX_Vpminsd_xmm_xmm_xmmm128,
        and: Code::VEX_Vpand_xmm_xmm_xmmm128,
        xor: Code::VEX_Vpxor_xmm_xmm_xmmm128,
        mul: Code::VEX_Vpmulld_xmm_xmm_xmmm128,
        add_shorts: Code::VEX_Vpaddw_xmm_xmm_xmmm128,
        sub_shorts: Code::VEX_Vpsubw_xmm_xmm_xmmm128,
        single_byte: INSERTED,
        packing: Packing {
            words: Code::VEX_Vpackssdw_xmm_xmm_xmmm128,
            bytes: Code::VEX_Vpackuswb_xmm_xmm_xmmm128,
            order: None,
        },
        from_bytes: Code::VEX_Vpmovzxbd_xmm_xmmm32,
        from_signed_bytes: Code::VEX_Vpmovsxbd_xmm_xmmm32,
        from_shorts: Code::VEX_Vpmovsxwd_xmm_xmmm64,
        to_bytes: ToBytes::Packed {
            words: Code::VEX_Vpackusdw_xmm_xmm_xmmm128,
            join: None,
            bytes: Code::VEX_Vpackuswb_xmm_xmm_xmmm128,
            store: Code::VEX_Vmovd_rm32_xmm,
        },
        shorts_from_bytes: Code::VEX_Vpmovzxbw_xmm_xmmm64,
        pair_dot: Code::VEX_Vpmaddwd_xmm_xmm_xmmm128,
        pair_sum: Code::VEX_Vpdpwssd_xmm_xmm_xmmm128,
        byte_dot: Code::VEX_Vpdpbusd_xmm_xmm_xmmm128,
        ternary: Code::INVALID,
        widen: Code::INVALID,
        expand: Code::INVALID,
    },
};

static YMM: Codes = Codes {
    encoded: VEX,
    first: Register::YMM0,
    masks: false,
    upper: true,
    zero: Code::VEX_Vxorps_ymm_ymm_ymmm256,
    load: Code::VEX_Vmovups_ymm_ymmm256,
    broadcast: Code::VEX_Vbroadcastss_ymm_m32,
    shuffle: Code::VEX_Vpermilps_ymm_ymmm256_imm8,
    exchange_parts: Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8,
    store: Code::VEX_Vmovups_ymmm256_ymm,
    store_first: Code::VEX_Vmovss_m32_xmm,
    copy: Code::VEX_Vmovaps_ymm_ymmm256,
    multiply_add: Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256,
    add: Code::VEX_Vaddps_ymm_ymm_ymmm256,
    sub: Code::VEX_Vsubps_ymm_ymm_ymmm256,
    mul: Code::VEX_Vmulps_ymm_ymm_ymmm256,
    div: Code::VEX_Vdivps_ymm_ymm_ymmm256,
    max: Code::VEX_Vmaxps_ymm_ymm_ymmm256,
    min: Code::VEX_Vminps_ymm_ymm_ymmm256,
    and: Code::VEX_Vandps_ymm_ymm_ymmm256,
    and_not: Code::VEX_Vandnps_ymm_ymm_ymmm256,
    or: Code::VEX_Vorps_ymm_ymm_ymmm256,
    compare: Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8,
    blend: Code::VEX_Vblendps_ymm_ymm_ymmm256_imm8,
    round: Code::VEX_Vroundps_ymm_ymmm256_imm8,
    shift_left: Code::VEX_Vpslld_ymm_ymm_imm8,
    shift_right: Code::VEX_Vpsrld_ymm_ymm_imm8,
    shift_signed: Code::VEX_Vpsrad_ymm_ymm_imm8,
    sqrt: Code::VEX_Vsqrtps_ymm_ymmm256,
    integers: Integers {
        from_float: Code::VEX_Vcvtps2dq_ymm_ymmm256,
        to_float: Code::VEX_Vcvtdq2ps_ymm_ymmm256,
        add: Code::VEX_Vpaddd_ymm_ymm_ymmm256,
        sub: Code::VEX_Vpsubd_ymm_ymm_ymmm256,
        max: Code::VEX_Vpmaxsd_ymm_ymm_ymmm256,
        min: Code::VEX_Vpminsd_ymm_ymm_ymmm256,
        and: Code::VEX_Vpand_ymm_ymm_ymmm256,
        xor: Code::VEX_Vpxor_ymm_ymm_ymmm256,
        mul: Code::VEX_Vpmulld_ymm_ymm_ymmm256,
        add_shorts: Code::VEX_Vpaddw_ymm_ymm_ymmm256,
        sub_shorts: Code::VEX_Vpsubw_ymm_ymm_ymmm256,
        single_byte: INSERTED,
        packing: Packing {
            words: Code::VEX_Vpackssdw_ymm_ymm_ymmm256,
            bytes: Code::VEX_Vpackuswb_ymm_ymm_ymmm256,
            order: Some(Code::VEX_Vpermd_ymm_ymm_ymmm256),
        },
        from_bytes: Code::VEX_Vpmovzxbd_ymm_xmmm64,
        from_signed_bytes: Code::VEX_Vpmovsxbd_ymm_xmmm64,
        from_shorts: Code::VEX_Vpmovsxwd_ymm_xmmm128,
        to_bytes: ToBytes::Packed {
            words: Code::VEX_Vpackusdw_ymm_ymm_ymmm256,
            join: Some(Code::VEX_Vpermq_ymm_ymmm256_imm8),
            bytes: Code::VEX_Vpackuswb_xmm_xmm_xmmm128,
            store: Code::VEX_Vmovq_xmmm64_xmm,
        },
        shorts_from_bytes: Code::VEX_Vpmovzxbw_ymm_xmmm128,
        pair_dot: Code::VEX_Vpmaddwd_ymm_ymm_ymmm256,
        pair_sum: Code::VEX_Vpdpwssd_ymm_ymm_ymmm256,
        byte_dot: Code::VEX_Vpdpbusd_ymm_ymm_ymmm256,
        ternary: Code::INVALID,
        widen: Code::INVALID,
        expand: Code::INVALID,
    },
};

/// AVX-512F alone: bitwise operations on floats would need AVX-512DQ, those on integers do not.
static ZMM: Codes = Codes {
    encoded: EVEX,
    first: Register::ZMM0,
    masks: true,
    upper: true,
    zero: Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32,
    load: Code::EVEX_Vmovups_zmm_k1z_zmmm512,
    broadcast: Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
    shuffle: Code::EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8,
    exchange_parts: Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8,
    store: Code::EVEX_Vmovups_zmmm512_k1z_zmm,
    store_first: Code::EVEX_Vmovss_m32_k1_xmm,
    copy: Code::EVEX_Vmovaps_zmm_k1z_zmmm512,
    multiply_add: Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
    add: Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
    sub: Code::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er,
    mul: Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er,
    div: Code::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er,
    max: Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae,
    min: Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae,
    and: Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32,
    and_not: Code::EVEX_Vpandnd_zmm_k1z_zmm_zmmm512b32,
    or: Code::EVEX_Vpord_zmm_k1z_zmm_zmmm512b32,
    compare: Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae,
    blend: Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32,
    round: Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae,
    shift_left: Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8,
    shift_right: Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8,
    shift_signed: Code::EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8,
    sqrt: Code::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er,
    integers: Integers {
        from_float: Code::EVEX_Vcvtps2dq_zmm_k1z_zmmm512b32_er,
        to_float: Code::EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er,
        add: Code::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32,
        sub: Code::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32,
        max: Code::EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32,
        min: Code::EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32,
        and: Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32,
        xor: Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32,
        mul: Code::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32,
        add_shorts: Code::EVEX_Vpaddw_zmm_k1z_zmm_zmmm512,
        sub_shorts: Code::EVEX_Vpsubw_zmm_k1z_zmm_zmmm512,
        single_byte: SingleByte::Masked,
        packing: Packing {
            words: Code::EVEX_Vpackssdw_zmm_k1z_zmm_zmmm512b32,
            bytes: Code::EVEX_Vpackuswb_zmm_k1z_zmm_zmmm512,
            order: Some(Code::EVEX_Vpermd_zmm_k1z_zmm_zmmm512b32),
        },
        from_bytes: Code::EVEX_Vpmovzxbd_zmm_k1z_xmmm128,
        from_signed_bytes: Code::EVEX_Vpmovsxbd_zmm_k1z_xmmm128,
        from_shorts: Code::EVEX_Vpmovsxwd_zmm_k1z_ymmm256,
        to_bytes: ToBytes::At(Code::EVEX_Vpmovdb_xmmm128_k1z_zmm),
        shorts_from_bytes: Code::EVEX_Vpmovzxbw_zmm_k1z_ymmm256,
        pair_dot: Code::EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512,
        pair_sum: Code::EVEX_Vpdpwssd_zmm_k1z_zmm_zmmm512b32,
        byte_dot: Code::EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32,
        ternary: Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8,
        widen: Code::EVEX_Vpmovzxdq_zmm_k1z_ymmm256,
        expand: Code::EVEX_Vexpandps_zmm_k1z_zmmm512,
    },
};

/// The machine registers for addresses, counts and loops: System V arguments, then registers that a
/// callee may clobber, then those that it must save.
pub(super) static POINTER_REGISTERS: [Register; 15] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
    Register::RAX,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// How many of the first [`POINTER_REGISTERS`] hold arguments; the others are on the stack.
pub(super) const ARGUMENTS: usize = 6;
/// How many of the first [`POINTER_REGISTERS`] a callee need not save.
pub(super) const CALLER_SAVED: usize = 9;

/// NOPs of 1 to 9 bytes, as both vendors recommend.
pub(super) static NOPS: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// The low half of a 64-bit register.
pub(super) fn low_half(register: Register) -> Register {
    Register::EAX + (register as u32 - Register::RAX as u32)
}

/// The lowest byte. The numbers of those of the first four registers are followed by those of their
/// second bytes.
pub(super) fn low_byte(register: Register) -> Register {
    match register as u32 - Register::RAX as u32 {
        number @ ..4 => Register::AL + number,
        number => Register::SPL + (number - 4),
    }
}
