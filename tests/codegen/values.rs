//! Every arithmetic instruction on every pair of special values, in every arrangement of its
//! registers.

use resnetc::Isa;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;
use resnetc::isa::IntegerDot;

use super::support::{Given, compare, compiled, emulated, processed};
use resnetc_testing::cases::some;
use resnetc_testing::host::runs;

const ODD: [f32; 26] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    0.499_999_97,
    126.0,
    -126.0,
    127.0,
    4_194_303.5,
    -4_194_304.5,
    8_388_607.5,
    8_388_609.0,
    -16_777_217.0,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-42,
    -1e-42,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

/// Result and operands: all apart, one shared, all the same.
const ARRANGEMENTS: [[u8; 3]; 6] =
    [[2, 0, 1], [0, 0, 1], [1, 0, 1], [0, 1, 0], [2, 0, 0], [0, 0, 0]];

/// Those that any target has.
fn instructions([dst, a, b]: [V; 3]) -> Vec<Inst> {
    use Arith::*;
    let arith = [Add, Sub, Mul, Div, Max, Min, MaxNan, Equal, Less, LessOrEqual, And, AndNot, Or]
        .map(|op| Inst::Arith { op, dst, a, b });
    let blends = [0x0000, 0xffff, 0x5a36].map(|mask| Inst::Blend { dst, a, b, mask });
    let rest = [
        Inst::MultiplyAdd { acc: dst, a, b },
        Inst::Round { dst, src: a },
        Inst::Copy { dst, src: a },
        Inst::Sqrt { dst, src: a },
        Inst::ToInteger { dst, src: a },
        Inst::FromInteger { dst, src: a },
    ];
    let integers = [Integer::Add, Integer::Sub, Integer::Max, Integer::Min, Integer::Mul]
        .map(|op| Inst::Integer { op, dst, a, b });
    let shifts = [Shift::Left, Shift::Right, Shift::SignedRight]
        .into_iter()
        .flat_map(|to| [0, 1, 31].map(|by| Inst::Shift { to, dst, src: a, by }));
    arith.into_iter().chain(blends).chain(rest).chain(integers).chain(shifts).collect()
}

/// Those that `target` has and others lack.
fn more_instructions(target: Target, [dst, a, b]: [V; 3]) -> Vec<Inst> {
    let lanes = 0..if target.by_lane { 4 } else { 0 };
    let by_lane = |lane| Inst::MultiplyAddLane { acc: dst, a, b, lane };
    let mut all: Vec<Inst> = lanes.clone().map(by_lane).collect();
    if target.dot >= IntegerDot::Pairs {
        all.extend([Short::Add, Short::Sub].map(|op| Inst::Short { op, dst, a, b }));
        all.push(Inst::PairDot { dst, a, b });
    }
    if target.dot >= IntegerDot::SignedLanes {
        let left = Bytes::Signed;
        all.extend(lanes.clone().map(|lane| Inst::ByteDotLane { left, acc: dst, a, b, lane }));
    }
    if target.dot >= IntegerDot::Lanes {
        all.push(Inst::ByteDot { acc: dst, a, b });
        let left = Bytes::Unsigned;
        all.extend(lanes.clone().map(|lane| Inst::ByteDotLane { left, acc: dst, a, b, lane }));
    }
    all
}

/// All pairs, as two buffers, and space for the results.
fn pairs() -> (Vec<Given>, usize) {
    let pairs = ODD.len() * ODD.len();
    let len = pairs.next_multiple_of(16);
    let buffer = |value: &dyn Fn(usize) -> f32| (0..len).map(|i| value(i % pairs)).collect();
    let left = buffer(&|i| ODD[i / ODD.len()]);
    let right = buffer(&|i| ODD[i % ODD.len()]);
    (
        vec![left, right, vec![0.0; len]]
            .into_iter()
            .map(|values| Given::Buffer { values, start: 0 })
            .collect(),
        len,
    )
}

