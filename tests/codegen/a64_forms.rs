//! The instructions of the test processor for A64: what they look like, and what they do.

use std::sync::LazyLock;

use resnetc::codegen::emulate::fused;

use super::a64_processor::{Processor, Vector, bytes, of_bytes};

/// What an instruction does: lane by lane, to a vector, or anything.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Float(fn(f32) -> f32),
    Floats(fn(f32, f32) -> f32),
    Compare(fn(f32, f32) -> bool),
    /// Of the words of `d`, `n` and `m`.
    Bits(fn(u32, u32, u32) -> u32),
    /// Of the words of `n` by the number `i`.
    Shift(fn(u32, u32) -> u32),
    /// The same word in all lanes.
    All(fn(Word) -> u32),
    /// Of the registers `d`, `n` and `m`.
    Whole(fn(Word, Vector, Vector, Vector) -> Vector),
    Other(fn(&mut Processor<'_>, Word)),
}

use Run::*;

/// All instructions, as the manual's diagrams have them, the highest bit first: letters stand for
/// the bits of an operand, `d`, `n`, `m`, `t` and `u` for registers.
const FORMS: &[(&str, Run)] = &[
    // Floats: fmla, fadd, fsub, fmul, fdiv, fmax, frintn, fsqrt, fcvtns, scvtf.
    ("01001110 001mmmmm 110011nn nnnddddd", Bits(multiply_add)),
    ("01001110 001mmmmm 110101nn nnnddddd", Floats(|a, b| a + b)),
    ("01001110 101mmmmm 110101nn nnnddddd", Floats(|a, b| a - b)),
    ("01101110 001mmmmm 110111nn nnnddddd", Floats(|a, b| a * b)),
    ("01101110 001mmmmm 111111nn nnnddddd", Floats(|a, b| a / b)),
    ("01001110 001mmmmm 111101nn nnnddddd", Floats(max)),
    ("01001110 00100001 100010nn nnnddddd", Float(f32::round_ties_even)),
    ("01101110 10100001 111110nn nnnddddd", Float(f32::sqrt)),
    ("01001110 00100001 101010nn nnnddddd", Bits(|_, n, _| nearest(n))),
    ("01001110 00100001 110110nn nnnddddd", Bits(|_, n, _| (n as i32 as f32).to_bits())),
    // fmla by element.
    ("01001111 10lmmmmm 0001h0nn nnnddddd", Whole(multiply_add_element)),
    // fcmeq, fcmge, fcmgt.
    ("01001110 001mmmmm 111001nn nnnddddd", Compare(|a, b| a == b)),
    ("01101110 001mmmmm 111001nn nnnddddd", Compare(|a, b| a >= b)),
    ("01101110 101mmmmm 111001nn nnnddddd", Compare(|a, b| a > b)),
    // and, bic, orr, eor, bsl, bit, bif, not.
    ("01001110 001mmmmm 000111nn nnnddddd", Bits(|_, n, m| n & m)),
    ("01001110 011mmmmm 000111nn nnnddddd", Bits(|_, n, m| n & !m)),
    ("01001110 101mmmmm 000111nn nnnddddd", Bits(|_, n, m| n | m)),
    ("01101110 001mmmmm 000111nn nnnddddd", Bits(|_, n, m| n ^ m)),
    ("01101110 011mmmmm 000111nn nnnddddd", Bits(|d, n, m| d & n | !d & m)),
    ("01101110 101mmmmm 000111nn nnnddddd", Bits(|d, n, m| m & n | !m & d)),
    ("01101110 111mmmmm 000111nn nnnddddd", Bits(|d, n, m| !m & n | m & d)),
    ("01101110 00100000 010110nn nnnddddd", Bits(|_, n, _| !n)),
    // Words: add, sub, smax, smin, mul, addp.
    ("01001110 101mmmmm 100001nn nnnddddd", Bits(|_, n, m| n.wrapping_add(m))),
    ("01101110 101mmmmm 100001nn nnnddddd", Bits(|_, n, m| n.wrapping_sub(m))),
    ("01001110 101mmmmm 011001nn nnnddddd", Bits(|_, n, m| (n as i32).max(m as i32) as u32)),
    ("01001110 101mmmmm 011011nn nnnddddd", Bits(|_, n, m| (n as i32).min(m as i32) as u32)),
    ("01001110 101mmmmm 100111nn nnnddddd", Bits(|_, n, m| n.wrapping_mul(m))),
    ("01001110 101mmmmm 101111nn nnnddddd", Whole(|_, _, n, m| add_pairs(n, m))),
    // shl, ushr, sshr.
    ("01001111 001iiiii 010101nn nnnddddd", Shift(|n, i| n << i)),
    ("01101111 001iiiii 000001nn nnnddddd", Shift(|n, i| n.unbounded_shr(32 - i))),
    ("01001111 001iiiii 000001nn nnnddddd", Shift(|n, i| (n as i32).unbounded_shr(32 - i) as u32)),
    // 16-bit integers: add, sub, smull and smull2.
    ("01001110 011mmmmm 100001nn nnnddddd", Bits(|_, n, m| halves(n, m, u16::wrapping_add))),
    ("01101110 011mmmmm 100001nn nnnddddd", Bits(|_, n, m| halves(n, m, u16::wrapping_sub))),
    ("0q001110 011mmmmm 110000nn nnnddddd", Whole(multiply_shorts)),
    // Fours of bytes: usdot, sudot and sdot by element.
    ("01001110 100mmmmm 100111nn nnnddddd", Bits(dot)),
    ("01001111 00lmmmmm 1111h0nn nnnddddd", Whole(dot_element)),
    ("01001111 10lmmmmm 1110h0nn nnnddddd", Whole(signed_dot_element)),
    // Narrower integers, of words and of 16 bits: xtn, sqxtn, sqxtun.
    ("0q001110 01100001 001010nn nnnddddd", Whole(narrow_words)),
    ("0q001110 00100001 001010nn nnnddddd", Whole(narrow_shorts)),
    ("0q001110 01100001 010010nn nnnddddd", Whole(limit_words)),
    ("0q101110 00100001 001010nn nnnddddd", Whole(limit_shorts)),
    // Wider integers, of bytes and of 16 bits: ushll, sshll by 0.
    ("00101111 00001000 101001nn nnnddddd", Whole(|_, _, n, _| widen_bytes(n, u16::from))),
    ("00001111 00001000 101001nn nnnddddd", Whole(|_, _, n, _| widen_bytes(n, |x| x as i8 as u16))),
    ("00101111 00010000 101001nn nnnddddd", Whole(|_, _, n, _| widen_shorts(n, u32::from))),
    (
        "00001111 00010000 101001nn nnnddddd",
        Whole(|_, _, n, _| widen_shorts(n, |x| x as i16 as u32)),
    ),
    // Lanes: dup, ext, rev64, tbl.
    ("01001110 000ii100 000001nn nnnddddd", Whole(|w, _, n, _| [n[w.number('i')]; 4])),
    ("01101110 000mmmmm 0iiii0nn nnnddddd", Whole(extract)),
    ("01001110 10100000 000010nn nnnddddd", Whole(|_, _, [a, b, c, d], _| [b, a, d, c])),
    ("01001110 000mmmmm 000000nn nnnddddd", Whole(look_up)),
    // Constants: movi, mvni, fmov.
    ("01001111 00000aaa 0ss001bb bbbddddd", All(|w| byte(w) << (8 * w.get('s')))),
    ("01101111 00000aaa 0ss001bb bbbddddd", All(|w| !(byte(w) << (8 * w.get('s'))))),
    ("01001111 00000aaa 111101bb bbbddddd", All(|w| float(byte(w)))),
    // From a general register: dup, fmov, ins.
    ("01001110 00000100 000011nn nnnddddd", Other(set_words)),
    ("10011110 01100111 000000nn nnnddddd", Other(|p, w| set_half(p, w, 0))),
    ("01001110 00011000 000111nn nnnddddd", Other(|p, w| set_half(p, w, 1))),
    // Vectors in memory: ldr and str, ldur and stur, ldp and stp, ldr of a constant.
    ("zz111101 yliiiiii iiiiiinn nnnttttt", Other(scaled)),
    ("zz111100 yl0iiiii iiii00nn nnnttttt", Other(unscaled)),
    ("zz101101 0liiiiii iuuuuunn nnnttttt", Other(pair)),
    ("10011100 iiiiiiii iiiiiiii iiittttt", Other(literal)),
    // To and from the top of the stack: str with the sum before, ldr with the sum afterwards.
    ("00111100 100iiiii iiii11nn nnnttttt", Other(push)),
    ("00111100 110iiiii iiii01nn nnnttttt", Other(pop)),
    // General registers in memory: the same, and ldrb with an index.
    ("zz111001 0liiiiii iiiiiinn nnnttttt", Other(scaled_general)),
    ("zz111000 0l0iiiii iiii00nn nnnttttt", Other(unscaled_general)),
    ("00111000 011mmmmm 011010nn nnnttttt", Other(indexed)),
    // prfm, prfum.
    ("11111001 10iiiiii iiiiiinn nnnttttt", Other(prefetch)),
    ("11111000 100iiiii iiii00nn nnnttttt", Other(prefetch)),
    // General registers: add and sub of a number, add, orr with zero, movn, movz, movk.
    ("1o010001 0siiiiii iiiiiinn nnnddddd", Other(add_number)),
    ("10001011 000mmmmm 000000nn nnnddddd", Other(add)),
    ("10101010 000mmmmm 00000011 111ddddd", Other(copy)),
    ("10010010 1hhiiiii iiiiiiii iiiddddd", Other(|p, w| *p.general(w.number('d')) = !wide(w))),
    ("11010010 1hhiiiii iiiiiiii iiiddddd", Other(|p, w| *p.general(w.number('d')) = wide(w))),
    ("11110010 1hhiiiii iiiiiiii iiiddddd", Other(keep)),
    // cbz and cbnz, b, nop, ret.
    ("1011010o iiiiiiii iiiiiiii iiittttt", Other(branch_on_zero)),
    ("000101ii iiiiiiii iiiiiiii iiiiiiii", Other(|p, w| p.branch(w.signed('i')))),
    ("11010101 00000011 00100000 00011111", Other(|_, _| {})),
    ("11010110 01011111 000000nn nnn00000", Other(|p, w| p.leave(w.number('n')))),
];

/// The operands of an instruction.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    bits: u32,
    form: &'static Form,
}

