//! The encoder proper: one pass over the program; forward branches and references to constants are
//! patched in.

use super::ALIGNMENT;
use super::addresses::Addresses;
use super::codes::{
    self, ARGUMENTS, CBNZ, CBZ, FMLA, FMLA_ELEMENT, FRINTN, FSQRT, KEEP, LOAD, LOAD_GENERAL,
    LOAD_HALVES, LOAD_PAIR, LOAD_WORD, NOP, NUMBER, Near, Operation, PREFETCH, RET, REV64, SCVTF,
    SDOT_ELEMENT, STACK, STORE, STORE_HALVES, STORE_PAIR, STORE_WORD, SUDOT_ELEMENT, Three, USDOT,
    Vector, branch, general, vector,
};
use super::pool::Pool;
use crate::codegen::encoded::Encoded;
use crate::codegen::error::CodegenError;
use crate::codegen::listing::{self, CodeLine};
use crate::codegen::liveness;
use crate::codegen::usage::Usage;
use crate::codegen::vir::{
    Arith, Bytes, Cache, Count, Distance, Inst, P, Program, Shift, Target, V, VectorSet, Vectors,
};

/// The most that programs for this back end may rely on.
const ENCODED: Target = Target::NEON_I8MM;

/// Alignment of innermost loops: the width of an instruction fetch of wide cores.
const LOOP_ALIGNMENT: usize = 32;

/// The most words of code and constants that a line of a program becomes.
const LINE_WORDS: usize = 32;

/// Encodes `program`. Any machine can encode any program, even one that it cannot run.
///
/// # Errors
/// If the program is malformed, or relies on more than Advanced SIMD has.
pub fn encode(program: &Program) -> Result<Encoded, CodegenError> {
    let usage = Usage::of(program)?;
    if program.target.lanes != ENCODED.lanes || !ENCODED.includes(program.target) {
        let (program, target) = (program.name.clone(), program.target);
        return Err(CodegenError::Target { program, target, backend: "the A64 encoder" });
    }
    Ok(Emitter::new(program, usage).function())
}

pub(super) struct Emitter<'p> {
    program: &'p Program,
    usage: Usage,
    pub(super) words: Vec<u32>,
    /// Whether distances may be more than branches and loads of constants reach.
    pub(super) long: bool,
    pub(super) pool: Pool,
    pub(super) addresses: Addresses,
    /// For each line of the program the vectors that hold nothing.
    free: Vec<VectorSet>,
    lines: Vec<CodeLine>,
    /// The next line of the program.
    line: usize,
}

impl<'p> Emitter<'p> {
    fn new(program: &'p Program, usage: Usage) -> Self {
        let most = LINE_WORDS * listing::count(&program.body);
        Emitter {
            program,
            usage,
            words: Vec::new(),
            long: !Near::reaches(most as i64),
            pool: Pool::default(),
            addresses: Addresses::default(),
            free: liveness::free(program),
            lines: Vec::new(),
            line: 0,
        }
    }

    fn function(mut self) -> Encoded {
        let saved: Vec<[Vector; 2]> = codes::saved_pairs(self.usage.vectors).collect();
        let frame = 16 * saved.len() as i64;
        if frame > 0 {
            self.add(STACK, STACK, -frame);
        }
        let place = |i: usize| 16 * i as i64;
        for (i, &pair) in saved.iter().enumerate() {
            STORE_HALVES.word(pair, STACK, place(i)).into_iter().for_each(|word| self.emit(word));
        }
        for (above, argument) in (ARGUMENTS..self.program.args).enumerate() {
            let register = general(P(argument as u8)).0;
            let word = LOAD_GENERAL.word(register, STACK, frame + 8 * above as i64);
            word.into_iter().for_each(|word| self.emit(word));
        }
        self.block(&self.program.body, 0);
        for (i, &pair) in saved.iter().enumerate() {
            LOAD_HALVES.word(pair, STACK, place(i)).into_iter().for_each(|word| self.emit(word));
        }
        if frame > 0 {
            self.add(STACK, STACK, frame);
        }
        self.emit(RET);
        self.finish()
    }

    /// Appends the constants.
    fn finish(mut self) -> Encoded {
        let code = 4 * self.words.len();
        self.pool.append(&mut self.words);
        let bytes = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Encoded { bytes, code, lines: self.lines }
    }

    fn block(&mut self, body: &[Inst], depth: usize) {
        let mut rest = body;
        while let Some((inst, after)) = rest.split_first() {
            self.begin_line();
            rest = after;
            match after.split_first() {
                Some((next, after)) if self.two(inst, next) => {
                    self.begin_line();
                    rest = after;
                }
                _ => self.inst(inst, depth),
            }
        }
    }

