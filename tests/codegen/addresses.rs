//! Executes every form of access at every boundary of its displacement, and moves every pointer by
//! every boundary of an immediate, on the CPU and on the test processor.

use resnetc::Isa;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;
use resnetc::isa::Backend;

use super::encoding::boundaries;
use super::support::{Given, compare, compiled, emulated, processed};
use resnetc_testing::host::runs;

/// How a place is accessed.
#[derive(Clone, Copy, Debug)]
enum Form {
    Load,
    Broadcast,
    Shuffle,
    Shorts,
    Byte,
    Store,
    StoreFirst,
    StoreByte,
}

const FORMS: [Form; 8] = [
    Form::Load,
    Form::Broadcast,
    Form::Shuffle,
    Form::Shorts,
    Form::Byte,
    Form::Store,
    Form::StoreFirst,
    Form::StoreByte,
];

/// Bytes between the results of two turns.
const STEP: i32 = 64;

/// Moves a pointer by a number and accesses the place that it came from, for one number after
/// another. Each turn has its own result.
fn program(target: Target, form: Form, numbers: &[i32]) -> Program {
    let mut b = Builder::new("addresses", target, 2);
    let (v, there) = (b.vector(), b.number(0));
    let (from, to) = (b.arg(0), b.arg(1));
    for &n in numbers {
        let is_store = matches!(form, Form::Store | Form::StoreFirst | Form::StoreByte);
        b.push(Inst::CopyPointer { dst: there, src: if is_store { to } else { from } });
        b.push(Inst::Advance { pointer: there, bytes: n });
        // The smallest number has no negative: there are two ways to reach it.
        let back = n.checked_neg().unwrap_or_else(|| {
            b.push(Inst::Advance { pointer: there, bytes: i32::MAX });
            1
        });
        // The data that is read begins at a different value.
        let place = there.at(back.into());
        match form {
            Form::Load => b.load(v, place),
            Form::Broadcast => b.broadcast(v, place),
            Form::Shuffle => b.push(Inst::Shuffle { dst: v, src: place, order: [3, 0, 2, 1] }),
            Form::Shorts => b.load_shorts(v, place),
            Form::Byte => b.load_byte(v, place, true),
            Form::Store | Form::StoreFirst | Form::StoreByte => b.load(v, from.at(0)),
        }
        match form {
            Form::Store => b.store(place, v),
            Form::StoreFirst => b.store_first(place, v),
            Form::StoreByte => b.store_byte(place, v),
            _ => b.store(to.at(0), v),
        }
        b.advance(from, 4);
        b.advance(to, STEP.into());
    }
    b.finish().unwrap()
}

#[test]
fn accesses_go_where_they_are_sent() {
    let numbers = boundaries();
    let len = numbers.len() + 16;
    // All bytes are different from their neighbours.
    let values = (0..len as u32).map(|i| f32::from_bits(i.wrapping_mul(0x0103_0507))).collect();
    let room = vec![0.0; numbers.len() * STEP as usize / 4];
    let given = [values, room].map(|values| Given::Buffer { values, start: 0 });
    let cranelift = Cranelift::host().unwrap();
    let targets = [
        (Isa::Baseline, Target::V128),
        (Isa::Avx2, Target::V128),
        (Isa::Avx2, Target::AVX2),
        (Isa::Avx512, Target::AVX512),
        (Isa::Neon, Target::NEON),
    ];
    for ((isa, target), form) in targets.into_iter().flat_map(|t| FORMS.map(|f| (t, f))) {
        let program = program(target, form, &numbers);
        let wanted = emulated(&program, &given, true);
        if isa.backend() != Backend::Clif {
            let got = processed(&program, &given);
            compare(&got, &wanted).unwrap_or_else(|e| panic!("{form:?}, {target:?}: {e}"));
        }
        if runs(isa) {
            let got = compiled(&cranelift, &program, isa, &given).unwrap();
            compare(&got, &wanted).unwrap_or_else(|e| panic!("{form:?} on {isa}, {target:?}: {e}"));
        }
    }
}

