//! A disassembler reads back the instructions for 64-bit Arm that were encoded.

use disarm64::decoder;
use proptest::prelude::*;
use resnetc::codegen::a64;
use resnetc::codegen::encoded::Encoded;
use resnetc::codegen::listing::lines;
use resnetc::codegen::vir::*;
use resnetc_testing::cases::cases;

use super::programs::case;

/// The machine's vector register of each of a program's: first those that any function may change,
/// last those whose low halves its caller wants back.
pub(crate) const REGISTERS: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 8, 9,
    10, 11, 12, 13, 14, 15,
];

/// The registers that need not be saved.
const FREE: u8 = 24;

/// The instructions, with single spaces and decimal numbers.
pub(crate) fn read(encoded: &Encoded) -> Vec<String> {
    let words = encoded.bytes[..encoded.code].chunks_exact(4);
    let words = words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
    let line = |word| text(&decoder::decode(word).expect("an instruction").to_string());
    words.map(|word| with_all_bits(word, line(word))).collect()
}

/// The disassembler shows four of the five bits of one register, that of a lane of four bytes.
fn with_all_bits(word: u32, line: String) -> String {
    match line.split_once(".4b[") {
        Some((before, lane)) if word >> 20 & 1 == 1 => {
            let (before, low) = before.rsplit_once('v').expect("a register");
            let number = 16 + low.parse::<u8>().expect("its number");
            format!("{before}v{number}.4b[{lane}")
        }
        _ => line,
    }
}

fn text(disassembled: &str) -> String {
    let words = disassembled.to_lowercase();
    let words: Vec<String> = words.split_whitespace().map(decimal).collect();
    words.join(" ")
}

/// With a hexadecimal number of 64 bits, if there is one, as a signed decimal one.
fn decimal(word: &str) -> String {
    let Some((before, number)) = word.split_once("0x") else { return word.to_owned() };
    let end = number.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(number.len());
    let (digits, after) = number.split_at(end);
    let number = u64::from_str_radix(digits, 16).expect("hexadecimal digits") as i64;
    format!("{before}{number}{after}")
}

pub(crate) fn program(target: Target, body: Vec<Inst>) -> Program {
    Program { name: "few".into(), target, args: 0, pointers: 12, body }
}

/// What the instructions are encoded as, without the return.
pub(crate) fn encoded(body: Vec<Inst>) -> Vec<String> {
    let encoded = a64::encode(&program(Target::NEON_I8MM, body)).unwrap();
    let mut lines = read(&encoded);
    assert_eq!(lines.pop().as_deref(), Some("ret x30"));
    lines
}

/// What one instruction is encoded as.
pub(crate) fn one(inst: Inst) -> Vec<String> {
    encoded(vec![inst])
}

