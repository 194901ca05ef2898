//! Vector program -> Cranelift IR, 128-bit vectors, any CPU.
//!
//! Registers of the program become variables; Cranelift allocates machine registers anew.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, F32X4, I8X16, I16X8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{
    Block, BlockArg, ConstantData, Endianness, InstBuilder, MemFlagsData, SourceLoc, Type, Value,
};
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder, Variable};

use super::error::CodegenError;
use super::listing;
use super::machine::{Compiled, Cranelift, Role, Scratch};
use super::usage::Usage;
use super::vir::{
    Arith, Count, EXPONENT_BASE, EXPONENT_MAGIC, Inst, Integer, Mem, P, POW2_MAGIC, POW2_SHIFT,
    Program, Shift, Short, Target, V,
};
use crate::isa::IntegerDot;

/// The lanes of programs that this back end compiles.
const LANES: usize = 4;

/// The most that programs for this back end may rely on.
const ENCODED: Target = Target {
    lanes: LANES,
    vectors: Target::MOST_VECTORS,
    tiles: 0,
    fused: true,
    by_lane: false,
    pair_sums: false,
    selects: false,
    dot: IntegerDot::Pairs,
};

/// Floats of this size and above have no fraction.
const WHOLE: f32 = 8_388_608.0;
const SIGN: u32 = 1 << 31;
/// The first float beyond 32-bit integers.
const INTEGERS_END: f32 = 2_147_483_648.0;

/// Compiles `program`; with `keep_ir`, the result holds the Cranelift IR as text and the offsets of
/// the program's lines.
///
/// # Errors
/// If the program does not have 4 lanes, relies on products of integers or on tiles, or is malformed, or
/// if Cranelift refuses.
pub fn compile(
    cranelift: &Cranelift,
    scratch: &mut Scratch,
    program: &Program,
    keep_ir: bool,
) -> Result<Compiled, CodegenError> {
    let usage = Usage::of(program)?;
    if program.target.lanes != LANES || !ENCODED.includes(program.target) {
        let (program, target) = (program.name.clone(), program.target);
        return Err(CodegenError::Target { program, target, backend: "Cranelift" });
    }
    let signature = cranelift.kernel_signature(program.args);
    scratch.compile(cranelift, Role::Kernel, &program.name, signature, keep_ir, |builder| {
        write(cranelift, builder, program, usage, keep_ir);
        Ok(())
    })
}

fn write(
    cranelift: &Cranelift,
    mut builder: FunctionBuilder<'_>,
    program: &Program,
    usage: Usage,
    keep_lines: bool,
) {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let vectors = (0..program.target.vectors).map(|_| builder.declare_var(F32X4)).collect();
    let pointers: Vec<Variable> = (0..usage.pointers).map(|_| builder.declare_var(I64)).collect();
    let params = builder.block_params(entry).to_vec();
    pointers.iter().zip(params).for_each(|(&p, param)| builder.def_var(p, param));
    let line = keep_lines.then_some(0);
    let mut writer = Writer { cranelift, builder, vectors, pointers, line };
    writer.block(&program.body);
    writer.builder.ins().return_(&[]);
    writer.builder.finalize(cranelift.frontend_config());
}

struct Writer<'a> {
    cranelift: &'a Cranelift,
    builder: FunctionBuilder<'a>,
    vectors: Vec<Variable>,
    pointers: Vec<Variable>,
    /// The next line of the program, if the code records its lines.
    line: Option<u32>,
}

/// The displacement of a place. Programs were checked to have only near ones.
fn offset(place: Mem) -> i32 {
    place.offset as i32
}