/// An instruction's pattern.
struct Form {
    /// The bits that are the same in every word, and what they are.
    fixed: u32,
    value: u32,
    /// The bits of every letter.
    fields: [u32; 26],
    run: Run,
}

impl Form {
    fn of(&(pattern, run): &(&str, Run)) -> Form {
        let mut form = Form { fixed: 0, value: 0, fields: [0; 26], run };
        let places: Vec<u8> = pattern.bytes().filter(|place| *place != b' ').collect();
        assert_eq!(places.len(), 32, "{pattern}");
        for (bit, place) in places.into_iter().rev().enumerate().map(|(i, place)| (1 << i, place)) {
            match place {
                b'0' => form.fixed |= bit,
                b'1' => (form.fixed, form.value) = (form.fixed | bit, form.value | bit),
                letter => form.fields[usize::from(letter - b'a')] |= bit,
            }
        }
        let pieces = |field: u32| (field & !(field << 1)).count_ones();
        assert!(form.fields.iter().all(|&field| pieces(field) <= 1), "{pattern}");
        form
    }
}

/// What a word is. There must be one instruction that it can be.
pub(crate) fn decode(bits: u32) -> (Word, Run) {
    static KNOWN: LazyLock<Vec<Form>> = LazyLock::new(|| FORMS.iter().map(Form::of).collect());
    let mut found = KNOWN.iter().filter(|form| bits & form.fixed == form.value);
    let form = found.next().unwrap_or_else(|| panic!("the encoder does not use {bits:#010x}"));
    assert!(found.next().is_none(), "two instructions are {bits:#010x}");
    (Word { bits, form }, form.run)
}

