//! The encoder proper: one pass over the program; forward branches and references to constants are
//! patched in.

use iced_x86::{Code, Encoder, IcedError, Instruction, MemoryOperand, Register};

use super::codes::{ARGUMENTS, CALLER_SAVED, Codes, NOPS, POINTER_REGISTERS, low_half};
use crate::codegen::encoded::Encoded;
use crate::codegen::error::CodegenError;
use crate::codegen::listing::{self, CodeLine};
use crate::codegen::usage::Usage;
use crate::codegen::vir::{
    Arith, Bytes, Cache, Count, Distance, EXPONENT_BASE, EXPONENT_MAGIC, Inst, Mem, P, POW2_MAGIC,
    POW2_SHIFT, Program, Shift, T, TILE_ROW_BYTES, TILE_ROWS, V,
};

/// Alignment of innermost loops: twice the width of an instruction fetch.
const LOOP_ALIGNMENT: usize = 32;
/// Alignment of the constants, so that they do not share a cache line with code.
const POOL_ALIGNMENT: usize = 64;
/// Stack space for one vector.
const SPILL: i32 = 32;

/// `vcmpps`: equal; less; less or equal. All are false where either is NaN, and raise no exception.
const EQUAL: u32 = 0;
const LESS: u32 = 17;
const LESS_OR_EQUAL: u32 = 18;
/// `vcmpps`: either is NaN.
const UNORDERED: u32 = 3;
/// `vcmpps`: neither is NaN.
const ORDERED: u32 = 7;
/// `vroundps`, `vrndscaleps`: to nearest, ties to even, no inexact exception.
const NEAREST: u32 = 8;

/// The order of parts for `vpermilps` and `vshuff32x4`: neighbours change places in pairs.
const NEIGHBOURS: u32 = 0b10_11_00_01;
/// The order of parts for the same instructions: the two halves change places.
const HALVES: u32 = 0b01_00_11_10;
/// `vperm2f128` with the same vector twice: its halves change places.
const SECOND_FIRST: u32 = 1;

/// Encodes `program`. Any x86-64 machine can encode any program, even one that it cannot run.
///
/// # Errors
/// If the program is malformed, or built for a target that no table has instructions for.
pub fn encode(program: &Program) -> Result<Encoded, CodegenError> {
    let usage = Usage::of(program)?;
    let codes = Codes::of(program.target).ok_or_else(|| CodegenError::Target {
        program: program.name.clone(),
        target: program.target,
        backend: "the x86-64 encoder",
    })?;
    Emitter::new(program, usage, codes)
        .and_then(Emitter::function)
        .map_err(|e| CodegenError::Encode { function: program.name.clone(), reason: e.to_string() })
}

/// `vpternlogd`: the first operand where the second is set, elsewhere the third.
const SELECT: u32 = 0b1110_0010;
/// One bit for every second lane.
const ODD_LANES: u16 = 0xaaaa;

/// A constant that code refers to.
struct Constant {
    words: Vec<u32>,
    /// Offset in words from the start of the pool.
    offset: usize,
}

/// A reference to a constant whose place is not known yet.
struct Reference {
    /// Where the 32-bit displacement is.
    at: usize,
    /// What the displacement is relative to: the end of its instruction.
    from: usize,
    constant: usize,
}

pub(super) struct Emitter<'p> {
    pub(super) program: &'p Program,
    pub(super) codes: &'static Codes,
    usage: Usage,
    encoder: Encoder,
    /// Bytes emitted.
    at: usize,
    /// A vector register that the program does not use.
    spare: Option<V>,
    /// Whether the stack frame has room for a vector.
    frame: bool,
    pool: Vec<Constant>,
    references: Vec<Reference>,
    /// Displacements of forward branches: where each is, and its target.
    branches: Vec<(usize, usize)>,
    lines: Vec<CodeLine>,
    /// The next line of the program.
    line: usize,
}

