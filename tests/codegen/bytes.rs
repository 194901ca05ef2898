//! Bytes and integers in lanes: every back end and the test processor against the emulator, bit for
//! bit, and the emulator against plain arithmetic.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::Isa;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;
use resnetc::isa::IntegerDot;

use super::support::{Given, compare, compiled, emulated, processed};
use resnetc_testing::cases::with_cases;
use resnetc_testing::host::runs;

const INTEGERS: [Integer; 7] = [
    Integer::Add,
    Integer::Sub,
    Integer::Max,
    Integer::Min,
    Integer::And,
    Integer::Xor,
    Integer::Mul,
];

/// Bytes of the operands, and of the results of one instruction.
const BYTES: i64 = 128;

/// Applies every instruction on integers to the operands at the first two arguments, `at` bytes
/// into them where any address is allowed, and stores the results at the third.
fn all(target: Target, at: i64) -> Program {
    let mut b = Builder::new("bytes", target, 3);
    let [x, y, result, mask] = [b.vector(), b.vector(), b.vector(), b.vector()];
    b.load(x, b.arg(0).at(0));
    b.load(y, b.arg(1).at(0));
    b.bits(mask, 0xff);
    let mut place = 0;
    let mut keep = |b: &mut Builder, result: V| {
        b.store(b.arg(2).at(place), result);
        place += BYTES;
    };
    for op in INTEGERS {
        b.integer(op, result, x, y);
        keep(&mut b, result);
    }
    for to in [Shift::Left, Shift::Right, Shift::SignedRight] {
        b.shift(to, result, x, 7);
        keep(&mut b, result);
    }
    b.to_integer(result, x);
    keep(&mut b, result);
    b.from_integer(result, x);
    keep(&mut b, result);
    b.broadcast_bytes(result, b.arg(0).at(at));
    keep(&mut b, result);
    for signed in [false, true] {
        b.load_bytes(result, b.arg(1).at(at), signed);
        keep(&mut b, result);
    }
    for signed in [false, true] {
        b.load_byte(result, b.arg(1).at(at), signed);
        keep(&mut b, result);
    }
    b.store_byte(b.arg(2).at(place + at), x);
    place += BYTES;
    if target.packs() {
        let packed: [V; 4] = std::array::from_fn(|_| b.vector());
        for (&v, (from, by)) in packed.iter().zip([(x, 0), (y, 20), (y, 24), (x, 22)]) {
            b.push(Inst::Copy { dst: v, src: from });
            b.shift(Shift::Right, v, v, by);
        }
        b.integer(Integer::Sub, packed[1], packed[1], mask);
        b.store_packed(b.arg(2).at(place + at), packed);
    }
    place += BYTES;
    let mut keep = |b: &mut Builder, result: V| {
        b.store(b.arg(2).at(place), result);
        place += BYTES;
    };
    if target.dot >= IntegerDot::Lanes {
        b.push(Inst::Copy { dst: result, src: mask });
        b.byte_dot(result, x, y);
        keep(&mut b, result);
        b.byte_dot(result, y, result);
        keep(&mut b, result);
    }
    if target.by_lane {
        b.load_first(result, b.arg(1).at(at));
        keep(&mut b, result);
    }
    for left in lefts(target) {
        for lane in 0..4 {
            b.push(Inst::Copy { dst: result, src: mask });
            b.byte_dot_lane(left, result, x, y, lane);
            keep(&mut b, result);
        }
    }
    b.integer(Integer::And, result, x, mask);
    b.store_bytes(b.arg(2).at(place + at), result);
    b.finish().unwrap()
}

/// What bytes a target multiplies by signed ones, with a lane of them.
fn lefts(target: Target) -> Vec<Bytes> {
    let all = [(IntegerDot::SignedLanes, Bytes::Signed), (IntegerDot::Lanes, Bytes::Unsigned)];
    let all = all.into_iter().filter(|(least, _)| target.by_lane && target.dot >= *least);
    all.map(|(_, left)| left).collect()
}

/// Looks the first bytes of an operand up in the second, with every address register that there is.
fn looked_up(target: Target, at: i64) -> Program {
    let mut b = Builder::new("lookup", target, 3);
    let table = b.arg(1);
    for i in 0..(POINTERS - 3) as i64 {
        let index = b.number(0);
        b.lookup(b.arg(2).at(at + i), b.arg(0).at(at + i), table, index);
    }
    b.finish().unwrap()
}

/// Any bits, or numbers of moderate size.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -300.0f32..300.0]
}

fn operands() -> impl Strategy<Value = Vec<Given>> {
    let buffer = || prop::collection::vec(value(), BYTES as usize / 4);
    (buffer(), buffer()).prop_map(|(x, y)| {
        let results = vec![0.0; 32 * BYTES as usize / 4];
        let buffers = [x, y, results].into_iter();
        buffers.map(|values| Given::Buffer { values, start: 0 }).collect()
    })
}

/// A lane of a buffer's bytes.
fn word_of(bytes: &[u8], lane: usize) -> i32 {
    i32::from_le_bytes(std::array::from_fn(|i| bytes[4 * lane + i]))
}

/// The bytes of a buffer.
fn bytes(given: &Given) -> Vec<u8> {
    let Given::Buffer { values, .. } = given else { return Vec::new() };
    values.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect()
}