impl Word {
    /// The bits of an operand; 0 if there is none with this letter.
    pub(crate) fn get(self, letter: char) -> u32 {
        let field = self.field(letter);
        (self.bits & field).unbounded_shr(field.trailing_zeros())
    }

    pub(crate) fn number(self, letter: char) -> usize {
        self.get(letter) as usize
    }

    fn flag(self, letter: char) -> bool {
        self.get(letter) == 1
    }

    /// A signed operand.
    pub(crate) fn signed(self, letter: char) -> i64 {
        let unused = 32 - self.field(letter).count_ones();
        i64::from((self.get(letter) << unused) as i32 >> unused)
    }

    fn field(self, letter: char) -> u32 {
        self.form.fields[letter as usize - 'a' as usize]
    }

    /// The word of `m` that is an operand.
    fn element(self, m: Vector) -> u32 {
        m[2 * self.number('h') + self.number('l')]
    }
}

/// Rounded once.
fn multiply_add(d: u32, n: u32, m: u32) -> u32 {
    let [d, n, m] = [d, n, m].map(f32::from_bits);
    fused(n, m, d).to_bits()
}

fn multiply_add_element(w: Word, d: Vector, n: Vector, m: Vector) -> Vector {
    std::array::from_fn(|l| multiply_add(d[l], n[l], w.element(m)))
}