/// Instructions that are one instruction of the machine, whatever their registers.
fn single(v: [u8; 3], lane: u8) -> Vec<(Inst, String)> {
    let [dst, va, vb] = v.map(V);
    let [d, a, b] = v.map(|v| REGISTERS[usize::from(v)]);
    let words = |name: &str| format!("{name} v{d}.4s, v{a}.4s, v{b}.4s");
    let bits = |name: &str, a: u8, b: u8| format!("{name} v{d}.16b, v{a}.16b, v{b}.16b");
    let shorts = |name: &str| format!("{name} v{d}.8h, v{a}.8h, v{b}.8h");
    let of_one = |name: &str| format!("{name} v{d}.4s, v{a}.4s");
    let arith = |op, text| (Inst::Arith { op, dst, a: va, b: vb }, text);
    let integer = |op, text| (Inst::Integer { op, dst, a: va, b: vb }, text);
    let short = |op, text| (Inst::Short { op, dst, a: va, b: vb }, text);
    let swapped = |name: &str| format!("{name} v{d}.4s, v{b}.4s, v{a}.4s");
    vec![
        arith(Arith::Add, words("fadd")),
        arith(Arith::Sub, words("fsub")),
        arith(Arith::Mul, words("fmul")),
        arith(Arith::Div, words("fdiv")),
        arith(Arith::Equal, words("fcmeq")),
        arith(Arith::Less, swapped("fcmgt")),
        arith(Arith::LessOrEqual, swapped("fcmge")),
        arith(Arith::And, bits("and", a, b)),
        arith(Arith::AndNot, bits("bic", b, a)),
        arith(Arith::Or, bits("orr", a, b)),
        integer(Integer::Add, words("add")),
        integer(Integer::Sub, words("sub")),
        integer(Integer::Max, words("smax")),
        integer(Integer::Min, words("smin")),
        integer(Integer::And, bits("and", a, b)),
        integer(Integer::Xor, bits("eor", a, b)),
        integer(Integer::Mul, words("mul")),
        short(Short::Add, shorts("add")),
        short(Short::Sub, shorts("sub")),
        (Inst::MultiplyAdd { acc: dst, a: va, b: vb }, words("fmla")),
        (
            Inst::MultiplyAddLane { acc: dst, a: va, b: vb, lane },
            format!("fmla v{d}.4s, v{a}.4s, v{b}.s[{lane}]"),
        ),
        (Inst::ByteDot { acc: dst, a: va, b: vb }, format!("usdot v{d}.4s, v{a}.16b, v{b}.16b")),
        (
            Inst::ByteDotLane { left: Bytes::Signed, acc: dst, a: va, b: vb, lane },
            format!("sdot v{d}.4s, v{b}.16b, v{a}.4b[{lane}]"),
        ),
        (
            Inst::ByteDotLane { left: Bytes::Unsigned, acc: dst, a: va, b: vb, lane },
            format!("sudot v{d}.4s, v{b}.16b, v{a}.4b[{lane}]"),
        ),
        (Inst::Round { dst, src: va }, of_one("frintn")),
        (Inst::Sqrt { dst, src: va }, of_one("fsqrt")),
        (Inst::FromInteger { dst, src: va }, of_one("scvtf")),
        (Inst::Exchange { dst, src: va, distance: Distance::One }, of_one("rev64")),
        (
            Inst::Exchange { dst, src: va, distance: Distance::Two },
            format!("ext v{d}.16b, v{a}.16b, v{a}.16b, #8"),
        ),
        (Inst::Copy { dst, src: va }, bits("orr", a, a)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn instructions_read_as_asked(v in [0..FREE, 0..FREE, 0..FREE], lane in 0u8..4) {
        let (body, wanted): (Vec<Inst>, Vec<String>) = single(v, lane).into_iter().unzip();
        prop_assert_eq!(encoded(body), wanted);
    }

    /// In the same order for the registers that are saved: only the frame comes before and after.
    #[test]
    fn every_register_is_its_own(v in [0u8..32, 0u8..32, 0u8..32], lane in 0u8..4) {
        let (body, wanted): (Vec<Inst>, Vec<String>) = single(v, lane).into_iter().unzip();
        let lines = encoded(body);
        let saved = (lines.len() - wanted.len()) / 2;
        prop_assert_eq!(&lines[saved..][..wanted.len()], &wanted[..]);
    }

    /// The platform, debuggers and the caller own the others.
    #[test]
    fn programs_use_registers_that_they_may(
        case in prop_oneof![case(Target::NEON), case(Target::NEON_I8MM)],
    ) {
        let encoded = a64::encode(&case.program).unwrap();
        let code = read(&encoded);
        let (last, code) = code.split_last().expect("a return");
        prop_assert_eq!(last, "ret x30");
        for line in code {
            for word in line.split(|c: char| !c.is_alphanumeric()) {
                let number = word.strip_prefix(['x', 'w']).and_then(|n| n.parse::<u8>().ok());
                prop_assert!(number.is_none_or(|n| n <= 17), "{line}");
            }
        }
    }

    /// Every line has a place, in order, where an instruction is. 32 words for each are enough: on
    /// this depends which programs are taken to be long.
    #[test]
    fn lines_are_short_and_in_order(
        case in prop_oneof![case(Target::NEON), case(Target::NEON_I8MM)],
    ) {
        let encoded = a64::encode(&case.program).unwrap();
        let (texts, code) = (lines(&case.program), read(&encoded));
        let count = texts.len();
        prop_assert!(encoded.lines.iter().map(|l| l.line).eq(0..count), "each once, in order");
        prop_assert!(encoded.lines.is_sorted_by_key(|l| l.offset));
        prop_assert!(encoded.lines.iter().all(|l| l.offset % 4 == 0 && l.offset < encoded.code));
        prop_assert!(encoded.bytes.len() / 4 <= 32 * count);
        for place in &encoded.lines {
            let (text, first) = (&texts[place.line], &code[place.offset / 4]);
            for (part, name) in [(" = add ", "fadd"), (" = mul ", "fmul"), ("round ", "frintn")] {
                prop_assert!(!text.contains(part) || first.starts_with(name), "{text} | {first}");
            }
        }
    }
}

/// Loads, stores and prefetches without displacement, and what else they need: the name and the
/// register of the access, its bytes, and what follows it.
fn accesses(v: V, place: Mem) -> Vec<(Inst, [String; 2], i64, Vec<String>)> {
    let n = REGISTERS[usize::from(v.0)];
    let widen = |name: &str, shorts: bool, bytes: bool| {
        let steps = [
            bytes.then(|| format!("{name} v{n}.8h, v{n}.8b, #0")),
            shorts.then(|| format!("{name} v{n}.4s, v{n}.4h, #0")),
        ];
        steps.into_iter().flatten().collect()
    };
    let of = |name: &str, register: String| [name.to_owned(), register];
    let vector = |name: &str, letter: char| of(name, format!("{letter}{n}"));
    let lanes = || vec![format!("dup v{n}.4s, v{n}.s[0]")];
    let lane = |l: u8| vec![format!("dup v{n}.4s, v{n}.s[{l}]")];
    let prefetch = |level: u8| of("prfm", format!("pldl{level}keep"));
    let (dst, src) = (v, place);
    vec![
        (Inst::Load { dst, src }, vector("ldr", 'q'), 16, vec![]),
        (Inst::LoadFirst { dst, src }, vector("ldr", 's'), 4, vec![]),
        (Inst::Broadcast { dst, src }, vector("ldr", 's'), 4, lanes()),
        (Inst::BroadcastBytes { dst, src }, vector("ldr", 's'), 4, lanes()),
        (Inst::Shuffle { dst, src, order: [0, 1, 2, 3] }, vector("ldr", 'q'), 16, vec![]),
        (Inst::Shuffle { dst, src, order: [3; 4] }, vector("ldr", 'q'), 16, lane(3)),
        (
            Inst::LoadBytes { dst, src, signed: false },
            vector("ldr", 's'),
            4,
            widen("ushll", true, true),
        ),
        (
            Inst::LoadBytes { dst, src, signed: true },
            vector("ldr", 's'),
            4,
            widen("sshll", true, true),
        ),
        (Inst::LoadByte { dst, src, signed: false }, vector("ldr", 'b'), 1, vec![]),
        (
            Inst::LoadByte { dst, src, signed: true },
            vector("ldr", 'b'),
            1,
            widen("sshll", true, true),
        ),
        (Inst::LoadShorts { dst, src }, vector("ldr", 'd'), 8, widen("sshll", true, false)),
        (Inst::WidenBytes { dst, src }, vector("ldr", 'd'), 8, widen("ushll", false, true)),
        (Inst::Store { dst: place, src: v }, vector("str", 'q'), 16, vec![]),
        (Inst::StoreFirst { dst: place, src: v }, vector("str", 's'), 4, vec![]),
        (Inst::StoreByte { dst: place, src: v }, vector("str", 'b'), 1, vec![]),
        (Inst::Prefetch { src, cache: Cache::First }, prefetch(1), 8, vec![]),
        (Inst::Prefetch { src, cache: Cache::Second }, prefetch(2), 8, vec![]),
        (
            Inst::AdvanceBy { pointer: P(4), src },
            of("ldr", "x15".to_owned()),
            8,
            vec!["add x4, x4, x15".to_owned()],
        ),
    ]
}

/// The access with a displacement that it reaches.
fn reached([name, register]: &[String; 2], size: i64, base: &str, offset: i64) -> Option<String> {
    let is_scaled = offset % size == 0 && (0..0x1000 * size).contains(&offset);
    let name = match is_scaled {
        true => name.clone(),
        false => name.replace("ldr", "ldur").replace("str", "stur").replace("prfm", "prfum"),
    };
    let place = if offset == 0 { format!("[{base}]") } else { format!("[{base}, #{offset}]") };
    (is_scaled || (-256..256).contains(&offset)).then(|| format!("{name} {register}, {place}"))
}

#[test]
fn near_places_are_reached_by_one_instruction() {
    for size in [1, 4, 8, 16] {
        let ends = [0, 255, 256, -256, -257, 0x1000 * size - 1, 0xfff * size, 0x1000 * size];
        let offsets = ends.into_iter().flat_map(|end| (-3..=3).map(move |d| end + d * size / 2));
        for (offset, v) in offsets.flat_map(|offset| [0, 7, 8, 23].map(|v| (offset, V(v)))) {
            let all = accesses(v, P(11).at(offset));
            for (inst, access, _, after) in all.into_iter().filter(|access| access.2 == size) {
                let Some(line) = reached(&access, size, "x11", offset) else { continue };
                let wanted: Vec<String> = [line].into_iter().chain(after).collect();
                assert_eq!(one(inst), wanted, "{offset}");
            }
        }
    }
}

/// The nearest place in front of the farther ones that sums and displacements can make is taken, so
/// that it serves neighbours, too.
#[test]
fn far_places_take_another_register() {
    let far = |offset: i64| encoded(vec![Inst::Load { dst: V(0), src: P(2).at(offset) }]);
    assert_eq!(far(0x1_0000), ["add x16, x2, #16, lsl #12", "ldr q0, [x16]"]);
    assert_eq!(far(0x1_fff0), ["add x16, x2, #16, lsl #12", "ldr q0, [x16, #65520]"]);
    assert_eq!(far(-0x110), ["sub x16, x2, #16, lsl #12", "ldr q0, [x16, #65264]"]);
    assert_eq!(far(0x104), ["add x16, x2, #256", "ldur q0, [x16, #4]"]);
    assert_eq!(far(-0x101), ["sub x16, x2, #512", "ldur q0, [x16, #255]"]);
    assert_eq!(
        far(0x12_3401),
        ["add x16, x2, #291, lsl #12", "add x16, x16, #1024", "ldur q0, [x16, #1]"]
    );
    assert_eq!(
        far(-0x100_1000),
        [
            "movn x15, #65535, lsl #0",
            "movk x15, #65279, lsl #16",
            "add x16, x2, x15",
            "ldr q0, [x16, #61440]"
        ]
    );
}

/// Two addresses are remembered, as long as their pointers stay.
#[test]
fn far_neighbours_share_a_register() {
    let load = |v: u8, p: u8, offset: i64| Inst::Load { dst: V(v), src: P(p).at(offset) };
    let near = "ldr q0, [x16]";
    let first = "add x16, x2, #16, lsl #12";
    let second = "add x17, x3, #16, lsl #12";
    let far = |p: u8| load(0, p, 0x1_0000);
    assert_eq!(encoded(vec![far(2), load(1, 2, 0x1_0020)]), [first, near, "ldr q1, [x16, #32]"]);
    let other = "ldr q0, [x17]";
    assert_eq!(
        encoded(vec![far(2), far(3), far(2), far(3)]),
        [first, near, second, other, near, other]
    );
    let moved = [
        (Inst::Advance { pointer: P(2), bytes: 16 }, vec!["add x2, x2, #16"]),
        (Inst::CopyPointer { dst: P(2), src: P(3) }, vec!["orr x2, xzr, x3"]),
        (Inst::Number { dst: P(2), value: 5 }, vec!["movz x2, #5, lsl #0"]),
        (
            Inst::AdvanceBy { pointer: P(2), src: P(3).at(0) },
            vec!["ldr x15, [x3]", "add x2, x2, x15"],
        ),
        (
            Inst::Lookup { dst: P(3).at(0), src: P(3).at(1), table: P(4), index: P(2) },
            vec!["ldrb w2, [x3, #1]", "ldrb w2, [x4, x2]", "strb w2, [x3]"],
        ),
    ];
    for (inst, lines) in moved {
        let again = ["add x17, x2, #16, lsl #12", other];
        let wanted: Vec<&str> = [first, near].into_iter().chain(lines).chain(again).collect();
        assert_eq!(encoded(vec![far(2), inst, far(2)]), wanted);
    }
}

#[test]
fn neighbours_are_loaded_and_stored_at_once() {
    let place = |p: u8, offset: i64| P(p).at(offset);
    let loads = |a: (u8, Mem), b: (u8, Mem)| {
        encoded([a, b].map(|(v, src)| Inst::Load { dst: V(v), src }).to_vec())
    };
    let stores = |a: (u8, Mem), b: (u8, Mem)| {
        encoded([a, b].map(|(v, dst)| Inst::Store { dst, src: V(v) }).to_vec())
    };
    for (at, text) in [(0, "[x1]"), (-1024, "[x1, #-1024]"), (1008, "[x1, #1008]")] {
        let (first, second) = (place(1, at), place(1, at + 16));
        assert_eq!(loads((3, first), (9, second)), [format!("ldp q3, q17, {text}")]);
        assert_eq!(stores((3, first), (9, second)), [format!("stp q3, q17, {text}")]);
        assert_eq!(stores((3, first), (3, second)), [format!("stp q3, q3, {text}")]);
        let apart = [
            loads((3, first), (3, second)),
            loads((3, second), (9, first)),
            loads((3, first), (9, place(2, at + 16))),
            stores((3, first), (9, place(1, at + 32))),
        ];
        assert!(apart.iter().all(|lines| lines.len() >= 2), "{apart:?}");
    }
    for at in [-1040, 1024, 8] {
        assert!(loads((3, place(1, at)), (9, place(1, at + 16))).len() >= 2, "out of reach: {at}");
    }
    // The third one is on its own.
    let three = [0, 1, 2].map(|i| Inst::Load { dst: V(i), src: place(1, 16 * i64::from(i)) });
    assert_eq!(encoded(three.to_vec()), ["ldp q0, q1, [x1]", "ldr q2, [x1, #32]"]);
}