#[test]
fn far_moves_take_several_steps() {
    let farthest = i64::from(i32::MAX);
    let moves = [farthest, farthest + 1, -farthest - 1, -farthest - 2, 3 << 32, -5 << 31];
    for (bytes, target) in moves.into_iter().flat_map(|n| [(n, Target::AVX2), (n, Target::NEON)]) {
        let mut b = Builder::new("far", target, 2);
        let (v, there) = (b.vector(), b.number(0));
        b.push(Inst::CopyPointer { dst: there, src: b.arg(0) });
        b.advance(there, bytes);
        b.advance(there, 4 - bytes);
        b.load(v, there.at(0));
        b.store(b.arg(1).at(0), v);
        let program = b.finish().unwrap();
        let values = (0..9).map(|i| i as f32).collect();
        let given = [values, vec![0.0; 8]].map(|values| Given::Buffer { values, start: 0 });
        let wanted = emulated(&program, &given, true);
        let lanes = [1., 2., 3., 4., 5., 6., 7., 8.];
        assert_eq!(wanted[1][..target.lanes], lanes[..target.lanes], "{bytes}");
        assert_eq!(processed(&program, &given), wanted, "{bytes}");
    }
}

/// A place that no single instruction reaches on some machines.
const FAR: i64 = 0x12_3450;

/// Loads from a far place, changes its pointer in every way that there is, before, in and after
/// loops that may not turn at all, and loads from the same displacement again.
fn moving(target: Target) -> Program {
    let mut b = Builder::new("moving", target, 4);
    let (v, there) = (b.vector(), b.number(0));
    let [from, to, never, steps] = [0, 1, 2, 3].map(|i| b.arg(i));
    let mut place = 0;
    let mut keep = |b: &mut Builder| {
        b.load(v, there.at(FAR));
        b.store(to.at(place), v);
        b.load(v, there.at(FAR + 4));
        b.store(to.at(place + STEP as i64), v);
        place += 2 * i64::from(STEP);
    };
    let leave = |b: &mut Builder| {
        b.push(Inst::CopyPointer { dst: there, src: from });
        b.advance(there, -FAR);
    };
    leave(&mut b);
    keep(&mut b);
    b.advance(there, 4);
    keep(&mut b);
    b.advance_by(there, steps.at(0));
    keep(&mut b);
    leave(&mut b);
    keep(&mut b);
    b.repeat(Count::Fixed(3), |b| {
        keep(b);
        b.advance(there, 8);
    });
    keep(&mut b);
    b.advance(there, -4);
    b.repeat(Count::Register(never), |b| b.load(v, there.at(FAR)));
    keep(&mut b);
    // Other addresses take the place of the first one.
    for far in [0x20_0000, 0x30_0000, 0x40_0000] {
        b.prefetch(there.at(far), Cache::First);
    }
    keep(&mut b);
    b.finish().unwrap()
}

#[test]
fn places_move_with_their_pointers() {
    let cranelift = Cranelift::host().unwrap();
    let values = (0..64).map(|i| i as f32).collect();
    // A step of 12 bytes, as an integer of 64 bits.
    let steps = vec![f32::from_bits(12), 0.0];
    let buffer = |values| Given::Buffer { values, start: 0 };
    let given = [buffer(values), buffer(vec![0.0; 512]), Given::Count(0), buffer(steps)];
    for isa in [Isa::Baseline, Isa::Avx2, Isa::Avx512, Isa::Neon] {
        let program = moving(isa.target());
        let wanted = emulated(&program, &given, true);
        if isa.backend() != Backend::Clif {
            assert_eq!(processed(&program, &given), wanted, "{isa}");
        }
        if runs(isa) {
            let got = compiled(&cranelift, &program, isa, &given).unwrap();
            assert_eq!(got, wanted, "{isa}");
        }
    }
}