/// NaN where either is; the positive one of two zeros.
fn max(a: f32, b: f32) -> f32 {
    match a.partial_cmp(&b) {
        None => f32::NAN,
        Some(std::cmp::Ordering::Equal) => f32::from_bits(a.to_bits() & b.to_bits()),
        Some(order) => {
            if order.is_gt() {
                a
            } else {
                b
            }
        }
    }
}

/// The nearest integer, ties to even; the nearest one that there is; 0 for NaN.
fn nearest(x: u32) -> u32 {
    f32::from_bits(x).round_ties_even() as i32 as u32
}

/// The sums of neighbours.
fn add_pairs([a, b, c, d]: Vector, [e, f, g, h]: Vector) -> Vector {
    [(a, b), (c, d), (e, f), (g, h)].map(|(x, y)| x.wrapping_add(y))
}

fn shorts(v: Vector) -> [u16; 8] {
    std::array::from_fn(|i| (v[i / 2] >> (16 * (i % 2))) as u16)
}

fn of_shorts(shorts: [u16; 8]) -> Vector {
    std::array::from_fn(|l| u32::from(shorts[2 * l + 1]) << 16 | u32::from(shorts[2 * l]))
}

fn halves(n: u32, m: u32, op: fn(u16, u16) -> u16) -> u32 {
    let [low, high] = [0, 16].map(|at| u32::from(op((n >> at) as u16, (m >> at) as u16)));
    high << 16 | low
}

/// Products of the low half, or of the high half.
fn multiply_shorts(w: Word, _: Vector, n: Vector, m: Vector) -> Vector {
    let (first, n, m) = (4 * w.number('q'), shorts(n), shorts(m));
    let signed = |x: [u16; 8], l: usize| i32::from(x[first + l] as i16);
    std::array::from_fn(|l| (signed(n, l) * signed(m, l)) as u32)
}

/// `d` plus four products: the bytes of `n` are unsigned, those of `m` are signed.
fn dot(d: u32, n: u32, m: u32) -> u32 {
    let product = |(n, m): (u8, u8)| i32::from(n) * i32::from(m as i8);
    let products = n.to_le_bytes().into_iter().zip(m.to_le_bytes()).map(product);
    d.wrapping_add(products.sum::<i32>() as u32)
}

/// All bytes are signed.
fn signed_dot_element(w: Word, d: Vector, n: Vector, m: Vector) -> Vector {
    let element = w.element(m).to_le_bytes().map(|x| i32::from(x as i8));
    let dot =
        |n: u32| n.to_le_bytes().into_iter().zip(element).map(|(n, m)| i32::from(n as i8) * m);
    std::array::from_fn(|l| d[l].wrapping_add(dot(n[l]).sum::<i32>() as u32))
}