impl<'p> Emitter<'p> {
    fn new(program: &'p Program, usage: Usage, codes: &'static Codes) -> Result<Self, IcedError> {
        let unused = (!usage.vectors).trailing_zeros();
        let spare = (unused < program.target.vectors as u32).then_some(V(unused as u8));
        Ok(Emitter {
            program,
            codes,
            usage,
            encoder: Encoder::try_with_capacity(64, 4096)?,
            at: 0,
            spare,
            frame: !codes.masks && spare.is_none() && has_max_nan(&program.body),
            pool: Vec::new(),
            references: Vec::new(),
            branches: Vec::new(),
            lines: Vec::new(),
            line: 0,
        })
    }

    fn function(mut self) -> Result<Encoded, IcedError> {
        let codes = self.codes;
        let used = (self.usage.pointers + self.usage.loops).max(CALLER_SAVED);
        let saved = &POINTER_REGISTERS[CALLER_SAVED..used];
        for &register in saved {
            self.emit(Instruction::with1(Code::Push_r64, register)?)?;
        }
        if self.frame {
            self.emit(Instruction::with2(Code::Sub_rm64_imm8, Register::RSP, SPILL)?)?;
        }
        self.load_arguments(saved.len())?;
        if self.usage.tiles > 0 {
            self.configure_tiles()?;
        }
        self.block(&self.program.body, 0)?;
        if self.usage.tiles > 0 {
            // Releases the tiles, so that the system need not save them.
            self.emit(Instruction::with(Code::VEX_Tilerelease))?;
        }
        if self.frame {
            self.emit(Instruction::with2(Code::Add_rm64_imm8, Register::RSP, SPILL)?)?;
        }
        if codes.upper {
            self.emit(Instruction::with(Code::VEX_Vzeroupper))?;
        }
        for &register in saved.iter().rev() {
            self.emit(Instruction::with1(Code::Pop_r64, register)?)?;
        }
        self.emit(Instruction::with(Code::Retnq))?;
        Ok(self.finish())
    }

    /// Loads the arguments that are on the stack: above the registers that were saved, and the
    /// return address.
    fn load_arguments(&mut self, saved: usize) -> Result<(), IcedError> {
        let frame = if self.frame { i64::from(SPILL) } else { 0 };
        let registers = POINTER_REGISTERS.iter().take(self.program.args).skip(ARGUMENTS);
        for (above, &register) in registers.enumerate() {
            let words = (saved + 1 + above) as i64;
            let place = MemoryOperand::with_base_displ(Register::RSP, frame + 8 * words);
            self.emit(Instruction::with2(Code::Mov_r64_rm64, register, place)?)?;
        }
        Ok(())
    }

    fn block(&mut self, body: &[Inst], depth: usize) -> Result<(), IcedError> {
        body.iter().try_for_each(|inst| {
            self.begin_line();
            self.inst(inst, depth)
        })
    }

    /// Attributes the code that follows to the program's next line.
    fn begin_line(&mut self) {
        self.lines.push(CodeLine { offset: self.at, line: self.line });
        self.line += 1;
    }

