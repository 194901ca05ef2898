//! What becomes several instructions for 64-bit Arm: numbers, constants, loops, frames, and
//! instructions that the machine does not have. What they compute is tested elsewhere.

use resnetc::codegen::a64;
use resnetc::codegen::vir::*;

use super::a64_encoding::{encoded, one, program, read};

/// A constant in v1: its bits, and the instruction where one suffices.
const IMMEDIATES: [(u32, &str); 14] = [
    (0, "movi v1.4s, #0"),
    (0xff, "movi v1.4s, #255"),
    (0x8100, "movi v1.4s, #129, lsl #8"),
    (0x7f_0000, "movi v1.4s, #127, lsl #16"),
    (0x8000_0000, "movi v1.4s, #128, lsl #24"),
    (0xffff_ffff, "mvni v1.4s, #0"),
    (0xffff_ff00, "mvni v1.4s, #255"),
    (0xffff_7eff, "mvni v1.4s, #129, lsl #8"),
    (0x7fff_ffff, "mvni v1.4s, #128, lsl #24"),
    (0x3f80_0000, "fmov v1.4s, #1"),
    (0xbf80_0000, "fmov v1.4s, #-1"),
    (0x3e00_0000, "movi v1.4s, #62, lsl #24"),
    (0x41f8_0000, "fmov v1.4s, #31"),
    (0xc1f8_0000, "fmov v1.4s, #-31"),
];

#[test]
fn constants_of_few_bits_are_in_the_instruction() {
    for (bits, line) in IMMEDIATES {
        let value = f32::from_bits(bits);
        assert_eq!(one(Inst::Const { dst: V(1), value }), [line], "{bits:#x}");
    }
}

/// Every other one is behind the code, once, on a boundary of 16 bytes.
#[test]
fn other_constants_follow_the_code() {
    let bits = [0x3dcc_cccd, 0x7fc0_0000, 0x0101_0000, 0x3dcc_cccd, 0x4204_0000];
    let constant = |(v, bits)| Inst::Const { dst: V(v), value: f32::from_bits(bits) };
    let body = (0..).zip(bits).map(constant).collect();
    let encoded = a64::encode(&program(Target::NEON, body)).unwrap();
    let pool = encoded.code.next_multiple_of(16);
    let load = |(v, number): (usize, usize)| format!("ldr q{v}, {}", pool + 16 * number - 4 * v);
    let wanted: Vec<String> = [0, 1, 2, 0, 3].into_iter().enumerate().map(load).collect();
    assert_eq!(read(&encoded)[..5], wanted);
    let words = [0, 1, 2, 4].map(|v: usize| u32::to_le_bytes(bits[v]).repeat(4));
    assert_eq!(encoded.bytes[pool..], words.concat());
}

/// The parts of 16 bits that are not all like the sign.
#[test]
fn numbers_take_as_few_instructions_as_their_parts() {
    let cases: [(i32, &[&str]); 10] = [
        (0, &["movz x3, #0, lsl #0"]),
        (0xffff, &["movz x3, #65535, lsl #0"]),
        (0x7fff_0000, &["movz x3, #32767, lsl #16"]),
        (0x1234_5678, &["movz x3, #22136, lsl #0", "movk x3, #4660, lsl #16"]),
        (i32::MAX, &["movz x3, #65535, lsl #0", "movk x3, #32767, lsl #16"]),
        (-1, &["movn x3, #0, lsl #0"]),
        (-2, &["movn x3, #1, lsl #0"]),
        (-0x1_0000, &["movn x3, #65535, lsl #0"]),
        (-0x1_0001, &["movn x3, #1, lsl #16"]),
        (i32::MIN, &["movn x3, #65535, lsl #0", "movk x3, #32768, lsl #16"]),
    ];
    for (value, lines) in cases {
        assert_eq!(one(Inst::Number { dst: P(3), value }), lines, "{value}");
    }
}