/// By contract accesses never trap; they need not be aligned to a vector.
fn access() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Writer<'_> {
    fn block(&mut self, body: &[Inst]) {
        for inst in body {
            self.begin_line();
            self.inst(inst);
        }
    }

    /// Attributes the code that follows to the program's next line.
    fn begin_line(&mut self) {
        if let Some(line) = &mut self.line {
            self.builder.set_srcloc(SourceLoc::new(*line));
            *line += 1;
        }
    }

    /// A loop that is never entered still has lines.
    fn skip_lines(&mut self, body: &[Inst]) {
        if let Some(line) = &mut self.line {
            *line += 1 + listing::count(body) as u32;
        }
    }

    fn inst(&mut self, inst: &Inst) {
        match *inst {
            Inst::Const { dst, value } => {
                let value = self.splat(value.to_bits());
                self.set(dst, value);
            }
            Inst::Load { dst, src } => {
                let address = self.pointer(src.base);
                let value = self.builder.ins().load(F32X4, access(), address, offset(src));
                self.set(dst, value);
            }
            Inst::Broadcast { dst, src } => {
                let address = self.pointer(src.base);
                let value = self.builder.ins().load(F32, access(), address, offset(src));
                let value = self.builder.ins().splat(F32X4, value);
                self.set(dst, value);
            }
            Inst::Shuffle { dst, src, order } => {
                let address = self.pointer(src.base);
                let value = self.builder.ins().load(F32X4, access(), address, offset(src));
                let value = self.shuffle(value, order);
                self.set(dst, value);
            }
            Inst::Store { dst, src } => {
                let (address, value) = (self.pointer(dst.base), self.get(src));
                self.builder.ins().store(access(), value, address, offset(dst));
            }
            Inst::StoreFirst { dst, src } => {
                let (address, value) = (self.pointer(dst.base), self.get(src));
                let first = self.builder.ins().extractlane(value, 0);
                self.builder.ins().store(access(), first, address, offset(dst));
            }
            // Cranelift has no such instruction, and the program's result does not need it.
            Inst::Prefetch { .. } => {}
            Inst::BroadcastBytes { dst, src } => {
                let address = self.pointer(src.base);
                let value = self.builder.ins().load(I32, access(), address, offset(src));
                let value = self.builder.ins().splat(I32X4, value);
                let value = self.floats(value);
                self.set(dst, value);
            }
            Inst::LoadBytes { dst, src, signed } => {
                let address = self.pointer(src.base);
                let bytes = self.builder.ins().load(I32, access(), address, offset(src));
                let value = self.widened(bytes, signed);
                self.set(dst, value);
            }
            Inst::LoadByte { dst, src, signed } => {
                let address = self.pointer(src.base);
                let byte = match signed {
                    false => self.builder.ins().uload8(I32, access(), address, offset(src)),
                    true => self.builder.ins().sload8(I32, access(), address, offset(src)),
                };
                let value = self.builder.ins().scalar_to_vector(I32X4, byte);
                let value = self.floats(value);
                self.set(dst, value);
            }
            Inst::StoreByte { dst, src } => {
                let (address, value) = (self.pointer(dst.base), self.get(src));
                let integers = self.bits(value);
                let first = self.builder.ins().extractlane(integers, 0);
                self.builder.ins().istore8(access(), first, address, offset(dst));
            }
            Inst::Lookup { dst, src, table, .. } => {
                let (from, to) = (self.pointer(src.base), self.pointer(dst.base));
                let table = self.pointer(table);
                let position = self.builder.ins().uload8(I64, access(), from, offset(src));
                let place = self.builder.ins().iadd(table, position);
                let byte = self.builder.ins().uload8(I32, access(), place, 0);
                self.builder.ins().istore8(access(), byte, to, offset(dst));
            }
            Inst::StorePacked { dst, src } => {
                let address = self.pointer(dst.base);
                let [a, b, c, d] = src.map(|v| {
                    let value = self.get(v);
                    self.bits(value)
                });
                let words = [(a, b), (c, d)].map(|(a, b)| self.builder.ins().snarrow(a, b));
                let bytes = self.builder.ins().unarrow(words[0], words[1]);
                self.builder.ins().store(access(), bytes, address, offset(dst));
            }
            Inst::LoadShorts { dst, src } => {
                let lanes = self.load_half(src, I16X8);
                let lanes = self.builder.ins().swiden_low(lanes);
                let value = self.floats(lanes);
                self.set(dst, value);
            }
            Inst::StoreBytes { dst, src } => {
                let (address, value) = (self.pointer(dst.base), self.get(src));
                let bytes = self.narrowed(value);
                self.builder.ins().store(access(), bytes, address, offset(dst));
            }
            Inst::WidenBytes { dst, src } => {
                let lanes = self.load_half(src, I8X16);
                let lanes = self.builder.ins().uwiden_low(lanes);
                let value = self.floats(lanes);
                self.set(dst, value);
            }
            // Programs for targets without products by lanes, products of bytes and tiles were
            // checked to have none of these.
            Inst::LoadFirst { .. }
            | Inst::MultiplyAddLane { .. }
            | Inst::ByteDotLane { .. }
            | Inst::PairSum { .. }
            | Inst::ByteDot { .. }
            | Inst::Select { .. }
            | Inst::Interleave { .. }
            | Inst::TileZero { .. }
            | Inst::TileLoad { .. }
            | Inst::TileStore { .. }
            | Inst::TileDot { .. } => {}
            Inst::CopyPointer { dst, src } => {
                let value = self.pointer(src);
                self.builder.def_var(self.pointers[dst.0 as usize], value);
            }
            Inst::Number { dst, value } => {
                let value = self.builder.ins().iconst(I64, i64::from(value));
                self.builder.def_var(self.pointers[dst.0 as usize], value);
            }
            Inst::Advance { pointer, bytes } => {
                let value = self.pointer(pointer);
                let value = self.builder.ins().iadd_imm_s(value, i64::from(bytes));
                self.builder.def_var(self.pointers[pointer.0 as usize], value);
            }
            Inst::AdvanceBy { pointer, src } => {
                let (value, address) = (self.pointer(pointer), self.pointer(src.base));
                let bytes = self.builder.ins().load(I64, access(), address, offset(src));
                let value = self.builder.ins().iadd(value, bytes);
                self.builder.def_var(self.pointers[pointer.0 as usize], value);
            }
            Inst::Loop { count, ref body } => self.repeat(count, body),
            _ => self.compute(inst),
        }
    }

    /// The instructions that compute a vector from vectors.
    fn compute(&mut self, inst: &Inst) {
        let (dst, value) = match *inst {
            Inst::Copy { dst, src } => (dst, self.get(src)),
            Inst::MultiplyAdd { acc, a, b } => (acc, self.multiply_add(acc, a, b)),
            Inst::Arith { op, dst, a, b } => (dst, self.arith(op, a, b)),
            Inst::Blend { dst, a, b, mask } => (dst, self.blend(a, b, mask)),
            Inst::Exchange { dst, src, distance } => {
                let order = std::array::from_fn(|l| (l ^ distance.lanes()) as u8);
                let src = self.get(src);
                (dst, self.shuffle(src, order))
            }
            Inst::Round { dst, src } => (dst, self.round(src)),
            Inst::Pow2 { dst, src } => (dst, self.pow2(src)),
            Inst::Sqrt { dst, src } => {
                let src = self.get(src);
                (dst, self.builder.ins().sqrt(src))
            }
            Inst::Exponent { dst, src } => (dst, self.exponent(src)),
            Inst::ToInteger { dst, src } => (dst, self.rounded(src)),
            Inst::FromInteger { dst, src } => {
                let src = self.get(src);
                let src = self.bits(src);
                (dst, self.builder.ins().fcvt_from_sint(F32X4, src))
            }
            Inst::Integer { op, dst, a, b } => (dst, self.integer(op, a, b)),
            Inst::Shift { to, dst, src, by } => (dst, self.shift(to, src, by)),
            Inst::Short { op, dst, a, b } => (dst, self.short(op, a, b)),
            Inst::PairDot { dst, a, b } => (dst, self.pair_dot(a, b)),
            _ => return,
        };
        self.set(dst, value);
    }

    fn multiply_add(&mut self, acc: V, a: V, b: V) -> Value {
        let (acc, a, b) = (self.get(acc), self.get(a), self.get(b));
        if self.cranelift.fused() {
            return self.builder.ins().fma(a, b, acc);
        }
        let product = self.builder.ins().fmul(a, b);
        self.builder.ins().fadd(acc, product)
    }

    fn arith(&mut self, op: Arith, a: V, b: V) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        match op {
            Arith::Add => self.builder.ins().fadd(a, b),
            Arith::Sub => self.builder.ins().fsub(a, b),
            Arith::Mul => self.builder.ins().fmul(a, b),
            Arith::Div => self.builder.ins().fdiv(a, b),
            Arith::Max => self.max(a, b),
            Arith::Min => self.pick(a, b, a, b),
            Arith::MaxNan => {
                let unordered = self.builder.ins().fcmp(FloatCC::Unordered, a, b);
                let bits = self.bits(a);
                let marked = self.builder.ins().bor(unordered, bits);
                let marked = self.floats(marked);
                self.max(b, marked)
            }
            Arith::Equal => self.compare(FloatCC::Equal, a, b),
            Arith::Less => self.compare(FloatCC::LessThan, a, b),
            Arith::LessOrEqual => self.compare(FloatCC::LessThanOrEqual, a, b),
            Arith::And => self.bitwise(a, b, |ins, a, b| ins.band(a, b)),
            Arith::AndNot => self.bitwise(a, b, |ins, a, b| ins.band_not(b, a)),
            Arith::Or => self.bitwise(a, b, |ins, a, b| ins.bor(a, b)),
        }
    }

    fn compare(&mut self, condition: FloatCC, a: Value, b: Value) -> Value {
        let mask = self.builder.ins().fcmp(condition, a, b);
        self.floats(mask)
    }

    fn bitwise(
        &mut self,
        a: Value,
        b: Value,
        op: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value,
    ) -> Value {
        let (a, b) = (self.bits(a), self.bits(b));
        let result = op(self.builder.ins(), a, b);
        self.floats(result)
    }

    /// `a > b ? a : b`
    fn max(&mut self, a: Value, b: Value) -> Value {
        self.pick(b, a, a, b)
    }

    /// `less < than ? yes : no`, in the form that x86 has `minps` and `maxps` for.
    fn pick(&mut self, less: Value, than: Value, yes: Value, no: Value) -> Value {
        let condition = self.builder.ins().fcmp(FloatCC::LessThan, less, than);
        let condition = self.floats(condition);
        self.builder.ins().bitselect(condition, yes, no)
    }

    /// Cranelift shuffles bytes.
    fn shuffle(&mut self, value: Value, order: [u8; 4]) -> Value {
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        let bytes: Vec<u8> = order.iter().flat_map(|&v| (4 * v..).take(4)).collect();
        let order = self.builder.func.dfg.immediates.push(ConstantData::from(bytes));
        let value = self.builder.ins().bitcast(I8X16, flags, value);
        let value = self.builder.ins().shuffle(value, value, order);
        self.builder.ins().bitcast(F32X4, flags, value)
    }

    fn blend(&mut self, a: V, b: V, mask: u16) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        let condition = self.constant(|lane| if mask >> lane & 1 == 1 { u32::MAX } else { 0 });
        self.builder.ins().bitselect(condition, b, a)
    }

    /// SSE2 has no such instruction; there, adding and subtracting [`WHOLE`] rounds.
    fn round(&mut self, src: V) -> Value {
        let src = self.get(src);
        if self.cranelift.nearest() {
            return self.builder.ins().nearest(src);
        }
        let (sign, whole) = (self.splat(SIGN), self.splat(WHOLE.to_bits()));
        let sign = self.builder.ins().band(src, sign);
        let signed = self.builder.ins().bor(whole, sign);
        let sum = self.builder.ins().fadd(src, signed);
        let rounded = self.builder.ins().fsub(sum, signed);
        let rounded = self.builder.ins().bor(rounded, sign);
        let size = self.builder.ins().fabs(src);
        self.pick(size, whole, rounded, src)
    }

    fn pow2(&mut self, src: V) -> Value {
        let (src, magic) = (self.get(src), self.splat(POW2_MAGIC.to_bits()));
        let sum = self.builder.ins().fadd(src, magic);
        let bits = self.bits(sum);
        let bits = self.builder.ins().ishl_imm_u(bits, i64::from(POW2_SHIFT));
        self.floats(bits)
    }

    fn exponent(&mut self, src: V) -> Value {
        let src = self.get(src);
        let bits = self.bits(src);
        let bits = self.builder.ins().ushr_imm_u(bits, i64::from(POW2_SHIFT));
        let (base, magic) =
            (self.splat(EXPONENT_BASE.to_bits()), self.splat(EXPONENT_MAGIC.to_bits()));
        let base = self.bits(base);
        let bits = self.builder.ins().bor(bits, base);
        let sum = self.floats(bits);
        self.builder.ins().fsub(sum, magic)
    }

    /// Conversion saturates, and makes 0 of NaN; the instruction gives the smallest integer for all
    /// that is out of range.
    fn rounded(&mut self, src: V) -> Value {
        let whole = self.round(src);
        let integer = self.builder.ins().fcvt_to_sint_sat(I32X4, whole);
        let limit = self.splat(INTEGERS_END.to_bits());
        let inside = self.builder.ins().fcmp(FloatCC::LessThan, whole, limit);
        let smallest = self.splat(i32::MIN as u32);
        let smallest = self.bits(smallest);
        let value = self.builder.ins().bitselect(inside, integer, smallest);
        self.floats(value)
    }

    fn integer(&mut self, op: Integer, a: V, b: V) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        self.bitwise(a, b, |ins, a, b| match op {
            Integer::Add => ins.iadd(a, b),
            Integer::Sub => ins.isub(a, b),
            Integer::Max => ins.smax(a, b),
            Integer::Min => ins.smin(a, b),
            Integer::And => ins.band(a, b),
            Integer::Xor => ins.bxor(a, b),
            Integer::Mul => ins.imul(a, b),
        })
    }

    fn shift(&mut self, to: Shift, src: V, by: u8) -> Value {
        let src = self.get(src);
        let bits = self.bits(src);
        let by = i64::from(by);
        let bits = match to {
            Shift::Left => self.builder.ins().ishl_imm_u(bits, by),
            Shift::Right => self.builder.ins().ushr_imm_u(bits, by),
            Shift::SignedRight => self.builder.ins().sshr_imm_u(bits, by),
        };
        self.floats(bits)
    }

    fn short(&mut self, op: Short, a: V, b: V) -> Value {
        let [a, b] = [a, b].map(|v| self.shorts(v));
        let sum = match op {
            Short::Add => self.builder.ins().iadd(a, b),
            Short::Sub => self.builder.ins().isub(a, b),
        };
        self.floats(sum)
    }

    /// In the form that x86 has `pmaddwd` for.
    fn pair_dot(&mut self, a: V, b: V) -> Value {
        let [a, b] = [a, b].map(|v| self.shorts(v));
        let [a_low, b_low] = [a, b].map(|v| self.builder.ins().swiden_low(v));
        let low = self.builder.ins().imul(a_low, b_low);
        let [a_high, b_high] = [a, b].map(|v| self.builder.ins().swiden_high(v));
        let high = self.builder.ins().imul(a_high, b_high);
        let sums = self.builder.ins().iadd_pairwise(low, high);
        self.floats(sums)
    }

    /// The 16-bit integers of a register.
    fn shorts(&mut self, v: V) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let value = self.get(v);
        self.builder.ins().bitcast(I16X8, little, value)
    }

    /// 64 bits from memory as the low half of a vector.
    fn load_half(&mut self, src: Mem, lanes: Type) -> Value {
        let address = self.pointer(src.base);
        let half = self.builder.ins().load(I64, access(), address, offset(src));
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let value = self.builder.ins().scalar_to_vector(I64X2, half);
        self.builder.ins().bitcast(lanes, little, value)
    }

    /// Four bytes in an integer, as lanes.
    fn widened(&mut self, bytes: Value, signed: bool) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let lanes = self.builder.ins().scalar_to_vector(I32X4, bytes);
        let lanes = self.builder.ins().bitcast(I8X16, little, lanes);
        let lanes = match signed {
            false => {
                let words = self.builder.ins().uwiden_low(lanes);
                self.builder.ins().uwiden_low(words)
            }
            true => {
                let words = self.builder.ins().swiden_low(lanes);
                self.builder.ins().swiden_low(words)
            }
        };
        self.floats(lanes)
    }

    /// Lanes in 0..=255, as four bytes in an integer.
    fn narrowed(&mut self, lanes: Value) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let lanes = self.bits(lanes);
        let words = self.builder.ins().unarrow(lanes, lanes);
        let bytes = self.builder.ins().unarrow(words, words);
        let lanes = self.builder.ins().bitcast(I32X4, little, bytes);
        self.builder.ins().extractlane(lanes, 0)
    }

    fn repeat(&mut self, count: Count, body: &[Inst]) {
        if let Count::Fixed(0) = count {
            return self.skip_lines(body);
        }
        let head = self.builder.create_block();
        let exit = self.builder.create_block();
        let left = self.builder.append_block_param(head, I64);
        match count {
            Count::Fixed(n) => {
                let turns = self.builder.ins().iconst(I64, i64::from(n));
                self.builder.ins().jump(head, &[turns.into()]);
            }
            Count::Register(p) => {
                let turns = self.pointer(p);
                self.branch(turns, head, &[turns.into()], exit);
            }
        }
        self.builder.switch_to_block(head);
        self.block(body);
        self.begin_line();
        let left = self.builder.ins().iadd_imm_s(left, -1);
        self.branch(left, head, &[left.into()], exit);
        self.builder.seal_block(head);
        self.builder.switch_to_block(exit);
        self.builder.seal_block(exit);
    }

    fn branch(&mut self, condition: Value, then: Block, args: &[BlockArg], other: Block) {
        self.builder.ins().brif(condition, then, args, other, &[]);
    }

    fn get(&mut self, v: V) -> Value {
        self.builder.use_var(self.vectors[v.0 as usize])
    }

    fn set(&mut self, v: V, value: Value) {
        self.builder.def_var(self.vectors[v.0 as usize], value);
    }

    fn pointer(&mut self, p: P) -> Value {
        self.builder.use_var(self.pointers[p.0 as usize])
    }

    fn splat(&mut self, bits: u32) -> Value {
        self.constant(|_| bits)
    }

    fn constant(&mut self, lane: impl Fn(usize) -> u32) -> Value {
        let bytes: Vec<u8> = (0..LANES).flat_map(|l| lane(l).to_le_bytes()).collect();
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from(bytes));
        self.builder.ins().vconst(F32X4, constant)
    }

    fn bits(&mut self, floats: Value) -> Value {
        self.builder.ins().bitcast(I32X4, MemFlagsData::new(), floats)
    }

    fn floats(&mut self, bits: Value) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(F32X4, little, bits)
    }
}