proptest! {
    #![proptest_config(with_cases(200))]

    #[test]
    fn all_back_ends_agree(given in operands(), at in 0i64..8) {
        let agree = |program: &Program, found: Vec<Vec<f32>>| {
            let outcome = compare(&found, &emulated(program, &given, true));
            outcome.map_err(|e| TestCaseError::fail(format!("{e}\n{program}")))
        };
        for cranelift in [Cranelift::host().unwrap(), Cranelift::oldest().unwrap()] {
            let program = all(Target::V128, at);
            agree(&program, compiled(&cranelift, &program, Isa::Baseline, &given).unwrap())?;
        }
        let cranelift = Cranelift::host().unwrap();
        let narrow = Target { lanes: 4, ..Target::AVX_VNNI };
        let targets = [
            (Isa::Avx2, Target { lanes: 4, ..Target::AVX2 }),
            (Isa::Avx2, Target::AVX2),
            (Isa::AvxVnni, narrow),
            (Isa::AvxVnni, Target::AVX_VNNI),
            (Isa::Avx512, Target::AVX512),
            (Isa::Avx512Vnni, Target::AVX512_VNNI),
            (Isa::Neon, Target::NEON),
            (Isa::NeonDot, Target::NEON_DOT),
            (Isa::NeonI8mm, Target::NEON_I8MM),
        ];
        for (isa, target) in targets {
            let program = all(target, at);
            agree(&program, processed(&program, &given))?;
            if runs(isa) {
                agree(&program, compiled(&cranelift, &program, isa, &given).unwrap())?;
            }
        }
    }

    #[test]
    fn all_back_ends_look_bytes_up(
        x in prop::collection::vec(any::<u32>(), 8), table in prop::collection::vec(any::<u32>(), 64), at in 0i64..8,
    ) {
        let buffer = |words: &[u32]| Given::Buffer { values: words.iter().map(|&x| f32::from_bits(x)).collect(), start: 0 };
        let given = [buffer(&x), buffer(&table), buffer(&[0; 8])];
        let (from, table) = (bytes(&given[0]), bytes(&given[1]));
        let expected = |found: Vec<Vec<f32>>| {
            let found = bytes(&Given::Buffer { values: found[2].clone(), start: 0 });
            (0..found.len()).all(|i| {
                let is_written = (at as usize..at as usize + POINTERS - 3).contains(&i);
                found[i] == if is_written { table[usize::from(from[i])] } else { 0 }
            })
        };
        for cranelift in [Cranelift::host().unwrap(), Cranelift::oldest().unwrap()] {
            let program = looked_up(Target::V128, at);
            prop_assert!(expected(compiled(&cranelift, &program, Isa::Baseline, &given).unwrap()));
        }
        for isa in [Isa::Avx2, Isa::Avx512, Isa::Neon] {
            let program = looked_up(isa.target(), at);
            prop_assert!(expected(emulated(&program, &given, true)), "{}", program);
            prop_assert!(expected(processed(&program, &given)), "{}", program);
            if runs(isa) {
                prop_assert!(expected(compiled(&Cranelift::host().unwrap(), &program, isa, &given).unwrap()));
            }
        }
    }

    /// The last results of a program with products: what is loaded, multiplied and stored.
    #[test]
    fn products_of_bytes_are_exact(given in operands(), at in 0i64..8) {
        let program = all(Target::AVX512_VNNI, at);
        let found = emulated(&program, &given, true);
        let word = |result: usize, lane: usize| found[2][result * BYTES as usize / 4 + lane].to_bits();
        let (x, y) = (bytes(&given[0]), bytes(&given[1]));
        for lane in 0..16 {
            let four = |b: &[u8]| -> [u8; 4] { std::array::from_fn(|i| b[4 * lane + i]) };
            let dot = |sum: i64, a: [u8; 4], b: [u8; 4]| {
                let products = (0..4).map(|i| i64::from(a[i]) * i64::from(b[i] as i8));
                (sum + products.sum::<i64>()) as u32
            };
            let (x0, y0) = (word_of(&x, lane), word_of(&y, lane));
            prop_assert_eq!(word(6, lane), x0.wrapping_mul(y0) as u32);
            prop_assert_eq!(word(9, lane), (x0 >> 7) as u32);
            let byte = y[at as usize + lane];
            prop_assert_eq!(word(13, lane), u32::from(byte));
            prop_assert_eq!(word(14, lane), i32::from(byte as i8) as u32);
            let first = y[at as usize];
            prop_assert_eq!(word(15, lane), if lane == 0 { first.into() } else { 0 });
            let first = i32::from(first as i8) as u32;
            prop_assert_eq!(word(16, lane), if lane == 0 { first } else { 0 });
            let once = dot(0xff, four(&x), four(&y));
            prop_assert_eq!(word(19, lane), once);
            let twice = dot(i64::from(once as i32), four(&y), once.to_le_bytes());
            prop_assert_eq!(word(20, lane), twice);
            let stored = bytes(&Given::Buffer { values: found[2].clone(), start: 0 });
            prop_assert_eq!(stored[17 * BYTES as usize + at as usize], x[0]);
            let word = |b: &[u8]| i32::from_le_bytes(four(b));
            let shifted = |b: &[u8], by: u32| (word(b) as u32 >> by) as i32;
            let packed = [word(&x), shifted(&y, 20) - 255, shifted(&y, 24), shifted(&x, 22)];
            for (vector, value) in packed.into_iter().enumerate() {
                let place = 18 * BYTES as usize + at as usize + 16 * vector + lane;
                prop_assert_eq!(i32::from(stored[place]), value.clamp(0, 255));
            }
            prop_assert_eq!(stored[21 * BYTES as usize + at as usize + lane], x[4 * lane]);
        }
    }
}
