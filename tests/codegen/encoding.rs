//! A disassembler reads back the instructions that were encoded.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter, NumberBase};
use proptest::prelude::*;
use resnetc::codegen::encoded::Encoded;
use resnetc::codegen::vir::*;
use resnetc::codegen::x64;
use resnetc_testing::cases::cases;

/// Names of the address registers, in the order of the convention.
const POINTER_NAMES: [&str; 15] = [
    "rdi", "rsi", "rdx", "rcx", "r8", "r9", "rax", "r10", "r11", "rbx", "rbp", "r12", "r13", "r14",
    "r15",
];

fn read(bytes: &[u8]) -> Vec<String> {
    let mut formatter = NasmFormatter::new();
    formatter.options_mut().set_number_base(NumberBase::Decimal);
    formatter.options_mut().set_signed_immediate_operands(true);
    formatter.options_mut().set_space_after_operand_separator(true);
    let decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    decoder
        .into_iter()
        .map(|i| {
            let mut text = String::new();
            formatter.format(&i, &mut text);
            text
        })
        .collect()
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![Just(Target::V128), Just(Target::AVX2), Just(Target::AVX512)]
}

/// All numbers at and around the limits of short forms: bytes, bytes times the access size (EVEX),
/// and 32 bits; 9 bits, 12 bits times the access size, and 12 bits above 12 others (A64).
pub(crate) fn boundaries() -> Vec<i32> {
    let around = |limit: i32| (-5..=5).filter_map(move |d| limit.checked_add(d));
    let sizes = [1, 4, 8, 16, 32, 64];
    let limits = [0, 127, 128, -128, -129, 0xfff, 0x1000, -0x1000];
    let short = sizes.into_iter().flat_map(|size| limits.map(|n| n * size));
    let long = [i32::MIN, i32::MAX, 0x7fff, -0x8000, 256, -256, 1 << 24, -(1 << 24)];
    let all = short.chain(long).flat_map(around);
    all.collect::<BTreeSet<i32>>().into_iter().collect()
}