/// The bytes of `n` are signed, those of the element are unsigned.
fn dot_element(w: Word, d: Vector, n: Vector, m: Vector) -> Vector {
    std::array::from_fn(|l| dot(d[l], w.element(m), n[l]))
}

/// Replaces the low half and makes the high half 0, or replaces the high half.
fn half(w: Word, [a, b, ..]: Vector, [low, high]: [u32; 2]) -> Vector {
    if w.flag('q') { [a, b, low, high] } else { [low, high, 0, 0] }
}

fn to_shorts(w: Word, d: Vector, n: Vector, limit: fn(i32) -> i32) -> Vector {
    let [a, b, c, e] = n.map(|x| limit(x as i32) as u32 & 0xffff);
    half(w, d, [a | b << 16, c | e << 16])
}

fn to_bytes(w: Word, d: Vector, n: Vector, limit: fn(i16) -> i16) -> Vector {
    let bytes = shorts(n).map(|x| limit(x as i16) as u8);
    let word = |first: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[first + i]));
    half(w, d, [word(0), word(4)])
}

fn narrow_words(w: Word, d: Vector, n: Vector, _: Vector) -> Vector {
    to_shorts(w, d, n, |x| x)
}

fn limit_words(w: Word, d: Vector, n: Vector, _: Vector) -> Vector {
    to_shorts(w, d, n, |x| x.clamp(i16::MIN.into(), i16::MAX.into()))
}

fn narrow_shorts(w: Word, d: Vector, n: Vector, _: Vector) -> Vector {
    to_bytes(w, d, n, |x| x)
}

fn limit_shorts(w: Word, d: Vector, n: Vector, _: Vector) -> Vector {
    to_bytes(w, d, n, |x| x.clamp(0, u8::MAX.into()))
}

fn widen_bytes(n: Vector, widen: fn(u8) -> u16) -> Vector {
    let bytes = bytes(n);
    of_shorts(std::array::from_fn(|i| widen(bytes[i])))
}

fn widen_shorts(n: Vector, widen: fn(u16) -> u32) -> Vector {
    let shorts = shorts(n);
    std::array::from_fn(|l| widen(shorts[l]))
}

/// 16 bytes of `n` followed by `m`.
fn extract(w: Word, _: Vector, n: Vector, m: Vector) -> Vector {
    let (first, both) = (w.number('i'), [bytes(n), bytes(m)]);
    of_bytes(std::array::from_fn(|i| both[(first + i) / 16][(first + i) % 16]))
}

/// The bytes of `n` at the positions in `m`, 0 at those that there are not.
fn look_up(_: Word, _: Vector, n: Vector, m: Vector) -> Vector {
    let table = bytes(n);
    of_bytes(bytes(m).map(|i| table.get(usize::from(i)).copied().unwrap_or(0)))
}

fn byte(w: Word) -> u32 {
    w.get('a') << 5 | w.get('b')
}

/// A float of 8 bits: `VFPExpandImm`.
fn float(byte: u32) -> u32 {
    let (sign, low, fraction) = (byte >> 7, byte >> 4 & 3, byte & 0xf);
    let exponent = if byte >> 6 & 1 == 1 { 0b0111_1100 } else { 0b1000_0000 } | low;
    sign << 31 | exponent << 23 | fraction << 19
}

fn set_words(p: &mut Processor<'_>, w: Word) {
    let word = *p.general(w.number('n')) as u32;
    *p.vector(w.number('d')) = [word; 4];
}

/// Moving to the low half makes the high half 0.
fn set_half(p: &mut Processor<'_>, w: Word, half: usize) {
    let value = *p.general(w.number('n'));
    let d = p.vector(w.number('d'));
    let [a, b, ..] = *d;
    let (low, high) = (value as u32, (value >> 32) as u32);
    *d = if half == 0 { [low, high, 0, 0] } else { [a, b, low, high] };
}