    /// The vectors that hold nothing while the current line runs.
    pub(super) fn free(&self) -> VectorSet {
        let all = (1 << self.program.target.vectors) - 1;
        self.free.get(self.line - 1).map_or(0, |free| free & all)
    }

    /// The vectors that the program uses.
    pub(super) fn used(&self) -> VectorSet {
        self.usage.vectors.into()
    }

    /// Attributes the code that follows to the program's next line.
    fn begin_line(&mut self) {
        self.lines.push(CodeLine { offset: 4 * self.words.len(), line: self.line });
        self.line += 1;
    }

    /// Two instructions of the program as one, if there is one.
    fn two(&mut self, first: &Inst, second: &Inst) -> bool {
        match (first, second) {
            (&Inst::Load { dst: a, src: first }, &Inst::Load { dst: b, src: second }) => {
                a != b && self.pair(LOAD_PAIR, [a, b].map(vector), [first, second])
            }
            (&Inst::Store { src: a, dst: first }, &Inst::Store { src: b, dst: second }) => {
                self.pair(STORE_PAIR, [a, b].map(vector), [first, second])
            }
            _ => false,
        }
    }

    fn inst(&mut self, inst: &Inst, depth: usize) {
        match *inst {
            Inst::Const { dst, value } => self.splat(vector(dst), value.to_bits()),
            Inst::Load { dst, src } => self.access_vector(LOAD, vector(dst), src),
            Inst::LoadFirst { dst, src } => self.access_vector(LOAD_WORD, vector(dst), src),
            Inst::Broadcast { dst, src } | Inst::BroadcastBytes { dst, src } => {
                let dst = vector(dst);
                self.access_vector(LOAD_WORD, dst, src);
                self.emit(codes::dup(dst, dst, 0));
            }
            Inst::Shuffle { dst, src, order } => {
                self.access_vector(LOAD, vector(dst), src);
                self.shuffle(inst.vectors(), vector(dst), order);
            }
            Inst::Store { dst, src } => self.access_vector(STORE, vector(src), dst),
            Inst::StoreFirst { dst, src } => self.access_vector(STORE_WORD, vector(src), dst),
            Inst::Prefetch { src, cache } => {
                let [first, second] = KEEP;
                let level = match cache {
                    Cache::First => first,
                    Cache::Second => second,
                };
                self.access(PREFETCH, level, src);
            }
            Inst::LoadBytes { dst, src, signed } => self.load_bytes(dst, src, signed),
            Inst::LoadByte { dst, src, signed } => self.load_byte(dst, src, signed),
            Inst::StoreByte { dst, src } => self.store_byte(dst, src),
            Inst::Lookup { dst, src, table, index } => self.lookup(dst, src, table, index),
            Inst::StorePacked { dst, src } => self.store_packed(dst, src),
            Inst::LoadShorts { dst, src } => self.load_shorts(dst, src),
            Inst::StoreBytes { dst, src } => self.store_bytes(dst, src),
            Inst::WidenBytes { dst, src } => self.widen_bytes(dst, src),
            Inst::CopyPointer { dst, src } => {
                self.emit(codes::copy_general(general(dst), general(src)));
                self.addresses.forget(dst);
            }
            Inst::Number { dst, value } => {
                self.number(general(dst), value.into());
                self.addresses.forget(dst);
            }
            Inst::Advance { pointer, bytes } => {
                let register = general(pointer);
                self.add(register, register, bytes.into());
                self.addresses.forget(pointer);
            }
            Inst::AdvanceBy { pointer, src } => {
                let register = general(pointer);
                self.access(LOAD_GENERAL, NUMBER.0, src);
                self.emit(codes::add_general(register, register, NUMBER));
                self.addresses.forget(pointer);
            }
            Inst::Loop { count, ref body } => self.repeat(count, body, depth),
            _ => self.compute(inst),
        }
    }