/// A register that holds a number of 64 bits moves by it, whatever its size and its place.
#[test]
fn pointers_move_by_numbers_in_memory() {
    let numbers = [8i64, -8, 1 << 40, -(1 << 40)];
    let words = numbers.iter().flat_map(|&n| [n as u32, (n >> 32) as u32]).map(f32::from_bits);
    // Not aligned to their size.
    let steps: Vec<f32> = [0.0].into_iter().chain(words).collect();
    let given = [(1..33).map(|i| i as f32).collect(), vec![0.0; 64], steps]
        .map(|values| Given::Buffer { values, start: 0 });
    for isa in [Isa::Baseline, Isa::Avx2, Isa::Avx512, Isa::Neon] {
        for far in [0, 0x1000, -0x8000, FAR, i64::from(i32::MAX - 100)] {
            let mut b = Builder::new("steps", isa.target(), 3);
            let (v, [there, to, steps]) = (b.vector(), [0, 1, 2].map(|i| b.arg(i)));
            b.advance(steps, -far);
            for i in [0, 2, 3, 1] {
                b.advance_by(there, steps.at(far + 4 + 8 * i));
                if i != 2 {
                    b.load(v, there.at(0));
                    b.store(to.at(i * i64::from(STEP)), v);
                }
            }
            let program = b.finish().unwrap();
            let wanted = emulated(&program, &given, true);
            assert_eq!(wanted[1][0], 3.0, "after the first step");
            assert_eq!(wanted[1][STEP as usize / 4], 1.0, "after the last step");
            if isa.backend() != Backend::Clif {
                compare(&processed(&program, &given), &wanted).unwrap();
            }
            if runs(isa) {
                let got = compiled(&Cranelift::host().unwrap(), &program, isa, &given).unwrap();
                compare(&got, &wanted).unwrap();
            }
        }
    }
}

#[test]
fn places_out_of_reach_are_refused() {
    let finish = |body: &dyn Fn(&mut Builder, V, P)| {
        let mut b = Builder::new("far", Target::AVX512, 1);
        let (v, p) = (b.vector(), b.arg(0));
        body(&mut b, v, p);
        b.finish()
    };
    for far in [1i64 << 31, -1 - (1 << 31), 1 << 40] {
        let refused = Err(OverBudget::Distance(far));
        assert_eq!(finish(&|b, v, p| b.load(v, p.at(far))), refused);
        assert_eq!(finish(&|b, v, p| b.store(p.at(far), v)), refused);
        assert_eq!(finish(&|b, v, p| b.interleave(v, p.at(0), p.at(far))), refused);
        assert_eq!(finish(&|b, _, p| b.advance_by(p, p.at(far))), refused);
        assert_eq!(finish(&|b, v, p| b.repeat(Count::Fixed(9), |b| b.load(v, p.at(far)))), refused);
        assert_eq!(finish(&|b, _, _| _ = b.number(far)), refused);
    }
    assert_eq!(finish(&|b, _, p| b.advance(p, 1i64 << 50)), Err(OverBudget::Distance(1 << 50)));
    assert!(finish(&|b, v, p| b.load(v, p.at(i32::MIN.into()))).is_ok());
}

#[test]
fn loops_turn_as_often_as_they_are_told() {
    let counts = [1, 2, 3, 127, 128, 129, 255, 256, 257, 32_767, 32_768, 65_536];
    for target in [Target::V128, Target::AVX2, Target::AVX512, Target::NEON] {
        let mut b = Builder::new("turns", target, 1);
        let (sum, one, to) = (b.vector(), b.vector(), b.arg(0));
        b.constant(one, 1.0);
        for n in counts {
            b.constant(sum, 0.0);
            b.repeat(Count::Fixed(n), |b| b.arith(Arith::Add, sum, sum, one));
            b.store_first(to.at(0), sum);
            b.advance(to, 4);
        }
        let program = b.finish().unwrap();
        let given = [Given::Buffer { values: vec![0.0; counts.len()], start: 0 }];
        let wanted = [counts.map(|n| n as f32).to_vec()];
        assert_eq!(emulated(&program, &given, true), wanted);
        assert_eq!(processed(&program, &given), wanted);
    }
}
