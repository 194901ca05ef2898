//! Random programs: every back end's code computes the same as the emulator.

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use resnetc::Isa;
use resnetc::codegen::error::CodegenError;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;
use resnetc::isa::IntegerDot;

use super::support::{Given, compare, compiled, emulated, processed};
use resnetc_testing::cases::cases;
use resnetc_testing::host::runs;

/// Values of each buffer.
const BUFFER: usize = 2048;
/// Where the arguments point: the middle, so that pointers and displacements can go both ways.
const START: usize = BUFFER / 2;

/// Where pointers jump to, in values from the middle of their buffer: beyond what displacements of
/// one instruction, or sums of a register and a number, reach on some machine.
const FAR: [i32; 8] = [0, 5000, -5000, 20_000, -300_000, 1 << 22, 1 << 27, -(1 << 27)];

/// A program and its data.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) program: Program,
    pub(crate) given: Vec<Given>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program)
    }
}

/// Bounds on where a pointer may be, relative to the middle of its buffer, in values.
type Span = Range<i32>;

/// Turns a stream of random numbers into a program; if all numbers are zero, into the smallest one.
struct Writer<'a> {
    dice: &'a [u32],
    target: Target,
    /// How many vector registers are used: from 3 to all of them.
    vectors: usize,
    /// The range of each pointer, relative to the middle of its buffer: (minimum, maximum), in
    /// values.
    pointers: Vec<(i32, i32)>,
    turns: Vec<u32>,
}