    fn inst(&mut self, inst: &Inst, depth: usize) -> Result<(), IcedError> {
        let codes = self.codes;
        match *inst {
            Inst::Const { dst, value } if value.to_bits() == 0 => {
                self.vvv(codes.zero, dst, dst, dst)
            }
            Inst::Const { dst, value } => {
                let place = self.constant(value.to_bits(), 1);
                self.refer(
                    Instruction::with2(codes.broadcast, self.v(dst), self.rip(false))?,
                    place,
                )
            }
            Inst::Load { dst, src } => {
                self.emit(Instruction::with2(codes.load, self.v(dst), mem(src))?)
            }
            Inst::Broadcast { dst, src } => {
                self.emit(Instruction::with2(codes.broadcast, self.v(dst), mem(src))?)
            }
            Inst::Shuffle { dst, src, order } => {
                let order = (0..4).map(|l| u32::from(order[l] % 4) << (2 * l)).sum::<u32>();
                self.emit(Instruction::with3(codes.shuffle, self.v(dst), mem(src), order)?)
            }
            Inst::Store { dst, src } => {
                self.emit(Instruction::with2(codes.store, mem(dst), self.v(src))?)
            }
            Inst::StoreFirst { dst, src } => self.emit(Instruction::with2(
                codes.store_first,
                mem(dst),
                Register::XMM0 + u32::from(src.0),
            )?),
            Inst::Prefetch { src, cache } => {
                let code = match cache {
                    Cache::First => Code::Prefetcht0_m8,
                    Cache::Second => Code::Prefetcht1_m8,
                };
                self.emit(Instruction::with1(code, mem(src))?)
            }
            Inst::Number { dst, value } => {
                self.emit(Instruction::with2(Code::Mov_rm64_imm32, pointer(dst), value)?)
            }
            // Programs that multiply by lanes were refused.
            Inst::LoadFirst { .. } | Inst::MultiplyAddLane { .. } | Inst::ByteDotLane { .. } => {
                Ok(())
            }
            Inst::Copy { dst, src } => {
                self.emit(Instruction::with2(codes.copy, self.v(dst), self.v(src))?)
            }
            Inst::MultiplyAdd { acc, a, b } => self.vvv(codes.multiply_add, acc, a, b),
            Inst::Arith { op, dst, a, b } => self.arith(op, dst, a, b),
            Inst::Blend { dst, a, b, mask } => self.blend(dst, a, b, mask),
            Inst::Exchange { dst, src, distance } => self.exchange(dst, src, distance),
            Inst::Round { dst, src } => {
                self.emit(Instruction::with3(codes.round, self.v(dst), self.v(src), NEAREST)?)
            }
            Inst::Pow2 { dst, src } => self.pow2(dst, src),
            Inst::Sqrt { dst, src } => {
                self.emit(Instruction::with2(codes.sqrt, self.v(dst), self.v(src))?)
            }
            Inst::Exponent { dst, src } => self.exponent(dst, src),
            Inst::ToInteger { dst, src } => {
                let code = codes.integers.from_float;
                self.emit(Instruction::with2(code, self.v(dst), self.v(src))?)
            }
            Inst::FromInteger { dst, src } => {
                let code = codes.integers.to_float;
                self.emit(Instruction::with2(code, self.v(dst), self.v(src))?)
            }
            Inst::Integer { op, dst, a, b } => self.vvv(codes.integers.of(op), dst, a, b),
            Inst::Shift { to, dst, src, by } => {
                let code = match to {
                    Shift::Left => codes.shift_left,
                    Shift::Right => codes.shift_right,
                    Shift::SignedRight => codes.shift_signed,
                };
                self.emit(Instruction::with3(code, self.v(dst), self.v(src), u32::from(by))?)
            }
            Inst::BroadcastBytes { dst, src } => {
                self.emit(Instruction::with2(codes.broadcast, self.v(dst), mem(src))?)
            }
            Inst::LoadBytes { dst, src, signed } => {
                let code = match signed {
                    false => codes.integers.from_bytes,
                    true => codes.integers.from_signed_bytes,
                };
                self.emit(Instruction::with2(code, self.v(dst), mem(src))?)
            }
            Inst::LoadByte { dst, src, signed } => self.load_byte(dst, src, signed),
            Inst::StoreByte { dst, src } => self.store_byte(dst, src),
            Inst::Lookup { dst, src, table, index } => self.lookup(dst, src, table, index),
            Inst::StorePacked { dst, src } => self.store_packed(dst, src),
            Inst::LoadShorts { dst, src } => {
                let code = codes.integers.from_shorts;
                self.emit(Instruction::with2(code, self.v(dst), mem(src))?)
            }
            Inst::StoreBytes { dst, src } => self.store_bytes(dst, src),
            Inst::WidenBytes { dst, src } => {
                let code = codes.integers.shorts_from_bytes;
                self.emit(Instruction::with2(code, self.v(dst), mem(src))?)
            }
            Inst::Short { op, dst, a, b } => self.vvv(codes.integers.short(op), dst, a, b),
            Inst::PairDot { dst, a, b } => self.vvv(codes.integers.pair_dot, dst, a, b),
            Inst::PairSum { acc, a, b } => self.vvv(codes.integers.pair_sum, acc, a, b),
            Inst::ByteDot { acc, a, b } => self.vvv(codes.integers.byte_dot, acc, a, b),
            Inst::Select { dst, mask, other } => {
                let code = codes.integers.ternary;
                let (d, mask, other) = (self.v(dst), self.v(mask), self.v(other));
                self.emit(Instruction::with4(code, d, mask, other, SELECT)?)
            }
            Inst::Interleave { dst, even, odd } => {
                let wide = codes.integers.widen;
                self.emit(Instruction::with2(wide, self.v(dst), mem(even))?)?;
                self.set_mask(ODD_LANES)?;
                let expand = codes.integers.expand;
                self.emit(masked(Instruction::with2(expand, self.v(dst), mem(odd))?))
            }
            Inst::TileZero { dst } => {
                self.emit(Instruction::with1(Code::VEX_Tilezero_tmm, tile(dst))?)
            }
            Inst::TileLoad { dst, src, row } => {
                let rows = rows(src, row);
                self.emit(Instruction::with2(Code::VEX_Tileloadd_tmm_sibmem, tile(dst), rows)?)
            }
            Inst::TileStore { dst, src, row } => {
                let rows = rows(dst, row);
                self.emit(Instruction::with2(Code::VEX_Tilestored_sibmem_tmm, rows, tile(src))?)
            }
            Inst::TileDot { left, acc, a, b } => {
                let code = match left {
                    Bytes::Signed => Code::VEX_Tdpbssd_tmm_tmm_tmm,
                    Bytes::Unsigned => Code::VEX_Tdpbusd_tmm_tmm_tmm,
                };
                self.emit(Instruction::with3(code, tile(acc), tile(a), tile(b))?)
            }
            Inst::CopyPointer { dst, src } => {
                self.emit(Instruction::with2(Code::Mov_r64_rm64, pointer(dst), pointer(src))?)
            }
            Inst::Advance { pointer: p, bytes } => {
                let code = match i8::try_from(bytes) {
                    Ok(_) => Code::Add_rm64_imm8,
                    Err(_) => Code::Add_rm64_imm32,
                };
                self.emit(Instruction::with2(code, pointer(p), bytes)?)
            }
            Inst::AdvanceBy { pointer: p, src } => {
                self.emit(Instruction::with2(Code::Add_r64_rm64, pointer(p), mem(src))?)
            }
            Inst::Loop { count, ref body } => self.repeat(count, body, depth),
        }
    }

