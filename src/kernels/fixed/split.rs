//! A row of pixels to the digits of their channels.

use crate::codegen::vir::{
    Arith, Builder, Count, Integer, OverBudget, P, Program, Shift, Target, V,
};

use super::number::{BIAS, DIGIT_BITS, SIGNS};
use super::{BLOCK, GROUP_BLOCKS, POSITION, ROW};

/// Pixels of a group of blocks of channels to digits. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// Bytes between pixels of the source.
    pub(super) pixel: i64,
    /// Bytes between its blocks of channels.
    pub(super) plane: i64,
    /// Channels of the group that exist, at least one; lanes past the last hold anything.
    pub(super) channels: usize,
}

/// Pixels that are split at once, so that each waits for another's arithmetic, not for its own.
const TOGETHER: usize = 2;

/// Even bytes of a lane, and its lower half.
const EVEN: u32 = 0x00ff_00ff;
const LOWER: u32 = 0x0000_ffff;

/// Vectors that stay as they are.
struct Constants {
    scale: V,
    bias: V,
    signs: V,
    even: V,
    lower: V,
    zero: V,
}

impl Split {
    /// Arguments: the first pixel, its place in the result, what numbers are multiplied by.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst) = (b.arg(0), b.arg(1));
        let mut constant = |bits: u32| {
            let v = b.vector();
            b.bits(v, bits);
            v
        };
        let [bias, signs, even, lower, zero] = [BIAS, SIGNS, EVEN, LOWER, 0].map(&mut constant);
        let scale = b.vector();
        b.load(scale, b.arg(2).at(0));
        let constants = Constants { scale, bias, signs, even, lower, zero };
        let run = |b: &mut Builder, turns: usize, together: usize| {
            b.repeat(Count::Fixed(turns as u32), |b| {
                self.pixels(b, [src, dst], &constants, together);
                b.advance(src, (together as i64 * self.pixel) as i32);
                b.advance(dst, (together as i64 * POSITION) as i32);
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }

    /// Byte `i` of lane `l` of a digit's row is that of channel `l` of block `i`.
    fn pixels(&self, b: &mut Builder, [src, dst]: [P; 2], constants: &Constants, count: usize) {
        let pixels: Vec<[V; GROUP_BLOCKS]> = (0..count)
            .map(|i| std::array::from_fn(|block| self.integer(b, src, constants, i, block)))
            .collect();
        for (i, blocks) in pixels.into_iter().enumerate() {
            let rows = transpose(b, blocks, constants);
            for (digit, row) in rows.into_iter().enumerate() {
                b.integer(Integer::Xor, row, row, constants.signs);
                b.store(dst.at((i as i64 * POSITION + digit as i64 * ROW) as i32), row);
            }
            b.release(rows);
        }
    }

    /// The integers of pixel `i` of a block, with the bias; where there is no channel, that of 0.
    fn integer(&self, b: &mut Builder, src: P, constants: &Constants, i: usize, block: usize) -> V {
        let v = b.vector();
        let live = self.channels.saturating_sub(block * BLOCK).min(BLOCK);
        if live == 0 {
            b.push(crate::codegen::vir::Inst::Copy { dst: v, src: constants.bias });
            return v;
        }
        b.load(v, src.at((i as i64 * self.pixel + block as i64 * self.plane) as i32));
        if live < BLOCK {
            b.blend(v, constants.zero, v, (1 << live) - 1);
        }
        b.arith(Arith::Mul, v, v, constants.scale);
        b.to_integer(v, v);
        b.integer(Integer::Add, v, v, constants.bias);
        v
    }
}

/// The high, the middle and the low bytes of four vectors of integers, one vector each.
fn transpose(
    b: &mut Builder,
    [v0, v1, v2, v3]: [V; GROUP_BLOCKS],
    constants: &Constants,
) -> [V; 3] {
    let (byte, half) = (DIGIT_BITS as u8, 2 * DIGIT_BITS as u8);
    // Bytes 1 of both become the even bytes of `odd`, bytes 0 and 2 of both those of `first`.
    let pair = |b: &mut Builder, first: V, second: V| {
        let [odd, moved] = [b.vector(), b.vector()];
        b.shift(Shift::Right, odd, first, byte);
        b.select(odd, constants.even, second);
        b.shift(Shift::Left, moved, second, byte);
        b.select(first, constants.even, moved);
        b.release([moved, second]);
        (first, odd)
    };
    let (even, odd) = pair(b, v0, v1);
    let (next_even, next_odd) = pair(b, v2, v3);
    let (high, moved) = (b.vector(), b.vector());
    b.shift(Shift::Right, high, even, half);
    b.select(high, constants.lower, next_even);
    b.shift(Shift::Left, moved, next_even, half);
    b.select(even, constants.lower, moved);
    b.shift(Shift::Left, moved, next_odd, half);
    b.select(odd, constants.lower, moved);
    b.release([moved, next_even, next_odd]);
    [high, odd, even]
}
