//! Halves and tiles: the emulator against the CPU, bit for bit, where the CPU has tiles, and against plain arithmetic.

use proptest::prelude::*;
use resnetc::Isa;
use resnetc::codegen::image::Backend;
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::vir::*;
use resnetc::codegen::x64;

use super::support::{Given, compare, compiled, emulated};

/// Values of a tile.
const VALUES: usize = TILE_ROWS * TILE_ROWS;

/// Any bits, or numbers of moderate size.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -4.0f32..4.0, -1e-37f32..1e-37]
}

fn values(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(value(), n)
}

/// A sum and two factors to that sum, rows further apart than they are long; the first row's halves besides.
fn product(spread: usize) -> Program {
    let mut b = Builder::new("product", Target::AMX, 4);
    let t = b.tiles(3);
    let (near, far) = (b.number(64), b.number(64 + 4 * spread as i32));
    for (&tile, row) in t.iter().zip([near, far, near]) {
        b.tile_load(tile, b.arg(tile.0 as usize).at(0), row);
    }
    b.tile_dot(t[0], t[1], t[2]);
    b.tile_store(b.arg(3).at(0), t[0], far);
    let v = b.vectors(3);
    b.load(v[0], b.arg(1).at(0));
    b.load(v[1], b.arg(2).at(0));
    b.pair_halves(v[2], v[0], v[1]);
    b.upper_half(v[0], v[0]);
    b.store(b.arg(0).at(0), v[0]);
    b.store(b.arg(0).at(64), v[2]);
    b.finish().expect("it fits")
}

fn given(spread: usize, [sum, a, b]: [Vec<f32>; 3]) -> Vec<Given> {
    let result = vec![0.0; VALUES + spread * (TILE_ROWS - 1)];
    [sum, a, b, result].map(|values| Given::Buffer { values, start: 0 }).into()
}

proptest! {
    #[test]
    fn tiles_are_what_the_cpu_makes_of_them(
        spread in 0usize..40,
        sum in values(VALUES), a in values(VALUES + 40 * TILE_ROWS), b in values(VALUES),
    ) {
        let (program, given) = (product(spread), given(spread, [sum, a, b]));
        let expected = emulated(&program, &given, true);
        match Isa::Amx.missing() {
            None => {
                let cranelift = Cranelift::host().expect("Cranelift knows this machine");
                let got = compiled(&cranelift, &program, Backend::X64, &given).expect("compiles");
                compare(&got, &expected)?;
            }
            Some(missing) => println!("not run: this CPU has no {missing}"),
        }
    }
}

/// Small integers are their own upper halves, and their sums are exact.
#[test]
fn integers_multiply_as_matrices_do() {
    let upper = |i: usize| (i % 7) as f32 - 3.0;
    let pair = |low: f32, high: f32| f32::from_bits(low.to_bits() >> 16 | high.to_bits());
    let tile = |salt: usize| -> Vec<f32> {
        (0..VALUES).map(|i| pair(upper(i * salt), upper(i * salt + 5))).collect()
    };
    let got = &emulated(&product(0), &given(0, [vec![2.0; VALUES], tile(3), tile(5)]), true)[3];
    for (i, got) in got.iter().enumerate() {
        let (m, n) = (i / TILE_ROWS, i % TILE_ROWS);
        let term = |k: usize| {
            let (a, b) = ((m * TILE_ROWS + k) * 3, (k * TILE_ROWS + n) * 5);
            upper(a) * upper(b) + upper(a + 5) * upper(b + 5)
        };
        assert_eq!(*got, 2.0 + (0..TILE_ROWS).map(term).sum::<f32>());
    }
}

#[test]
fn misused_tiles_are_refused() {
    let (t, v, p) = (T(0), V(0), P(0));
    let bad = [
        (Target::AVX512, Inst::TileZero { dst: t }),
        (Target::AVX512, Inst::UpperHalf { dst: v, src: v }),
        (Target::AMX, Inst::TileZero { dst: T(8) }),
        (Target::AMX, Inst::TileLoad { dst: t, src: p.at(0), row: P(7) }),
        (Target::AMX, Inst::PairHalves { dst: v, a: V(1), b: v }),
        (Target { tiles: 8, ..Target::AVX2 }, Inst::Advance { pointer: p, bytes: 4 }),
    ];
    for (target, inst) in bad {
        let program =
            Program { name: "bad".into(), target, args: 1, pointers: 1, body: vec![inst] };
        assert!(x64::encode(&program).is_err(), "{program}");
    }
}
