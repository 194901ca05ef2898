//! 16-bit integers: every back end and the test processor against the emulator, and the
//! emulator against plain arithmetic.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::Isa;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;

use super::support::{Given, compare, compiled, emulated, processed};
use resnetc_testing::cases::with_cases;
use resnetc_testing::host::runs;

/// Widens bytes from an odd address, too; adds, subtracts and multiplies pairs.
fn pairs(target: Target, at: i64) -> Program {
    let mut b = Builder::new("pairs", target, 2);
    let [x, y, result] = [b.vector(), b.vector(), b.vector()];
    b.load(x, b.arg(0).at(0));
    b.load(y, b.arg(0).at(64));
    let vector = target.vector_bytes();
    let keep = |b: &mut Builder, i: i64| b.store(b.arg(1).at(i * vector), result);
    b.short(Short::Add, result, x, y);
    keep(&mut b, 0);
    b.short(Short::Sub, result, x, y);
    keep(&mut b, 1);
    b.pair_dot(result, x, y);
    keep(&mut b, 2);
    b.widen_bytes(result, b.arg(0).at(at));
    keep(&mut b, 3);
    if target.pair_sums {
        b.push(Inst::Copy { dst: result, src: x });
        b.pair_sum(result, x, y);
        keep(&mut b, 4);
    }
    b.finish().unwrap()
}

/// Any 16-bit integer, the extremes often.
fn short() -> impl Strategy<Value = i16> {
    prop_oneof![3 => any::<i16>(), 1 => prop::sample::select(vec![i16::MIN, i16::MAX, -1, 0])]
}

/// Loads integers from an odd address, too, and stores them and the floats of the same value.
fn program(target: Target, at: i64) -> Program {
    let mut b = Builder::new("shorts", target, 2);
    let value = b.vector();
    b.load_shorts(value, b.arg(0).at(at));
    b.store(b.arg(1).at(0), value);
    b.from_integer(value, value);
    b.store(b.arg(1).at(target.vector_bytes()), value);
    b.finish().unwrap()
}

proptest! {
    #![proptest_config(with_cases(100))]

    #[test]
    fn all_back_ends_load_them(words in prop::collection::vec(any::<u32>(), 16), at in 0i64..8) {
        let values: Vec<f32> = words.iter().map(|&bits| f32::from_bits(bits)).collect();
        let given = [
            Given::Buffer { values, start: 0 },
            Given::Buffer { values: vec![0.0; 32], start: 0 },
        ];
        let agree = |program: &Program, found: Vec<Vec<f32>>| {
            let outcome = compare(&found, &emulated(program, &given, true));
            outcome.map_err(|e| TestCaseError::fail(format!("{e}\n{program}")))
        };
        for cranelift in [Cranelift::host().unwrap(), Cranelift::oldest().unwrap()] {
            let program = program(Target::V128, at);
            agree(&program, compiled(&cranelift, &program, Isa::Baseline, &given).unwrap())?;
        }
        let cranelift = Cranelift::host().unwrap();
        let narrow = Target { lanes: 4, ..Target::AVX2 };
        let targets = [
            (Isa::Avx2, narrow),
            (Isa::Avx2, Target::AVX2),
            (Isa::Avx512, Target::AVX512),
            (Isa::Neon, Target::NEON),
        ];
        for (isa, target) in targets {
            let program = program(target, at);
            agree(&program, processed(&program, &given))?;
            if runs(isa) {
                agree(&program, compiled(&cranelift, &program, isa, &given).unwrap())?;
            }
        }
        let found = &emulated(&program(Target::AVX512, at), &given, true)[1];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        for lane in 0..16 {
            let first = at as usize + 2 * lane;
            let short = i16::from_le_bytes([bytes[first], bytes[first + 1]]);
            prop_assert_eq!(found[lane].to_bits(), i32::from(short) as u32);
            prop_assert_eq!(found[16 + lane], f32::from(short));
        }
    }

    #[test]
    fn pairs_are_exact(shorts in prop::collection::vec(short(), 64), at in 0i64..8) {
        let bytes: Vec<u8> = shorts.iter().flat_map(|x| x.to_le_bytes()).collect();
        let words = bytes.as_chunks().0.iter().map(|&word| f32::from_bits(u32::from_le_bytes(word)));
        let given = [
            Given::Buffer { values: words.collect(), start: 0 },
            Given::Buffer { values: vec![0.0; 80], start: 0 },
        ];
        let cranelift = Cranelift::host().unwrap();
        let targets = [
            (Isa::Avx2, Target { lanes: 4, ..Target::AVX2 }),
            (Isa::Avx2, Target::AVX2),
            (Isa::AvxVnni, Target { lanes: 4, ..Target::AVX_VNNI }),
            (Isa::AvxVnni, Target::AVX_VNNI),
            (Isa::Avx512, Target::AVX512),
            (Isa::Avx512Vnni, Target::AVX512_VNNI),
            (Isa::Neon, Target::NEON),
        ];
        for cranelift in [Cranelift::host().unwrap(), Cranelift::oldest().unwrap()] {
            let program = pairs(Target::V128, at);
            let found = compiled(&cranelift, &program, Isa::Baseline, &given).unwrap();
            let outcome = compare(&found, &emulated(&program, &given, true));
            outcome.map_err(|e| TestCaseError::fail(format!("{e}\n{program}")))?;
        }
        for (isa, target) in targets {
            let program = pairs(target, at);
            let expected = emulated(&program, &given, true);
            let agree = |found: Vec<Vec<f32>>| {
                let outcome = compare(&found, &expected);
                outcome.map_err(|e| TestCaseError::fail(format!("{e}\n{program}")))
            };
            agree(processed(&program, &given))?;
            if runs(isa) {
                agree(compiled(&cranelift, &program, isa, &given).unwrap())?;
            }
            let lanes = target.lanes;
            let found = |result: usize, lane: usize| expected[1][result * lanes + lane].to_bits();
            for lane in 0..lanes {
                let of = |i: usize| (shorts[2 * lane + i], shorts[32 + 2 * lane + i]);
                let both = |f: fn(i16, i16) -> i16| {
                    let [low, high] = [0, 1].map(|i| f(of(i).0, of(i).1) as u16);
                    u32::from(high) << 16 | u32::from(low)
                };
                prop_assert_eq!(found(0, lane), both(i16::wrapping_add));
                prop_assert_eq!(found(1, lane), both(i16::wrapping_sub));
                let product = |i: usize| i64::from(of(i).0) * i64::from(of(i).1);
                prop_assert_eq!(found(2, lane), (product(0) + product(1)) as u32);
                if target.pair_sums {
                    let before = i64::from(of(1).0) << 16 | i64::from(of(0).0 as u16);
                    prop_assert_eq!(found(4, lane), (before + product(0) + product(1)) as u32);
                }
                let byte = |i: usize| u32::from(bytes[at as usize + 2 * lane + i]);
                prop_assert_eq!(found(3, lane), byte(1) << 16 | byte(0));
            }
        }
    }
}