/// Bytes of an access to a vector.
fn size(w: Word) -> usize {
    assert!(!w.flag('y') || w.get('z') == 0, "not allocated");
    if w.flag('y') { 16 } else { 1 << w.get('z') }
}

fn scaled(p: &mut Processor<'_>, w: Word) {
    let size = size(w);
    let address = p.place(w.number('n'), i64::from(w.get('i')) * size as i64);
    p.transfer(w.flag('l'), w.number('t'), address, size);
}

fn unscaled(p: &mut Processor<'_>, w: Word) {
    let address = p.place(w.number('n'), w.signed('i'));
    p.transfer(w.flag('l'), w.number('t'), address, size(w));
}

fn push(p: &mut Processor<'_>, w: Word) {
    let address = p.place(w.number('n'), w.signed('i'));
    *p.general_or_stack(w.number('n')) = address;
    p.transfer(false, w.number('t'), address, 16);
}

fn pop(p: &mut Processor<'_>, w: Word) {
    let address = p.place(w.number('n'), 0);
    p.transfer(true, w.number('t'), address, 16);
    *p.general_or_stack(w.number('n')) = address.wrapping_add_signed(w.signed('i'));
}

/// Loading the same register twice has no defined result.
fn pair(p: &mut Processor<'_>, w: Word) {
    let (size, load, both) = (4 << w.get('z'), w.flag('l'), [w.number('t'), w.number('u')]);
    assert!(size <= 16 && !(load && both[0] == both[1]));
    let address = p.place(w.number('n'), w.signed('i') * size as i64);
    for (vector, address) in both.into_iter().zip([address, address.wrapping_add(size as u64)]) {
        p.transfer(load, vector, address, size);
    }
}

fn literal(p: &mut Processor<'_>, w: Word) {
    let address = p.relative(w.signed('i'));
    p.transfer(true, w.number('t'), address, 16);
}

fn scaled_general(p: &mut Processor<'_>, w: Word) {
    let size = 1 << w.get('z');
    let address = p.place(w.number('n'), i64::from(w.get('i')) * size as i64);
    p.transfer_general(w.flag('l'), w.number('t'), address, size);
}

fn unscaled_general(p: &mut Processor<'_>, w: Word) {
    let address = p.place(w.number('n'), w.signed('i'));
    p.transfer_general(w.flag('l'), w.number('t'), address, 1 << w.get('z'));
}

fn indexed(p: &mut Processor<'_>, w: Word) {
    let index = *p.general(w.number('m'));
    let address = p.place(w.number('n'), index as i64);
    p.transfer_general(true, w.number('t'), address, 1);
}

/// The kinds that are used: loads, to the first two levels, to be kept.
fn prefetch(p: &mut Processor<'_>, w: Word) {
    assert!([0b00000, 0b00010].contains(&w.get('t')));
    p.place(w.number('n'), 0);
}

fn add_number(p: &mut Processor<'_>, w: Word) {
    let number = u64::from(w.get('i')) << (12 * w.get('s'));
    let n = *p.general_or_stack(w.number('n'));
    let sum = if w.flag('o') { n.wrapping_sub(number) } else { n.wrapping_add(number) };
    *p.general_or_stack(w.number('d')) = sum;
}

fn add(p: &mut Processor<'_>, w: Word) {
    let sum = p.general(w.number('n')).wrapping_add(*p.general(w.number('m')));
    *p.general(w.number('d')) = sum;
}

fn copy(p: &mut Processor<'_>, w: Word) {
    *p.general(w.number('d')) = *p.general(w.number('m'));
}

fn wide(w: Word) -> u64 {
    u64::from(w.get('i')) << (16 * w.get('h'))
}

fn keep(p: &mut Processor<'_>, w: Word) {
    let d = p.general(w.number('d'));
    *d = *d & !(0xffff << (16 * w.get('h'))) | wide(w);
}

fn branch_on_zero(p: &mut Processor<'_>, w: Word) {
    if (*p.general(w.number('t')) == 0) != w.flag('o') {
        p.branch(w.signed('i'));
    }
}