impl Writer<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        let Some((first, rest)) = self.dice.split_first() else { return 0 };
        self.dice = rest;
        *first as usize % sides
    }

    fn v(&mut self) -> V {
        V(self.roll(self.vectors) as u8)
    }

    fn p(&mut self) -> P {
        P(self.roll(self.pointers.len()) as u8)
    }

    /// A place where `len` values fit, wherever the pointer is within its range.
    fn mem(&mut self, len: i32) -> Mem {
        let base = self.p();
        let (least, greatest) = self.pointers[base.0 as usize];
        let room: Span = -(START as i32) - least..(BUFFER - START) as i32 - len - greatest + 1;
        let near = [0, 16, -16, 31, -32, 127, -128, 500, -500][self.roll(9)];
        // From a pointer that is not in its buffer, back to the middle.
        let back = if least.unsigned_abs() as usize > START { -least } else { 0 };
        let offset = (back + near + self.roll(5) as i32 - 2).clamp(room.start, room.end - 1);
        base.at((4 * offset).into())
    }

    fn value(&mut self) -> f32 {
        let all =
            [0.0, -0.0, 1.0, -1.5, 0.5, 3.0e38, 1e-30, f32::INFINITY, f32::NAN, 127.0, -126.0, 2.5];
        all[self.roll(all.len())]
    }

    fn arith(&mut self) -> Arith {
        use Arith::*;
        [Add, Sub, Mul, Div, Max, Min, MaxNan][self.roll(7)]
    }

    fn inst(&mut self) -> Inst {
        let lanes = self.target.lanes as i32;
        match self.roll(if self.target.by_lane { 20 } else { 17 }) {
            0 | 1 => Inst::Load { dst: self.v(), src: self.mem(lanes) },
            2 => Inst::Const { dst: self.v(), value: self.value() },
            3 => Inst::Broadcast { dst: self.v(), src: self.mem(1) },
            4 | 5 => Inst::Store { dst: self.mem(lanes), src: self.v() },
            6 => Inst::StoreFirst { dst: self.mem(1), src: self.v() },
            7 => Inst::Copy { dst: self.v(), src: self.v() },
            8 | 9 => Inst::MultiplyAdd { acc: self.v(), a: self.v(), b: self.v() },
            10 | 11 => Inst::Arith { op: self.arith(), dst: self.v(), a: self.v(), b: self.v() },
            12 => Inst::Blend {
                dst: self.v(),
                a: self.v(),
                b: self.v(),
                mask: self.roll(1 << 16) as u16,
            },
            13 => Inst::Prefetch { src: self.mem(1), cache: Cache::Second },
            14 => {
                let order = [0; 4].map(|_| self.roll(4) as u8);
                Inst::Shuffle { dst: self.v(), src: self.mem(lanes), order }
            }
            15 => {
                let within = self.target.lanes.ilog2() as usize;
                let distance = Distance::ALL[Distance::ALL.len() - within..][self.roll(within)];
                Inst::Exchange { dst: self.v(), src: self.v(), distance }
            }
            16 => Inst::Round { dst: self.v(), src: self.v() },
            17 => Inst::LoadFirst { dst: self.v(), src: self.mem(1) },
            _ => {
                let [acc, a, b] = [self.v(), self.v(), self.v()];
                Inst::MultiplyAddLane { acc, a, b, lane: self.roll(4) as u8 }
            }
        }
    }

    /// Instructions; loops nest up to `depth` deep, over counts that `counts` holds.
    fn block(&mut self, depth: usize, counts: &[(P, u32)]) -> Vec<Inst> {
        let mut body = Vec::new();
        for _ in 0..self.roll(12) {
            match self.roll(12) {
                0 if depth > 0 => body.push(self.repeat(depth, counts)),
                1 => body.push(self.copy()),
                2 => body.extend(self.on_numbers()),
                3 => body.extend(self.neighbours()),
                4 if self.turns.is_empty() => body.push(self.jump()),
                5 if self.target.dot >= IntegerDot::Lanes => body.extend(self.on_bytes()),
                _ => body.push(self.inst()),
            }
        }
        body
    }

    /// With NaN replaced first, since the result depends on its payload.
    fn on_numbers(&mut self) -> [Inst; 3] {
        let (src, number, dst) = (self.v(), self.v(), self.v());
        let replace = Inst::Arith { op: Arith::Max, dst: number, a: src, b: number };
        let inst = match self.roll(3) {
            0 => Inst::Pow2 { dst, src: number },
            1 => Inst::Exponent { dst, src: number },
            _ => Inst::Sqrt { dst, src: number },
        };
        [Inst::Const { dst: number, value: -126.0 }, replace, inst]
    }

    /// Products of known bytes: those of a NaN are not.
    fn on_bytes(&mut self) -> [Inst; 4] {
        let (src, a, acc) = (self.v(), self.v(), self.v());
        let replace = Inst::Arith { op: Arith::Max, dst: a, a: src, b: a };
        let value = self.value();
        let dot = match (self.target.by_lane, self.roll(4) as u8) {
            (true, lane) => Inst::ByteDotLane { left: self.bytes(), acc, a, b: a, lane },
            (false, _) => Inst::ByteDot { acc, a, b: a },
        };
        [Inst::Const { dst: a, value: -126.0 }, replace, Inst::Const { dst: acc, value }, dot]
    }

    /// Bytes that the target multiplies.
    fn bytes(&mut self) -> Bytes {
        match (self.target.dot, self.roll(2)) {
            (IntegerDot::SignedLanes, _) | (_, 0) => Bytes::Signed,
            _ => Bytes::Unsigned,
        }
    }

    /// Loads or stores at consecutive places, in either order, sometimes of one register only.
    fn neighbours(&mut self) -> Vec<Inst> {
        let (count, bytes) = (2 + self.roll(3) as i32, self.target.vector_bytes());
        let first = self.mem(count * self.target.lanes as i32);
        let (is_load, is_alike) = (self.roll(2) == 0, self.roll(3) == 1);
        let mut body = Vec::new();
        let mut v = self.v();
        for i in 0..i64::from(count) {
            let place = first.base.at(first.offset + i * bytes);
            body.push(match is_load {
                true => Inst::Load { dst: v, src: place },
                false => Inst::Store { dst: place, src: v },
            });
            v = if is_alike { v } else { self.v() };
        }
        if self.roll(4) == 1 {
            body.reverse();
        }
        body
    }

    /// A pointer that leaves its buffer, or comes back.
    fn jump(&mut self) -> Inst {
        let p = self.p();
        let (least, greatest) = self.pointers[p.0 as usize];
        let way = FAR[self.roll(FAR.len())] - least;
        self.pointers[p.0 as usize] = (least + way, greatest + way);
        Inst::Advance { pointer: p, bytes: 4 * way }
    }

    fn copy(&mut self) -> Inst {
        let (dst, src) = (self.p(), self.p());
        // Inside a loop, the next turn does not see changes of the copy.
        if !self.turns.is_empty() || dst.0 < 2 && src != dst {
            return self.inst();
        }
        self.pointers[dst.0 as usize] = self.pointers[src.0 as usize];
        Inst::CopyPointer { dst, src }
    }

    /// A loop that advances one pointer and moves it back afterwards.
    fn repeat(&mut self, depth: usize, counts: &[(P, u32)]) -> Inst {
        let (count, turns) = match self.roll(3) {
            0 => (Count::Register(counts[0].0), counts[0].1),
            1 => (Count::Register(counts[1].0), counts[1].1),
            _ => {
                let n = 1 + self.roll(4) as u32;
                (Count::Fixed(n), n)
            }
        };
        let p = self.p();
        let walk = [0, 1, -1, 16, -16, 40][self.roll(6)] * (self.turns.is_empty() as i32);
        let before = self.pointers[p.0 as usize];
        let way = walk * turns as i32;
        self.pointers[p.0 as usize] = (before.0 + way.min(0), before.1 + way.max(0));
        self.turns.push(turns);
        let mut body = self.block(depth - 1, counts);
        self.turns.pop();
        body.push(Inst::Advance { pointer: p, bytes: 4 * walk });
        Inst::Loop { count, body }
    }
}