    fn arith(&mut self, op: Arith, dst: V, a: V, b: V) -> Result<(), IcedError> {
        let code = match op {
            Arith::Add => self.codes.add,
            Arith::Sub => self.codes.sub,
            Arith::Mul => self.codes.mul,
            Arith::Div => self.codes.div,
            Arith::Max => self.codes.max,
            Arith::Min => self.codes.min,
            Arith::MaxNan if self.codes.masks => return self.max_nan_masked(dst, a, b),
            Arith::MaxNan => return self.max_nan(dst, a, b),
            Arith::Equal => return self.compare(EQUAL, dst, a, b),
            Arith::Less => return self.compare(LESS, dst, a, b),
            Arith::LessOrEqual => return self.compare(LESS_OR_EQUAL, dst, a, b),
            Arith::And => self.codes.and,
            Arith::AndNot => self.codes.and_not,
            Arith::Or => self.codes.or,
        };
        self.vvv(code, dst, a, b)
    }

    /// Lanes closer than a 128-bit part change places within it; at larger distances whole parts
    /// do.
    fn exchange(&mut self, dst: V, src: V, distance: Distance) -> Result<(), IcedError> {
        let (d, s) = (self.v(dst), self.v(src));
        let within = |order: u32| Instruction::with3(self.codes.shuffle, d, s, order);
        let across = |order: u32| Instruction::with4(self.codes.exchange_parts, d, s, s, order);
        let instruction = match distance {
            Distance::One => within(NEIGHBOURS),
            Distance::Two => within(HALVES),
            Distance::Four if self.codes.masks => across(NEIGHBOURS),
            Distance::Four => across(SECOND_FIRST),
            Distance::Eight => across(HALVES),
        };
        self.emit(instruction?)
    }

