//! Integers and tiles: the emulator against the CPU where it has tiles, against the test processor
//! everywhere, bit for bit; and against plain arithmetic.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::Isa;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;
use resnetc::codegen::x64;

use super::support::{Given, compiled, emulated, processed};
use resnetc_testing::cases::with_cases;
use resnetc_testing::host::runs;

/// Values of a tile.
const VALUES: usize = TILE_ROWS * TILE_ROWS;

/// What the bytes of a left factor can be.
const LEFT: [Bytes; 2] = [Bytes::Signed, Bytes::Unsigned];

/// Any bits, or numbers of moderate size.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -4.0f32..4.0, -1e-37f32..1e-37]
}

fn values(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(value(), n)
}

/// A sum and two factors, with rows further apart than they are long; the rows of the first sums
/// are replaced by the results of the integer instructions on the factors' first rows.
fn product(left: Bytes, spread: usize) -> Program {
    let mut b = Builder::new("product", Target::AMX, 4);
    let t = b.tiles(3);
    let (near, far) = (b.number(64), b.number((64 + 4 * spread as i32).into()));
    for (&tile, row) in t.iter().zip([near, far, near]) {
        b.tile_load(tile, b.arg(tile.0 as usize).at(0), row);
    }
    b.tile_dot(left, t[0], t[1], t[2]);
    b.tile_store(b.arg(3).at(0), t[0], far);
    let [x, y, mask, result] = [b.vector(), b.vector(), b.vector(), b.vector()];
    b.load(x, b.arg(1).at(0));
    b.load(y, b.arg(2).at(0));
    b.bits(mask, 0x0f0f_5533);
    let mut place = 0;
    let mut keep = |b: &mut Builder| {
        b.store(b.arg(0).at(place), result);
        place += 64;
    };
    for op in INTEGERS {
        b.integer(op, result, x, y);
        keep(&mut b);
    }
    for to in [Shift::Left, Shift::Right] {
        b.shift(to, result, x, 7);
        keep(&mut b);
    }
    b.load(result, b.arg(1).at(0));
    b.select(result, mask, y);
    keep(&mut b);
    b.interleave(result, b.arg(1).at(4), b.arg(2).at(20));
    keep(&mut b);
    b.to_integer(result, x);
    keep(&mut b);
    b.from_integer(result, x);
    keep(&mut b);
    b.finish().expect("it fits")
}

/// All instructions on integers.
const INTEGERS: [Integer; 6] =
    [Integer::Add, Integer::Sub, Integer::Max, Integer::Min, Integer::And, Integer::Xor];

fn given(spread: usize, [sum, a, b]: [Vec<f32>; 3]) -> Vec<Given> {
    let result = vec![0.0; VALUES + spread * (TILE_ROWS - 1)];
    [sum, a, b, result].map(|values| Given::Buffer { values, start: 0 }).into()
}

/// Checks that the test processor, and the CPU if it can, leave the same bits in the buffers as the
/// emulator.
fn agree(program: &Program, given: &[Given]) -> Result<(), TestCaseError> {
    let bits = |buffers: Vec<Vec<f32>>| -> Vec<Vec<u32>> {
        buffers.into_iter().map(|b| b.into_iter().map(f32::to_bits).collect()).collect()
    };
    let wanted = bits(emulated(program, given, true));
    prop_assert!(bits(processed(program, given)) == wanted, "on the test processor:\n{program}");
    if runs(Isa::Amx) {
        let cranelift = Cranelift::host().expect("Cranelift knows this machine");
        let got = compiled(&cranelift, program, Isa::Amx, given).expect("compiles");
        prop_assert!(bits(got) == wanted, "on this CPU:\n{program}");
    }
    Ok(())
}

/// Values in each buffer of a random program, which addresses it from its middle.
const BUFFER: usize = 2048;

