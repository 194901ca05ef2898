//! Loads of 16-bit integers: every back end and the test processor against the emulator, and the
//! emulator against plain arithmetic.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::Isa;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;

use super::support::{Given, compare, compiled, emulated, processed};
use resnetc_testing::host::runs;

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
    #![proptest_config(ProptestConfig::with_cases(100))]

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
        for (isa, target) in
            [(Isa::Avx2, narrow), (Isa::Avx2, Target::AVX2), (Isa::Avx512, Target::AVX512)]
        {
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
}