    /// The instructions that compute a vector from vectors.
    fn compute(&mut self, inst: &Inst) {
        let operands = inst.vectors();
        match *inst {
            Inst::Copy { dst, src } => self.emit(codes::copy(vector(dst), vector(src))),
            Inst::MultiplyAdd { acc, a, b } => self.three(FMLA, acc, a, b),
            Inst::MultiplyAddLane { acc, a, b, lane } => {
                self.emit(FMLA_ELEMENT.word(vector(acc), vector(a), vector(b), lane));
            }
            Inst::Arith { op, dst, a, b } => self.arith(op, operands, [dst, a, b].map(vector)),
            Inst::Blend { dst, a, b, mask } => {
                self.blend(operands, [dst, a, b].map(vector), mask);
            }
            Inst::Exchange { dst, src, distance } => self.exchange(dst, src, distance),
            Inst::Round { dst, src } => self.emit(FRINTN.word(vector(dst), vector(src))),
            Inst::Pow2 { dst, src } => self.pow2(operands, [dst, src].map(vector)),
            Inst::Sqrt { dst, src } => self.emit(FSQRT.word(vector(dst), vector(src))),
            Inst::Exponent { dst, src } => self.exponent(operands, [dst, src].map(vector)),
            Inst::ToInteger { dst, src } => self.nearest_integer(operands, [dst, src].map(vector)),
            Inst::FromInteger { dst, src } => self.emit(SCVTF.word(vector(dst), vector(src))),
            Inst::Integer { op, dst, a, b } => self.three(codes::integer(op), dst, a, b),
            Inst::Short { op, dst, a, b } => self.three(codes::short(op), dst, a, b),
            Inst::Shift { to, dst, src, by } => self.shift(to, vector(dst), vector(src), by),
            Inst::PairDot { dst, a, b } => self.pair_dot(operands, [dst, a, b].map(vector)),
            Inst::ByteDot { acc, a, b } => self.three(USDOT, acc, a, b),
            Inst::ByteDotLane { left, acc, a, b, lane } => {
                let code = match left {
                    Bytes::Signed => SDOT_ELEMENT,
                    Bytes::Unsigned => SUDOT_ELEMENT,
                };
                self.emit(code.word(vector(acc), vector(b), vector(a), lane));
            }
            // Programs that select, sum pairs or use tiles were refused.
            _ => {}
        }
    }

    pub(super) fn three(&mut self, code: Three, dst: V, a: V, b: V) {
        self.emit(code.word(vector(dst), vector(a), vector(b)));
    }

    fn arith(&mut self, op: Arith, operands: Vectors, [dst, a, b]: [Vector; 3]) {
        match codes::operation(op) {
            Operation::One(code) => self.emit(code.word(dst, a, b)),
            Operation::Swapped(code) => self.emit(code.word(dst, b, a)),
            Operation::Pick { swapped: false } => self.pick(operands, [a, b], [dst, a, b]),
            Operation::Pick { swapped: true } => self.pick(operands, [b, a], [dst, a, b]),
            Operation::MaxNan => self.max_nan(operands, [dst, a, b]),
        }
    }

    fn exchange(&mut self, dst: V, src: V, distance: Distance) {
        let (dst, src) = (vector(dst), vector(src));
        match distance {
            Distance::One => self.emit(REV64.word(dst, src)),
            // Programs that exchange lanes that there are not were refused.
            _ => self.emit(codes::exchange_halves(dst, src)),
        }
    }

    fn shift(&mut self, to: Shift, dst: Vector, src: Vector, by: u8) {
        let by = u32::from(by);
        self.emit(match to {
            _ if by == 0 => codes::copy(dst, src),
            Shift::Left => codes::shl(dst, src, by),
            Shift::Right => codes::shr(false, dst, src, by),
            Shift::SignedRight => codes::shr(true, dst, src, by),
        });
    }

    fn repeat(&mut self, count: Count, body: &[Inst], depth: usize) {
        let counter = general(P((self.usage.pointers + depth) as u8));
        let mut exit = None;
        match count {
            Count::Fixed(0) => {
                self.line += listing::count(body) + 1;
                return;
            }
            Count::Fixed(1) => {
                self.block(body, depth + 1);
                return self.begin_line();
            }
            Count::Fixed(n) => self.number(counter, n.into()),
            Count::Register(p) => {
                self.emit(codes::copy_general(counter, general(p)));
                if self.long {
                    self.emit(CBNZ.word(counter.0, 2));
                }
                exit = Some(self.words.len());
                self.emit(0);
            }
        }
        if !body.iter().any(|inst| matches!(inst, Inst::Loop { .. })) {
            self.align();
        }
        self.addresses.forget_all();
        let head = self.words.len();
        self.block(body, depth + 1);
        self.begin_line();
        self.add(counter, counter, -1);
        self.branch_back(counter.0, head);
        self.addresses.forget_all();
        if let Some(at) = exit {
            let words = (self.words.len() - at) as i64;
            self.words[at] = if self.long { branch(words) } else { CBZ.word(counter.0, words) };
        }
    }

    /// Branches to `head` if a register is not 0.
    fn branch_back(&mut self, register: u32, head: usize) {
        let back = |at: usize| head as i64 - at as i64;
        let at = self.words.len();
        if Near::reaches(back(at)) {
            return self.emit(CBNZ.word(register, back(at)));
        }
        self.emit(CBZ.word(register, 2));
        self.emit(branch(back(at + 1)));
    }

    pub(super) fn emit(&mut self, word: u32) {
        self.words.push(word);
    }

    fn align(&mut self) {
        debug_assert!(LOOP_ALIGNMENT as u64 <= ALIGNMENT);
        self.words.resize(self.words.len().next_multiple_of(LOOP_ALIGNMENT / 4), NOP);
    }
}