/// One instruction and its expected text. Registers differ where the encoder would otherwise choose
/// a different form.
fn plain(inst: usize, target: Target, v: [u8; 3], p: usize, offset: i32) -> (Inst, String) {
    let letter = ['x', 'y', 'z'][target.lanes / 8];
    let [d, a, b] = v.map(|n| format!("{letter}mm{n}"));
    let first = format!("xmm{}", v[0]);
    let place = match offset {
        0 => format!("[{}]", POINTER_NAMES[p]),
        n => format!("[{}{n:+}]", POINTER_NAMES[p]),
    };
    let [dst, va, vb] = v.map(V);
    let (mem, p) = (P(p as u8).at(offset.into()), P(p as u8));
    let arith = |op, name| (Inst::Arith { op, dst, a: va, b: vb }, format!("{name} {d}, {a}, {b}"));
    let round = if target.lanes == 16 { "vrndscaleps" } else { "vroundps" };
    match inst {
        0 => (Inst::Load { dst, src: mem }, format!("vmovups {d}, {place}")),
        1 => (Inst::Broadcast { dst, src: mem }, format!("vbroadcastss {d}, {place}")),
        2 => (Inst::Store { dst: mem, src: dst }, format!("vmovups {place}, {d}")),
        3 => (Inst::StoreFirst { dst: mem, src: dst }, format!("vmovss {place}, {first}")),
        4 => (Inst::Copy { dst, src: va }, format!("vmovaps {d}, {a}")),
        5 => (Inst::MultiplyAdd { acc: dst, a: va, b: vb }, format!("vfmadd231ps {d}, {a}, {b}")),
        6 => arith(Arith::Add, "vaddps"),
        7 => arith(Arith::Sub, "vsubps"),
        8 => arith(Arith::Mul, "vmulps"),
        9 => arith(Arith::Div, "vdivps"),
        10 => arith(Arith::Max, "vmaxps"),
        11 => arith(Arith::Min, "vminps"),
        12 => (Inst::Round { dst, src: va }, format!("{round} {d}, {a}, 8")),
        13 => (
            Inst::Advance { pointer: p, bytes: offset },
            format!("add {}, {offset}", POINTER_NAMES[p.0 as usize]),
        ),
        15 => (
            Inst::Shuffle { dst, src: mem, order: [0, 0, 2, 3] },
            format!("vpermilps {d}, {place}, -32"),
        ),
        14 => (Inst::Prefetch { src: mem, cache: Cache::Second }, format!("prefetcht1 {place}")),
        17 => (Inst::Prefetch { src: mem, cache: Cache::First }, format!("prefetcht0 {place}")),
        18 => (
            Inst::Number { dst: p, value: offset },
            format!("mov {}, {offset}", POINTER_NAMES[p.0 as usize]),
        ),
        16 => (Inst::Sqrt { dst, src: va }, format!("vsqrtps {d}, {a}")),
        _ => (
            Inst::CopyPointer { dst: p, src: P(0) },
            format!("mov {}, rdi", POINTER_NAMES[p.0 as usize]),
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2000), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn instructions_read_as_asked(
        target in target(), inst in 0usize..20, v in [0u8..32, 0u8..32, 0u8..32], p in 0usize..15,
        offset in any::<i32>(),
    ) {
        let v = v.map(|n| n % target.vectors as u8);
        let (inst, want) = plain(inst, target, v, p, offset);
        let program = Program { name: "one".into(), target, args: 0, pointers: 15, body: vec![inst] };
        let encoded = x64::encode(&program).unwrap();
        let lines = read(&encoded.bytes[..encoded.code]);
        let saved = &POINTER_NAMES[9..];
        for (i, name) in saved.iter().enumerate() {
            prop_assert_eq!(&lines[i], &format!("push {name}"));
            prop_assert_eq!(&lines[lines.len() - 2 - i], &format!("pop {name}"));
        }
        prop_assert_eq!(&lines[saved.len()], &want);
        let end = 1 + usize::from(target.lanes > 4);
        prop_assert_eq!(lines.len(), 2 * saved.len() + 1 + end);
        prop_assert_eq!(&lines[lines.len() - 1], "ret");
        prop_assert!(target.lanes == 4 || lines[saved.len() + 1] == "vzeroupper");
    }
}

/// The forms of [`plain`] that have a displacement or an immediate of any size.
const SIZED: [usize; 9] = [0, 1, 2, 3, 13, 14, 15, 17, 18];

#[test]
fn displacements_and_immediates_read_as_asked() {
    // Some registers have special encodings: rbp and r13 have no form without displacement, r12
    // needs one more byte.
    let pointers = [0, 6, 10, 11, 12];
    for target in [Target::V128, Target::AVX2, Target::AVX512] {
        for (inst, p) in SIZED.into_iter().flat_map(|inst| pointers.map(|p| (inst, p))) {
            let forms = boundaries().into_iter().map(|n| plain(inst, target, [7, 8, 9], p, n));
            let (body, wanted): (Vec<Inst>, Vec<String>) = forms.unzip();
            let program = Program { name: "all".into(), target, args: 0, pointers: p + 1, body };
            let encoded = x64::encode(&program).unwrap();
            let lines = read(&encoded.bytes[..encoded.code]);
            let saved = (p + 1).saturating_sub(9);
            assert_eq!(lines[saved..][..wanted.len()], wanted);
        }
    }
}

#[test]
fn small_immediates_read_as_asked() {
    let orders = (0..=255u8).map(|n| {
        let order = [n, n >> 2, n >> 4, n >> 6].map(|l| l & 3);
        (
            Inst::Shuffle { dst: V(1), src: P(0).at(0), order },
            format!("vpermilps ymm1, [rdi], {}", n as i8),
        )
    });
    let blends = (0..=255u8).map(|mask| {
        let inst = Inst::Blend { dst: V(1), a: V(2), b: V(3), mask: mask.into() };
        (inst, format!("vblendps ymm1, ymm2, ymm3, {}", mask as i8))
    });
    let (body, wanted): (Vec<Inst>, Vec<String>) = orders.chain(blends).unzip();
    let (lines, _) = encoded(Target::AVX2, body);
    assert_eq!(lines[..wanted.len()], wanted);
}

#[test]
fn integers_and_tiles_read_as_asked() {
    let (v, a, b) = (V(1), V(18), V(3));
    let of = |name: &str| format!("{name} zmm1, zmm18, zmm3");
    let integers = [
        (Integer::Add, "vpaddd"),
        (Integer::Sub, "vpsubd"),
        (Integer::Max, "vpmaxsd"),
        (Integer::Min, "vpminsd"),
        (Integer::And, "vpandd"),
        (Integer::Xor, "vpxord"),
    ];
    let integers = integers.map(|(op, name)| (Inst::Integer { op, dst: v, a, b }, of(name)));
    let shifts = (0..32).flat_map(|by| {
        [(Shift::Left, "vpslld"), (Shift::Right, "vpsrld")].map(|(to, name)| {
            (Inst::Shift { to, dst: v, src: a, by }, format!("{name} zmm1, zmm18, {by}"))
        })
    });
    let converted = [
        (Inst::ToInteger { dst: v, src: a }, "vcvtps2dq zmm1, zmm18".to_owned()),
        (Inst::FromInteger { dst: v, src: a }, "vcvtdq2ps zmm1, zmm18".to_owned()),
        (Inst::TileZero { dst: T(5) }, "tilezero tmm5".to_owned()),
        (
            Inst::TileDot { left: Bytes::Signed, acc: T(1), a: T(6), b: T(3) },
            "tdpbssd tmm1, tmm6, tmm3".to_owned(),
        ),
        (
            Inst::TileDot { left: Bytes::Unsigned, acc: T(5), a: T(0), b: T(7) },
            "tdpbusd tmm5, tmm0, tmm7".to_owned(),
        ),
    ];
    let moved = boundaries().into_iter().flat_map(|n| {
        let place = if n == 0 { "[rdi+rsi]".to_owned() } else { format!("[rdi+rsi{n:+}]") };
        let (mem, row) = (P(0).at(n.into()), P(1));
        [
            (Inst::TileLoad { dst: T(4), src: mem, row }, format!("tileloadd tmm4, {place}")),
            (Inst::TileStore { dst: mem, src: T(4), row }, format!("tilestored {place}, tmm4")),
        ]
    });
    let all = integers.into_iter().chain(shifts).chain(converted).chain(moved);
    let (body, wanted): (Vec<Inst>, Vec<String>) = all.unzip();
    let (lines, _) = encoded(Target::AMX, body);
    assert!(lines[0].starts_with("ldtilecfg "), "{}", lines[0]);
    assert_eq!(lines[1..][..wanted.len()], wanted);
    assert_eq!(lines[1 + wanted.len()..], ["tilerelease", "vzeroupper", "ret"]);
}

#[test]
fn values_in_turn_read_as_asked() {
    for n in boundaries() {
        let body =
            vec![Inst::Interleave { dst: V(17), even: P(0).at(n.into()), odd: P(1).at(n.into()) }];
        let (lines, encoded) = encoded(Target::AMX, body);
        let at = |base: &str| if n == 0 { format!("[{base}]") } else { format!("[{base}{n:+}]") };
        assert_eq!(lines[0], format!("vpmovzxdq zmm17, {}", at("rdi")));
        assert!(lines[1].starts_with("kmovw k1, [rel "), "{}", lines[1]);
        assert_eq!(lines[2], format!("vexpandps zmm17{{k1}}, {}", at("rsi")));
        assert_eq!(encoded.bytes[encoded.bytes.len() - 4..], 0xaaaau32.to_le_bytes());
    }
}

/// Where the mask is set, the first operand stays; elsewhere the other one is taken.
#[test]
fn selections_read_as_asked() {
    let body = vec![Inst::Select { dst: V(1), mask: V(18), other: V(3) }];
    let (lines, _) = encoded(Target::AMX, body);
    let table =
        lines[0].strip_prefix("vpternlogd zmm1, zmm18, zmm3, ").expect("the operands in order");
    let table = table.parse::<i8>().expect("a number") as u8;
    for case in 0..8u8 {
        let [kept, mask, other] = [case >> 2 & 1, case >> 1 & 1, case & 1];
        assert_eq!(table >> case & 1, if mask == 1 { kept } else { other }, "case {case:03b}");
    }
}

fn encoded(target: Target, body: Vec<Inst>) -> (Vec<String>, Encoded) {
    let program = Program { name: "few".into(), target, args: 2, pointers: 2, body };
    let encoded = x64::encode(&program).unwrap();
    (read(&encoded.bytes[..encoded.code]), encoded)
}

#[test]
fn constants_follow_the_code() {
    let body = vec![
        Inst::Const { dst: V(0), value: 0.0 },
        Inst::Const { dst: V(1), value: -0.0 },
        Inst::Const { dst: V(2), value: 1.5 },
        Inst::Const { dst: V(3), value: -0.0 },
    ];
    let (lines, encoded) = encoded(Target::AVX2, body);
    let pool = encoded.code.next_multiple_of(64);
    let at = |i: usize| format!("[rel {}]", pool + 4 * i);
    assert_eq!(lines[0], "vxorps ymm0, ymm0, ymm0");
    assert_eq!(lines[1], format!("vbroadcastss ymm1, {}", at(0)));
    assert_eq!(lines[2], format!("vbroadcastss ymm2, {}", at(1)));
    assert_eq!(lines[3], format!("vbroadcastss ymm3, {}", at(0)));
    let want: Vec<u8> = [-0.0f32, 1.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(encoded.bytes[pool..], want);
}

#[test]
fn innermost_loops_start_on_a_boundary() {
    let inner = Inst::Loop {
        count: Count::Fixed(3),
        body: vec![Inst::Advance { pointer: P(0), bytes: 4 }],
    };
    for target in [Target::V128, Target::AVX2, Target::AVX512] {
        for before in 0..20 {
            let mut body = vec![Inst::Copy { dst: V(0), src: V(1) }; before];
            body.push(Inst::Loop { count: Count::Register(P(1)), body: vec![inner.clone()] });
            let (lines, _) = encoded(target, body);
            let targets: Vec<u64> = lines
                .iter()
                .filter_map(|l| l.strip_prefix("jne short "))
                .map(|t| t.trim_start_matches('0').parse().unwrap_or(0))
                .collect();
            assert_eq!(targets.len(), 2, "{lines:?}");
            assert_eq!(targets[0] % 32, 0, "{lines:?}");
        }
    }
}

/// A branch back over 128 bytes or less is short. Counting down and branching takes 5 of them.
#[test]
fn long_loops_take_long_branches() {
    let add = |bytes| Inst::Advance { pointer: P(0), bytes };
    for length in 100..150 {
        // Instructions of 4 and 7 bytes add up to any length.
        let long = (0..4).find(|n| (length - 7 * n) % 4 == 0).unwrap();
        let mut body = vec![add(0x1000); long as usize];
        body.resize(body.len() + (length - 7 * long) as usize / 4, add(8));
        let (lines, _) = encoded(Target::AVX2, vec![Inst::Loop { count: Count::Fixed(9), body }]);
        let short = lines.iter().any(|l| l.starts_with("jne short"));
        assert_eq!(short, length + 5 <= 128, "{length}");
    }
}

#[test]
fn malformed_programs_are_refused() {
    let bad = [
        (Target { lanes: 5, ..Target::AVX2 }, 2, vec![]),
        (Target { lanes: 8, ..Target::AVX512 }, 2, vec![]),
        (Target::AVX2, 2, vec![Inst::Copy { dst: V(16), src: V(0) }]),
        (Target::AVX512, 2, vec![Inst::Copy { dst: V(0), src: V(200) }]),
        (Target::AVX2, 2, vec![Inst::Load { dst: V(0), src: P(2).at(0) }]),
        (Target::AVX2, 2, vec![Inst::Load { dst: V(0), src: P(0).at(1i64 << 31) }]),
        (Target::AVX2, 2, vec![Inst::AdvanceBy { pointer: P(1), src: P(0).at(-1i64 << 40) }]),
        (
            Target::AVX2,
            3,
            vec![Inst::Lookup { dst: P(0).at(0), src: P(1).at(0), table: P(2), index: P(2) }],
        ),
        (Target::AVX2, 15, vec![Inst::Loop { count: Count::Fixed(2), body: vec![] }]),
        (Target::AVX2, 200, vec![Inst::Advance { pointer: P(100), bytes: 4 }]),
    ];
    for (target, pointers, body) in bad {
        let program = Program { name: "bad".into(), target, args: 2, pointers, body };
        assert!(x64::encode(&program).is_err(), "{program}");
    }
}
