//! Splits four vectors of numbers into vectors of digits.

use crate::codegen::vir::{Arith, Builder, Inst, Integer, Mem, P, Shift, V};
use crate::kernels::conv::SIGNS;

use super::number::{DIGIT_BITS, Width};
use super::sizes::{BLOCK, GROUP_BLOCKS};

/// Even bytes of a lane, and its lower half.
const EVEN: u32 = 0x00ff_00ff;
const LOWER: u32 = 0x0000_ffff;

/// Vectors that stay constant.
pub(super) struct Digits {
    width: Width,
    scale: V,
    bias: V,
    signs: V,
    even: V,
    lower: V,
    zero: V,
}

impl Digits {
    /// `thread` is the thread's memory, which begins with the inverse scale.
    pub(super) fn new(b: &mut Builder, thread: P, width: Width) -> Self {
        let mut constant = |bits: u32| {
            let v = b.vector();
            b.bits(v, bits);
            v
        };
        let constants = [width.bias(), SIGNS, EVEN, LOWER, 0];
        let [bias, signs, even, lower, zero] = constants.map(&mut constant);
        let scale = b.vector();
        b.load(scale, thread.at(0));
        Digits { width, scale, bias, signs, even, lower, zero }
    }

    /// The digits of the numbers at four places, the high ones first: byte `i` of lane `l` is the
    /// digit of lane `l` of place `i`. Each place comes with its number of lanes that are numbers;
    /// the others count as zero.
    pub(super) fn of(&self, b: &mut Builder, places: [(Mem, usize); GROUP_BLOCKS]) -> Vec<V> {
        let integers = places.map(|(place, live)| self.integer(b, place, live));
        let digits = self.transpose(b, integers);
        digits.iter().for_each(|&v| b.integer(Integer::Xor, v, v, self.signs));
        digits
    }

    /// The numbers at a place as integers, with the bias added.
    fn integer(&self, b: &mut Builder, place: Mem, live: usize) -> V {
        let v = b.vector();
        if live == 0 {
            b.push(Inst::Copy { dst: v, src: self.bias });
            return v;
        }
        b.load(v, place);
        if live < BLOCK {
            b.blend(v, self.zero, v, (1 << live) - 1);
        }
        b.arith(Arith::Mul, v, v, self.scale);
        b.to_integer(v, v);
        b.integer(Integer::Add, v, v, self.bias);
        v
    }

    /// The bytes of the digits of four vectors of integers, the high ones first, one vector each.
    fn transpose(&self, b: &mut Builder, [v0, v1, v2, v3]: [V; GROUP_BLOCKS]) -> Vec<V> {
        let (byte, half) = (DIGIT_BITS as u8, 2 * DIGIT_BITS as u8);
        // Byte 1 of both goes to the even bytes of `odd`, bytes 0 and 2 of both go to those of
        // `first`.
        let pair = |b: &mut Builder, first: V, second: V| {
            let [odd, moved] = [b.vector(), b.vector()];
            b.shift(Shift::Right, odd, first, byte);
            b.select(odd, self.even, second);
            b.shift(Shift::Left, moved, second, byte);
            b.select(first, self.even, moved);
            b.release([moved, second]);
            (first, odd)
        };
        let (even, odd) = pair(b, v0, v1);
        let (next_even, next_odd) = pair(b, v2, v3);
        let high = (self.width == Width::Three).then(|| {
            let high = b.vector();
            b.shift(Shift::Right, high, even, half);
            b.select(high, self.lower, next_even);
            high
        });
        let moved = b.vector();
        b.shift(Shift::Left, moved, next_even, half);
        b.select(even, self.lower, moved);
        b.shift(Shift::Left, moved, next_odd, half);
        b.select(odd, self.lower, moved);
        b.release([moved, next_even, next_odd]);
        high.into_iter().chain([odd, even]).collect()
    }
}