    /// All bits set where a comparison holds. If the comparison writes a mask register, the bits
    /// are expanded from it.
    fn compare(&mut self, condition: u32, dst: V, a: V, b: V) -> Result<(), IcedError> {
        let (d, a, b) = (self.v(dst), self.v(a), self.v(b));
        if !self.codes.masks {
            return self.emit(Instruction::with4(self.codes.compare, d, a, b, condition)?);
        }
        self.emit(Instruction::with4(self.codes.compare, Register::K1, a, b, condition)?)?;
        self.vvv(self.codes.zero, dst, dst, dst)?;
        let place = self.constant(u32::MAX, 1);
        let ones = Instruction::with2(self.codes.broadcast, d, self.rip(false))?;
        self.refer(masked(ones), place)
    }

    /// `vmaxps` gives its second source where either is NaN or both are equal. So the sources are
    /// `b`, and `a` with NaN put in where either is NaN. A comparison's all-ones result is such a
    /// NaN.
    fn max_nan(&mut self, dst: V, a: V, b: V) -> Result<(), IcedError> {
        let (a_, b_) = (self.v(a), self.v(b));
        let free = |v: &V| ![dst, a, b].contains(v);
        let victim = (0..4).map(V).find(free).unwrap_or(dst);
        let marked = if dst != a && dst != b { dst } else { self.spare.unwrap_or(victim) };
        let spill = self.frame && marked == victim && marked != dst;
        let (m, slot) = (self.v(marked), MemoryOperand::with_base(Register::RSP));
        if spill {
            self.emit(Instruction::with2(self.codes.store, slot, m)?)?;
        }
        self.emit(Instruction::with4(self.codes.compare, m, a_, b_, UNORDERED)?)?;
        self.vvv(self.codes.or, marked, marked, a)?;
        self.vvv(self.codes.max, dst, b, marked)?;
        if spill {
            self.emit(Instruction::with2(self.codes.load, m, slot)?)?;
        }
        Ok(())
    }

    /// `vmaxps` of `b` and `a` gives `a` where either is NaN: right except where `b` is NaN.
    fn max_nan_masked(&mut self, dst: V, a: V, b: V) -> Result<(), IcedError> {
        let (d, a, b) = (self.v(dst), self.v(a), self.v(b));
        let keep = if d == b { ORDERED } else { UNORDERED };
        self.emit(Instruction::with4(self.codes.compare, Register::K1, b, b, keep)?)?;
        let max = Instruction::with3(self.codes.max, d, b, a)?;
        if d == b {
            return self.emit(masked(max));
        }
        self.emit(max)?;
        self.emit(masked(Instruction::with2(self.codes.copy, d, b)?))
    }

    fn blend(&mut self, dst: V, a: V, b: V, mask: u16) -> Result<(), IcedError> {
        let (d, a, b) = (self.v(dst), self.v(a), self.v(b));
        if !self.codes.masks {
            return self.emit(Instruction::with4(
                self.codes.blend,
                d,
                a,
                b,
                u32::from(mask as u8),
            )?);
        }
        self.set_mask(mask)?;
        self.emit(masked(Instruction::with3(self.codes.blend, d, a, b)?))
    }