#[test]
fn pointers_move_by_one_number_two_or_a_register() {
    let cases: [(i32, &[&str]); 11] = [
        (1, &["add x3, x3, #1"]),
        (0xfff, &["add x3, x3, #4095"]),
        (-0xfff, &["sub x3, x3, #4095"]),
        (0x1000, &["add x3, x3, #1, lsl #12"]),
        (0x1001, &["add x3, x3, #1, lsl #12", "add x3, x3, #1"]),
        (-0x1001, &["sub x3, x3, #1, lsl #12", "sub x3, x3, #1"]),
        (0xff_f000, &["add x3, x3, #4095, lsl #12"]),
        (0xff_ffff, &["add x3, x3, #4095, lsl #12", "add x3, x3, #4095"]),
        (0x100_0000, &["movz x15, #256, lsl #16", "add x3, x3, x15"]),
        (-0x100_0001, &["movn x15, #256, lsl #16", "add x3, x3, x15"]),
        (i32::MIN, &["movn x15, #65535, lsl #0", "movk x15, #32768, lsl #16", "add x3, x3, x15"]),
    ];
    for (bytes, lines) in cases {
        assert_eq!(one(Inst::Advance { pointer: P(3), bytes }), lines, "{bytes}");
    }
    assert_eq!(one(Inst::CopyPointer { dst: P(11), src: P(0) }), ["orr x11, xzr, x0"]);
}

#[test]
fn shifts_by_nothing_are_copies() {
    for (to, name, last) in
        [(Shift::Left, "shl", 31), (Shift::Right, "ushr", 31), (Shift::SignedRight, "sshr", 31)]
    {
        let shift = |by| one(Inst::Shift { to, dst: V(1), src: V(8), by });
        assert_eq!(shift(0), ["orr v1.16b, v16.16b, v16.16b"]);
        for by in [1, 7, 8, 16, last] {
            assert_eq!(shift(by), [format!("{name} v1.4s, v16.4s, #{by}")]);
        }
    }
}

/// The result's register holds the comparison; if it is an operand, the first register that holds
/// nothing does.
#[test]
fn maxima_are_picked_like_on_other_machines() {
    let pick = |op, dst| one(Inst::Arith { op, dst: V(dst), a: V(0), b: V(1) });
    let greater = "fcmgt v2.4s, v0.4s, v1.4s";
    assert_eq!(pick(Arith::Max, 2), [greater, "bsl v2.16b, v0.16b, v1.16b"]);
    assert_eq!(pick(Arith::Max, 1), [greater, "bit v1.16b, v0.16b, v2.16b"]);
    assert_eq!(pick(Arith::Max, 0), [greater, "bif v0.16b, v1.16b, v2.16b"]);
    let less = "fcmgt v2.4s, v1.4s, v0.4s";
    assert_eq!(pick(Arith::Min, 2), [less, "bsl v2.16b, v0.16b, v1.16b"]);
    assert_eq!(pick(Arith::MaxNan, 2).len(), 3);
    assert_eq!(pick(Arith::MaxNan, 1).len(), 3);
    assert_eq!(pick(Arith::MaxNan, 0).len(), 4);
}

/// Where no register holds nothing, one waits on the stack; one that had to be saved for this alone
/// is not taken.
#[test]
fn registers_in_between_hold_nothing() {
    let pair_dot = Inst::PairDot { dst: V(1), a: V(1), b: V(3) };
    let store = |v: u8| Inst::Store { dst: P(0).at(32 * i64::from(v)), src: V(v) };
    let then_stored = |kept: &[u8]| {
        let mut body = vec![pair_dot.clone()];
        body.extend(kept.iter().map(|&v| store(v)));
        encoded(body)
    };
    let products = |v: u8| {
        [
            format!("smull v{v}.4s, v1.4h, v3.4h"),
            "smull2 v1.4s, v1.8h, v3.8h".to_owned(),
            format!("addp v1.4s, v{v}.4s, v1.4s"),
        ]
    };
    let all: Vec<u8> = (0..24).collect();
    assert_eq!(then_stored(&[0, 1, 3])[..3], products(2));
    assert_eq!(then_stored(&all[..23])[..3], products(31));
    let lines = then_stored(&all);
    assert_eq!(lines[0], "str q0, [sp, #-16]!");
    assert_eq!(lines[1..4], products(0));
    assert_eq!(lines[4], "ldr q0, [sp], #16");
}

#[test]
fn integers_are_packed_in_place() {
    let src = [0, 9, 2, 3].map(V);
    let lines = one(Inst::StorePacked { dst: P(1).at(5), src });
    let wanted = [
        "sqxtn v0.4h, v0.4s",
        "sqxtn2 v0.8h, v17.4s",
        "sqxtun v0.8b, v0.8h",
        "sqxtn v2.4h, v2.4s",
        "sqxtn2 v2.8h, v3.4s",
        "sqxtun2 v0.16b, v2.8h",
        "stur q0, [x1, #5]",
    ];
    assert_eq!(lines, wanted);
    let lines = one(Inst::StoreBytes { dst: P(1).at(8), src: V(9) });
    assert_eq!(lines, ["xtn v17.4h, v17.4s", "xtn v17.8b, v17.8h", "str s17, [x1, #8]"]);
}