/// A program for `target` made from random numbers.
pub(crate) fn program(target: Target, dice: &[u32], counts: [u32; 2], spares: usize) -> Program {
    // Arguments: two buffers, two counts, more buffers. Further pointers start as copies of the
    // first two.
    let (passed, extra) = (passed(spares), 2 + spares);
    let vectors = if spares.is_multiple_of(2) { target.vectors } else { 3 + spares };
    let mut writer = Writer { dice, target, vectors, pointers: vec![(0, 0); 2], turns: Vec::new() };
    let mut body: Vec<Inst> = (0..extra)
        .map(|i| Inst::CopyPointer { dst: P((4 + passed + i) as u8), src: P(i as u8 % 2) })
        .collect();
    for i in 0..vectors {
        let from = if i < passed { 4 + i } else { i % 2 };
        let src = P(from as u8).at((16 * i as i32).into());
        body.push(Inst::Load { dst: V(i as u8), src });
    }
    let known = [(P(2), counts[0]), (P(3), counts[1])];
    body.extend(writer.block(3, &known));
    for i in 0..vectors {
        let dst = P((4 + passed + i % 2) as u8)
            .at((4 * (i * target.lanes) as i32 - 4 * START as i32).into());
        body.push(Inst::Store { dst, src: V(i as u8) });
    }
    let (args, pointers) = (4 + passed, 4 + passed + extra);
    Program { name: "random".into(), target, args, pointers, body }
}

/// How many more buffers are passed: as many as leave registers for three counters.
fn passed(spares: usize) -> usize {
    6 - spares
}

/// Buffers with ordinary numbers, and some special ones.
fn buffer(seed: u32) -> Vec<f32> {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, 1e-42, 0.5, -2.5, 3.4e38];
    (0..BUFFER as u32)
        .map(|i| {
            let h = (i ^ seed).wrapping_mul(0x9e37_79b9) ^ seed.rotate_left(i % 32);
            let h = (h ^ h >> 15).wrapping_mul(0x85eb_ca6b);
            if h % 61 < 9 { odd[(h % 61) as usize] } else { (h >> 8) as f32 / 65536.0 - 128.0 }
        })
        .collect()
}