/// Any instructions on integers and tiles, with any registers. Nothing computes with values that
/// may be NaN, so every bit counts.
fn random(dice: &[u32]) -> Program {
    let mut dice = dice.iter().map(|&n| n as usize);
    let mut roll = |sides: usize| dice.next().unwrap_or(0) % sides;
    // Arguments: the source, the destination. Then distances of rows.
    let (from, to) = (P(0), P(1));
    let distances = [64, 68, 128, -64];
    let mut body: Vec<Inst> = (0..4)
        .map(|i| Inst::Number { dst: P(2 + i as u8), value: distances[i] })
        .chain((0..32).map(|i| Inst::Load { dst: V(i), src: from.at((60 * i32::from(i)).into()) }))
        .chain((0..8).map(|i| Inst::TileZero { dst: T(i) }))
        .collect();
    for _ in 0..60 {
        let (v, w, u) = (V(roll(32) as u8), V(roll(32) as u8), V(roll(32) as u8));
        // Three different tiles.
        let (t, a) = (roll(8), 1 + roll(7));
        let b = (a + roll(6)) % 7 + 1;
        let [t, a, b] = [t, t + a, t + b].map(|n| T((n % 8) as u8));
        // 16 rows of up to 128 bytes, in either direction, are in the buffer.
        let places = [0, 4, -4, 124, 128, -128, -132, 508, 1024, -1536];
        let (near, other) = (places[roll(10)], places[roll(10)]);
        let row = P(2 + roll(4) as u8);
        body.push(match roll(14) {
            0 | 1 => Inst::Integer { op: INTEGERS[roll(6)], dst: v, a: w, b: u },
            2 => Inst::Shift {
                to: [Shift::Left, Shift::Right][roll(2)],
                dst: v,
                src: w,
                by: roll(32) as u8,
            },
            3 | 4 => Inst::Select { dst: v, mask: w, other: u },
            5 => Inst::Interleave { dst: v, even: from.at(near), odd: from.at(other) },
            6 => Inst::ToInteger { dst: v, src: w },
            7 => Inst::FromInteger { dst: v, src: w },
            8 => Inst::Load { dst: v, src: from.at(near) },
            9 => Inst::TileZero { dst: t },
            10 | 11 => Inst::TileLoad { dst: t, src: from.at(near), row },
            12 => Inst::TileStore { dst: to.at(near), src: t, row },
            _ => Inst::TileDot { left: LEFT[roll(2)], acc: t, a, b },
        });
    }
    // Stores all registers.
    body.push(Inst::Number { dst: P(2), value: 64 });
    body.extend(
        (0..32).map(|i| Inst::Store { dst: to.at((64 * i32::from(i) - 4096).into()), src: V(i) }),
    );
    body.extend((0..8).map(|i| Inst::TileStore {
        dst: to.at((1024 * i32::from(i)).into()),
        src: T(i),
        row: P(2),
    }));
    Program { name: "random".into(), target: Target::AMX, args: 2, pointers: 6, body }
}

proptest! {
    #![proptest_config(with_cases(256))]

    #[test]
    fn tiles_are_what_the_cpu_makes_of_them(
        left in prop::sample::select(&LEFT[..]), spread in 0usize..40,
        sum in values(VALUES), a in values(VALUES + 40 * TILE_ROWS), b in values(VALUES),
    ) {
        agree(&product(left, spread), &given(spread, [sum, a, b]))?;
    }

    #[test]
    fn random_programs_on_tiles_agree(
        dice in prop::collection::vec(any::<u32>(), 900), data in prop::collection::vec(value(), BUFFER),
    ) {
        let written = Given::Buffer { values: vec![0.0; 2 * BUFFER], start: BUFFER };
        let read = Given::Buffer { values: data, start: BUFFER / 2 };
        agree(&random(&dice), &[read, written])?;
    }
}

#[test]
fn bytes_multiply_as_matrices_do() {
    let byte = |i: usize| (i * 37 % 256) as u8 as i8;
    let tile = |salt: usize| -> Vec<f32> {
        let lane = |i: usize| [0, 1, 2, 3].map(|k| byte((4 * i + k) * salt) as u8);
        (0..VALUES).map(|i| f32::from_bits(u32::from_le_bytes(lane(i)))).collect()
    };
    let sum = f32::from_bits(1000);
    for left in LEFT {
        let factor = |byte: i8| match left {
            Bytes::Signed => i32::from(byte),
            Bytes::Unsigned => i32::from(byte as u8),
        };
        let given = given(0, [vec![sum; VALUES], tile(3), tile(5)]);
        let got = &emulated(&product(left, 0), &given, true)[3];
        for (i, got) in got.iter().enumerate() {
            let (m, n) = (i / TILE_ROWS, i % TILE_ROWS);
            let term = |k: usize| {
                let a = 4 * (m * TILE_ROWS + k / 4) + k % 4;
                let b = 4 * (k / 4 * TILE_ROWS + n) + k % 4;
                factor(byte(a * 3)) * i32::from(byte(b * 5))
            };
            assert_eq!(got.to_bits() as i32, 1000 + (0..64).map(term).sum::<i32>(), "{left:?}");
        }
    }
}

#[test]
fn misused_tiles_are_refused() {
    let (t, v, p) = (T(0), V(0), P(0));
    let bad = [
        (Target::AVX512, Inst::TileZero { dst: t }),
        (Target::AVX512, Inst::ByteDot { acc: v, a: v, b: v }),
        (Target::AVX512_VNNI, Inst::TileZero { dst: t }),
        (Target::AVX512_VNNI, Inst::Select { dst: v, mask: v, other: v }),
        (Target::AMX, Inst::Shift { to: Shift::Left, dst: v, src: v, by: 32 }),
        (Target::AMX, Inst::TileZero { dst: T(8) }),
        (Target::AMX, Inst::TileDot { left: Bytes::Unsigned, acc: t, a: t, b: T(1) }),
        (Target::AMX, Inst::TileDot { left: Bytes::Signed, acc: t, a: T(1), b: t }),
        (Target::AMX, Inst::TileDot { left: Bytes::Signed, acc: t, a: T(1), b: T(1) }),
        (Target::AMX, Inst::TileLoad { dst: t, src: p.at(0), row: P(7) }),
        (Target { tiles: 8, ..Target::AVX2 }, Inst::Advance { pointer: p, bytes: 4 }),
    ];
    for (target, inst) in bad {
        let program =
            Program { name: "bad".into(), target, args: 1, pointers: 1, body: vec![inst] };
        assert!(x64::encode(&program).is_err(), "{program}");
    }
}