/// Innermost loops begin on a boundary, count down in a register of their own, and are passed over
/// where they may have no turns.
#[test]
fn loops_count_down() {
    let add = Inst::Advance { pointer: P(0), bytes: 1 };
    let fixed = |n, body| Inst::Loop { count: Count::Fixed(n), body };
    let wanted = [
        "movz x12, #7, lsl #0",
        "movz x13, #5, lsl #0",
        "nop",
        "nop",
        "nop",
        "nop",
        "nop",
        "nop",
        "add x0, x0, #1",
        "sub x13, x13, #1",
        "cbnz x13, -8",
        "sub x12, x12, #1",
        "cbnz x12, -44",
    ];
    assert_eq!(encoded(vec![fixed(7, vec![fixed(5, vec![add.clone()])])]), wanted);
    let counted = Inst::Loop { count: Count::Register(P(5)), body: vec![add.clone()] };
    let lines = encoded(vec![counted]);
    assert_eq!(lines[..2], ["orr x12, xzr, x5", "cbz x12, 40"]);
    assert_eq!(lines[8..], ["add x0, x0, #1", "sub x12, x12, #1", "cbnz x12, -8"]);
    assert_eq!(encoded(vec![fixed(1, vec![add.clone()])]), ["add x0, x0, #1"]);
    assert!(encoded(vec![fixed(0, vec![add])]).is_empty());
}

#[test]
fn frames_hold_the_halves_that_the_caller_wants_back() {
    let copy = |v: u8| Inst::Copy { dst: V(v), src: V(v) };
    assert_eq!(one(copy(23)).len(), 1);
    let wanted = [
        "sub sp, sp, #32",
        "stp d8, d9, [sp]",
        "stp d14, d15, [sp, #16]",
        "orr v8.16b, v8.16b, v8.16b",
        "orr v15.16b, v15.16b, v15.16b",
        "ldp d8, d9, [sp]",
        "ldp d14, d15, [sp, #16]",
        "add sp, sp, #32",
    ];
    assert_eq!(encoded(vec![copy(24), copy(31)]), wanted);
}

/// The last arguments are on the stack, above the frame.
#[test]
fn arguments_that_registers_do_not_hold_are_loaded() {
    for (v, frame) in [(0, 0), (24, 16)] {
        let body = vec![Inst::Copy { dst: V(v), src: V(v) }];
        let program = Program { args: 10, pointers: 10, ..program(Target::NEON, body) };
        let lines = read(&a64::encode(&program).unwrap());
        let first =
            if frame == 0 { "ldr x8, [sp]".into() } else { format!("ldr x8, [sp, #{frame}]") };
        let at = lines.iter().position(|line| *line == first).unwrap();
        assert_eq!(lines[at + 1], format!("ldr x9, [sp, #{}]", frame + 8));
    }
}

#[test]
fn programs_for_other_machines_are_refused() {
    let few = |target| a64::encode(&program(target, Vec::new()));
    for target in [Target::AVX2, Target::AVX512, Target::AMX, Target::AVX_VNNI] {
        assert!(few(target).is_err(), "{target:?}");
    }
    assert!(few(Target { pair_sums: true, ..Target::NEON_I8MM }).is_err());
    assert!(few(Target { selects: true, ..Target::NEON }).is_err());
    for target in [Target::NEON, Target::NEON_DOT, Target::NEON_I8MM, Target::V128] {
        assert!(few(target).is_ok(), "{target:?}");
    }
    for (left, refuses) in [(Bytes::Signed, Target::NEON), (Bytes::Unsigned, Target::NEON_DOT)] {
        let dot = Inst::ByteDotLane { left, acc: V(0), a: V(1), b: V(2), lane: 0 };
        assert!(a64::encode(&program(refuses, vec![dot])).is_err());
    }
    let beyond = Inst::MultiplyAddLane { acc: V(0), a: V(1), b: V(2), lane: 4 };
    assert!(a64::encode(&program(Target::NEON, vec![beyond])).is_err());
}