    /// Loads the mask register with one bit per lane.
    pub(super) fn set_mask(&mut self, mask: u16) -> Result<(), IcedError> {
        let place = self.constant(mask.into(), 1);
        let operand = self.rip(false);
        let load = Instruction::with2(Code::VEX_Kmovw_kr_km16, Register::K1, operand)?;
        self.refer(load, place)
    }

    /// `dst = src op value`, with the value in memory.
    fn with_constant(&mut self, code: Code, dst: V, src: V, value: f32) -> Result<(), IcedError> {
        let copies = if self.codes.masks { 1 } else { self.program.target.lanes };
        let place = self.constant(value.to_bits(), copies);
        let operand = self.rip(self.codes.masks);
        self.refer(Instruction::with3(code, self.v(dst), self.v(src), operand)?, place)
    }

    fn exponent(&mut self, dst: V, src: V) -> Result<(), IcedError> {
        let shift =
            Instruction::with3(self.codes.shift_right, self.v(dst), self.v(src), POW2_SHIFT)?;
        self.emit(shift)?;
        self.with_constant(self.codes.or, dst, dst, EXPONENT_BASE)?;
        self.with_constant(self.codes.sub, dst, dst, EXPONENT_MAGIC)
    }

    fn pow2(&mut self, dst: V, src: V) -> Result<(), IcedError> {
        self.with_constant(self.codes.add, dst, src, POW2_MAGIC)?;
        self.emit(Instruction::with3(self.codes.shift_left, self.v(dst), self.v(dst), POW2_SHIFT)?)
    }

    /// Configures all tiles with all of their rows.
    fn configure_tiles(&mut self) -> Result<(), IcedError> {
        // Palette 1; from byte 16 the bytes per row, 16 bits each; from byte 48 the rows, 8 bits
        // each.
        let mut words = vec![0; 16];
        words[0] = 1;
        words[4..8].fill(TILE_ROW_BYTES as u32 * 0x0001_0001);
        words[12..14].fill(TILE_ROWS as u32 * 0x0101_0101);
        let place = self.place(words);
        let operand = self.rip(false);
        self.refer(Instruction::with1(Code::VEX_Ldtilecfg_m512, operand)?, place)
    }

    fn repeat(&mut self, count: Count, body: &[Inst], depth: usize) -> Result<(), IcedError> {
        let counter = POINTER_REGISTERS[self.usage.pointers + depth];
        let mut exit = None;
        match count {
            Count::Fixed(0) => {
                self.line += listing::count(body) + 1;
                return Ok(());
            }
            Count::Fixed(1) => {
                self.block(body, depth + 1)?;
                self.begin_line();
                return Ok(());
            }
            Count::Fixed(n) => {
                let low = low_half(counter);
                self.emit(Instruction::with2(Code::Mov_r32_imm32, low, n)?)?;
            }
            Count::Register(p) => {
                self.emit(Instruction::with2(Code::Mov_r64_rm64, counter, pointer(p))?)?;
                self.emit(Instruction::with2(Code::Test_rm64_r64, counter, counter)?)?;
                self.emit(Instruction::with_branch(Code::Je_rel32_64, self.at as u64)?)?;
                exit = Some(self.at - 4);
            }
        }
        if !body.iter().any(|inst| matches!(inst, Inst::Loop { .. })) {
            self.align(LOOP_ALIGNMENT);
        }
        let head = self.at;
        self.block(body, depth + 1)?;
        self.begin_line();
        self.emit(Instruction::with1(Code::Dec_rm64, counter)?)?;
        // A short branch has 2 bytes and reaches 128 bytes back from its end.
        let code = if self.at + 2 - head <= 128 { Code::Jne_rel8_64 } else { Code::Jne_rel32_64 };
        self.emit(Instruction::with_branch(code, head as u64)?)?;
        self.branches.extend(exit.map(|at| (at, self.at)));
        Ok(())
    }

    pub(super) fn vvv(&mut self, code: Code, dst: V, a: V, b: V) -> Result<(), IcedError> {
        self.emit(Instruction::with3(code, self.v(dst), self.v(a), self.v(b))?)
    }