pub(crate) fn case(target: Target) -> impl Strategy<Value = Case> {
    let counts = prop_oneof![Just([0, 1]), Just([2, 0]), Just([3, 5])];
    (proptest::collection::vec(any::<u32>(), 20..400), counts, 0usize..7, any::<u32>()).prop_map(
        move |(dice, counts, spares, seed)| Case {
            program: program(target, &dice, counts, spares),
            given: {
                let buffer = |seed| Given::Buffer { values: buffer(seed), start: START };
                let counts = counts.map(Given::Count);
                let more = (0..passed(spares) as u32).map(|i| buffer(seed.wrapping_add(i + 1)));
                [buffer(seed), buffer(!seed)].into_iter().chain(counts).chain(more).collect()
            },
        },
    )
}

/// Runs random programs both ways.
fn agree(
    usual: u32,
    target: Target,
    fused: bool,
    run: impl Fn(&Case) -> Result<Vec<Vec<f32>>, CodegenError>,
) {
    let mut runner = TestRunner::new(Config {
        cases: cases(usual),
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&case(target), |case| {
        let want = emulated(&case.program, &case.given, fused);
        let got = run(&case).map_err(|e| TestCaseError::fail(e.to_string()))?;
        compare(&got, &want)
    });
    if let Err(e) = result {
        panic!("{e}");
    }
}

#[test]
fn cranelift_agrees_with_the_emulator() {
    let cranelift = Cranelift::host().unwrap();
    agree(200, Target::V128, cranelift.fused(), |case| {
        compiled(&cranelift, &case.program, Isa::Baseline, &case.given)
    });
}

#[test]
fn cranelift_without_extensions_agrees_with_the_emulator() {
    let cranelift = Cranelift::oldest().unwrap();
    assert!(!cfg!(target_arch = "x86_64") || !cranelift.fused() && !cranelift.nearest());
    agree(200, Target::V128, cranelift.fused(), |case| {
        compiled(&cranelift, &case.program, Isa::Baseline, &case.given)
    });
}

#[test]
fn avx_agrees_with_the_emulator() {
    let cranelift = Cranelift::host().unwrap();
    let targets = [
        (400, Isa::Avx2, Target::AVX2),
        (100, Isa::Avx2, Target::V128),
        (200, Isa::Avx512, Target::AVX512),
    ];
    for (cases, isa, target) in targets {
        if runs(isa) {
            agree(cases, target, true, |case| {
                compiled(&cranelift, &case.program, isa, &case.given)
            });
        }
    }
}

#[test]
fn avx512_on_the_test_processor_agrees_with_the_emulator() {
    agree(200, Target::AVX512, true, |case| Ok(processed(&case.program, &case.given)));
}

#[test]
fn neon_agrees_with_the_emulator() {
    let cranelift = Cranelift::host().unwrap();
    for isa in [Isa::Neon, Isa::NeonDot, Isa::NeonI8mm] {
        let target = isa.target();
        agree(200, target, true, |case| Ok(processed(&case.program, &case.given)));
        if runs(isa) {
            agree(200, target, true, |case| compiled(&cranelift, &case.program, isa, &case.given));
        }
    }
}

/// Tests the test processors: they compute the same as the CPU.
#[test]
fn the_test_processors_agree_with_the_cpu() {
    let cranelift = Cranelift::host().unwrap();
    for isa in [Isa::Avx2, Isa::Avx512, Isa::NeonI8mm] {
        let target = isa.target();
        let mut runner = TestRunner::new(Config {
            cases: cases(100),
            failure_persistence: None,
            ..Config::default()
        });
        let result = runner.run(&case(target), |case| {
            let got = processed(&case.program, &case.given);
            let want = if runs(isa) {
                compiled(&cranelift, &case.program, isa, &case.given).unwrap()
            } else {
                emulated(&case.program, &case.given, true)
            };
            compare(&got, &want)
        });
        if let Err(e) = result {
            panic!("{e}");
        }
    }
}