/// Applies `inst` to vector after vector. With `crowded`, all vector registers are in use.
fn program(target: Target, inst: Inst, len: usize, crowded: bool) -> Program {
    let dst = match inst {
        Inst::Arith { dst, .. }
        | Inst::Blend { dst, .. }
        | Inst::Round { dst, .. }
        | Inst::Copy { dst, .. }
        | Inst::Sqrt { dst, .. }
        | Inst::ToInteger { dst, .. }
        | Inst::FromInteger { dst, .. }
        | Inst::Integer { dst, .. }
        | Inst::Shift { dst, .. }
        | Inst::Short { dst, .. }
        | Inst::PairDot { dst, .. } => dst,
        Inst::MultiplyAdd { acc, .. }
        | Inst::MultiplyAddLane { acc, .. }
        | Inst::ByteDot { acc, .. }
        | Inst::ByteDotLane { acc, .. } => acc,
        ref other => panic!("{other} computes nothing"),
    };
    let mut b = Builder::new("values", target, 3);
    let v = b.vectors(if crowded { target.vectors } else { 3 });
    let [left, right, out] = [0, 1, 2].map(|i| b.pointer(b.arg(i)));
    v[3.min(v.len())..].iter().for_each(|&v| b.constant(v, f32::from(v.0)));
    b.repeat(Count::Fixed((len / target.lanes) as u32), |b| {
        b.load(V(0), left.at(0));
        b.load(V(1), right.at(0));
        b.constant(V(2), 7.0);
        b.push(inst);
        b.store(out.at(0), dst);
        [left, right, out].into_iter().for_each(|p| b.advance(p, target.vector_bytes()));
    });
    // Other registers are unchanged.
    v[3.min(v.len())..]
        .iter()
        .for_each(|&v| b.store_first(b.arg(2).at((4 * i32::from(v.0)).into()), v));
    b.finish().unwrap()
}

fn check(target: Target, fused: bool, run: impl Fn(&Program, &[Given]) -> Vec<Vec<f32>>) {
    let (given, len) = pairs();
    let arranged = ARRANGEMENTS.map(|arrangement| {
        let registers = arrangement.map(V);
        [instructions(registers), more_instructions(target, registers)].concat()
    });
    // One instruction after the other, so that a share has some of each.
    let all = (0..arranged[0].len()).flat_map(|i| arranged.iter().map(move |list| &list[i]));
    for (inst, crowded) in some(all.flat_map(|inst| [false, true].map(|crowded| (inst, crowded)))) {
        let program = program(target, inst.clone(), len, crowded);
        let outcome = compare(&run(&program, &given), &emulated(&program, &given, fused));
        outcome.unwrap_or_else(|e| panic!("{e}\n{program}"));
    }
}

#[test]
fn cranelift_computes_odd_values() {
    for cranelift in [Cranelift::host().unwrap(), Cranelift::oldest().unwrap()] {
        check(Target::V128, cranelift.fused(), |program, given| {
            compiled(&cranelift, program, Isa::Baseline, given).unwrap()
        });
    }
}

#[test]
fn avx_computes_odd_values() {
    let cranelift = Cranelift::host().unwrap();
    for target in [Target::V128, Target::AVX2] {
        if runs(Isa::Avx2) {
            check(target, true, |program, given| {
                compiled(&cranelift, program, Isa::Avx2, given).unwrap()
            });
        }
    }
}

#[test]
fn avx512_computes_odd_values() {
    check(Target::AVX512, true, processed);
    if runs(Isa::Avx512) {
        let cranelift = Cranelift::host().unwrap();
        check(Target::AVX512, true, |program, given| {
            compiled(&cranelift, program, Isa::Avx512, given).unwrap()
        });
    }
}

#[test]
fn neon_computes_odd_values() {
    let cranelift = Cranelift::host().unwrap();
    for isa in [Isa::Neon, Isa::NeonDot, Isa::NeonI8mm] {
        check(isa.target(), true, processed);
        if runs(isa) {
            check(isa.target(), true, |program, given| {
                compiled(&cranelift, program, isa, given).unwrap()
            });
        }
    }
}