    pub(super) fn v(&self, v: V) -> Register {
        self.codes.first + u32::from(v.0)
    }

    /// The place in the pool of `copies` consecutive copies of a word.
    fn constant(&mut self, bits: u32, copies: usize) -> usize {
        self.place(vec![bits; copies])
    }

    /// The place of several words in the pool.
    pub(super) fn place(&mut self, words: Vec<u32>) -> usize {
        let known = self.pool.iter().position(|c| c.words.starts_with(&words));
        known.unwrap_or_else(|| {
            let offset = self.pool.last().map_or(0, |c| c.offset + c.words.len());
            self.pool.push(Constant { words, offset });
            self.pool.len() - 1
        })
    }

    /// An operand relative to the instruction pointer, to be patched.
    pub(super) fn rip(&self, broadcast: bool) -> MemoryOperand {
        MemoryOperand::with_base_displ_bcst_seg(
            Register::RIP,
            self.at as i64,
            broadcast,
            Register::None,
        )
    }

    pub(super) fn refer(
        &mut self,
        instruction: Instruction,
        constant: usize,
    ) -> Result<(), IcedError> {
        let start = self.at;
        self.emit(instruction)?;
        let at = start + self.encoder.get_constant_offsets().displacement_offset();
        self.references.push(Reference { at, from: self.at, constant });
        Ok(())
    }

    pub(super) fn emit(&mut self, instruction: Instruction) -> Result<(), IcedError> {
        self.at += self.encoder.encode(&instruction, self.at as u64)?;
        Ok(())
    }

    fn align(&mut self, alignment: usize) {
        let mut missing = self.at.next_multiple_of(alignment) - self.at;
        while missing > 0 {
            let nop = NOPS[missing.min(NOPS.len()) - 1];
            nop.iter().for_each(|&byte| self.encoder.write_u8(byte));
            self.at += nop.len();
            missing -= nop.len();
        }
    }

    /// Appends the constants and patches forward references.
    fn finish(mut self) -> Encoded {
        let mut bytes = self.encoder.take_buffer();
        let code = bytes.len();
        for &(at, target) in &self.branches {
            patch(&mut bytes, at, target, at + 4);
        }
        if !self.pool.is_empty() {
            bytes.resize(code.next_multiple_of(POOL_ALIGNMENT), 0);
        }
        let pool = bytes.len();
        for r in &self.references {
            patch(&mut bytes, r.at, pool + 4 * self.pool[r.constant].offset, r.from);
        }
        for c in &self.pool {
            c.words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
        Encoded { bytes, code, lines: self.lines }
    }
}

/// Writes the distance from `from` to `target` at `at`.
fn patch(bytes: &mut [u8], at: usize, target: usize, from: usize) {
    let distance = target.wrapping_sub(from) as u32;
    bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
}

fn has_max_nan(body: &[Inst]) -> bool {
    body.iter().any(|inst| match inst {
        Inst::Arith { op, .. } => *op == Arith::MaxNan,
        Inst::Loop { body, .. } => has_max_nan(body),
        _ => false,
    })
}

pub(super) fn masked(mut instruction: Instruction) -> Instruction {
    instruction.set_op_mask(Register::K1);
    instruction
}

pub(super) fn pointer(p: P) -> Register {
    POINTER_REGISTERS[p.0 as usize]
}

/// A tile in memory.
fn rows(first: Mem, row: P) -> MemoryOperand {
    let displacement = first.offset;
    let (base, row) = (pointer(first.base), pointer(row));
    MemoryOperand::with_base_index_scale_displ_size(base, row, 1, displacement, 1)
}

fn tile(t: T) -> Register {
    Register::TMM0 + u32::from(t.0)
}

pub(super) fn mem(mem: Mem) -> MemoryOperand {
    MemoryOperand::with_base_displ(pointer(mem.base), mem.offset)
}
