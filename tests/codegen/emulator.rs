//! The guarantees of the emulator.

use resnetc::codegen::emulate::{EmulateError, EmulatedMemory, Fault, emulate, emulate_region};
use resnetc::codegen::region::{Address, Arg, Base, Call, Extent, Item, Piece, Region};
use resnetc::codegen::vir::*;

fn one(inst: Inst) -> Program {
    Program { name: "one".into(), target: Target::AVX2, args: 1, pointers: 1, body: vec![inst] }
}

#[test]
fn accesses_outside_and_in_between_are_named() {
    let mut memory = EmulatedMemory::new();
    let buffer = memory.add(vec![1.0; 16]);
    memory.add(vec![2.0; 16]);
    let mut run = |offset: i32| {
        let load = Inst::Load { dst: V(0), src: P(0).at(offset.into()) };
        emulate(&one(load), &[buffer], &mut memory, false)
    };
    assert_eq!(run(0), Ok(()));
    assert_eq!(run(32), Ok(()));
    for (offset, fault) in [
        (36, Fault::OutOfBounds),
        (-4, Fault::OutOfBounds),
        (i32::MIN, Fault::OutOfBounds),
        (i32::MAX - 3, Fault::OutOfBounds),
        (2, Fault::Misaligned),
    ] {
        let text = format!("v0 = load {}", P(0).at(offset.into()));
        match run(offset) {
            Err(EmulateError::Access { program, inst, address, fault: found }) => {
                assert_eq!((program.as_str(), inst), ("one", text));
                assert_eq!((address, found), (buffer.wrapping_add_signed(offset.into()), fault));
            }
            other => panic!("{offset}: {other:?}"),
        }
    }
}

#[test]
fn what_was_never_written_is_nan() {
    let mut memory = EmulatedMemory::new();
    let buffer = memory.add(vec![1.0; 8]);
    let store = Inst::Store { dst: P(0).at(0), src: V(3) };
    emulate(&one(store), &[buffer], &mut memory, false).unwrap();
    assert!(memory.buffer(buffer).iter().all(|v| v.is_nan()));
}

#[test]
fn a_multiply_add_rounds_as_often_as_asked() {
    let (a, b, c) = (1.0 + f32::EPSILON, 1.0 - f32::EPSILON, -1.0);
    for (fused, want) in [(false, a * b + c), (true, libm::fmaf(a, b, c))] {
        let mut memory = EmulatedMemory::new();
        let buffer = memory.add([[a; 8], [b; 8], [c; 8]].concat());
        let mut program = one(Inst::MultiplyAdd { acc: V(2), a: V(0), b: V(1) });
        let load = |i: u8| Inst::Load { dst: V(i), src: P(0).at((32 * i32::from(i)).into()) };
        program.body.splice(0..0, (0..3).map(load));
        program.body.push(Inst::Store { dst: P(0).at(0), src: V(2) });
        emulate(&program, &[buffer], &mut memory, fused).unwrap();
        assert_eq!(memory.buffer(buffer)[..8], [want; 8]);
    }
}

#[test]
fn powers_of_two_are_exact_and_nothing_gives_nan() {
    let mut memory = EmulatedMemory::new();
    let values: Vec<f32> =
        (-128..=127).map(|n| n as f32).chain([f32::NAN, f32::MAX, -1e9, f32::INFINITY]).collect();
    let buffer = memory.add(values.iter().flat_map(|&v| [v; 8]).collect());
    let mut program = one(Inst::Load { dst: V(0), src: P(0).at(0) });
    program.body.push(Inst::Pow2 { dst: V(0), src: V(0) });
    program.body.push(Inst::Store { dst: P(0).at(0), src: V(0) });
    for (i, &value) in values.iter().enumerate() {
        emulate(&program, &[buffer + 32 * i as u64], &mut memory, false).unwrap();
        let power = memory.buffer(buffer)[8 * i];
        assert!(!power.is_nan());
        assert!(!(-126.0..=127.0).contains(&value) || f64::from(power) == f64::from(value).exp2());
    }
}

#[test]
fn exponents_are_exact() {
    let mut memory = EmulatedMemory::new();
    let normal = (-126..=127).flat_map(|n| {
        let power = (f64::from(n)).exp2() as f32;
        [(power, n as f32), (power.next_up(), n as f32), ((power * 2.0).next_down(), n as f32)]
    });
    let cases: Vec<(f32, f32)> = normal.chain([(0.0, -127.0), (f32::INFINITY, 128.0)]).collect();
    let buffer = memory.add(cases.iter().flat_map(|&(x, _)| [x; 8]).collect());
    let mut program = one(Inst::Load { dst: V(0), src: P(0).at(0) });
    program.body.push(Inst::Exponent { dst: V(0), src: V(0) });
    program.body.push(Inst::Store { dst: P(0).at(0), src: V(0) });
    for (i, &(x, exponent)) in cases.iter().enumerate() {
        emulate(&program, &[buffer + 32 * i as u64], &mut memory, false).unwrap();
        // Twice the largest power is infinity; the number before it is the largest of all.
        assert_eq!(memory.buffer(buffer)[8 * i], exponent, "of {x:e}");
    }
}

#[test]
fn regions_that_do_not_fit_are_refused() {
    let kernels = [one(Inst::Advance { pointer: P(0), bytes: 4 })];
    let mut memory = EmulatedMemory::new();
    let base = memory.add(vec![0.0]);
    let mut run = |kernel, base_number, level, chunk| {
        let args =
            vec![Arg::Address(Address { base: Base(base_number), offset: 0, strides: vec![] })];
        let loops = vec![Extent::Rest { level, per: 1, total: 2 }];
        let region = Region {
            name: "r".into(),
            pieces: vec![Piece {
                chunks: vec![2],
                items: vec![Item::Call(Call { kernel, loops, args })],
            }],
        };
        emulate_region(&region, &kernels, &[base], chunk, &mut memory, false)
    };
    assert_eq!(run(0, 0, 0, 1), Ok(()));
    for (kernel, base, level, chunk) in [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 2)] {
        assert!(matches!(run(kernel, base, level, chunk), Err(EmulateError::Region { .. })));
    }
}
