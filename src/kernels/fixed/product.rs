//! Sums over taps and channels, tile by tile, and what the products of digits come to.

use crate::codegen::vir::{
    Arith, Builder, Cache, Count, OverBudget, P, Program, T, TILE_ROWS, Target, V,
};

use super::number::{DIGIT_BITS, DIGITS};
use super::{POSITION, ROW, TILE};

/// Blocks of outputs that are computed together: their sums take six tiles and leave two for factors.
pub(super) const PANEL_BLOCKS: usize = 2;

/// Which digits of value and weight are multiplied; digit 0 is the high one. Products whose digits have the same sum are
/// added up together. A sum is not used again before three others were: it takes a product that long to be there.
const PRODUCTS: [(usize, usize); 6] = [(2, 0), (1, 0), (1, 1), (0, 1), (0, 2), (0, 0)];

/// The sums of products of digits of an output: one for each sum of digits' numbers.
pub(super) const ORDERS: usize = DIGITS;

/// The products of positions and one panel of weights. Everything that determines the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// The machine.
    pub(super) target: Target,
    /// Tiles of positions.
    pub(super) tiles: usize,
    /// Blocks of outputs, up to [`PANEL_BLOCKS`].
    pub(super) blocks: usize,
    /// Groups of blocks of input channels.
    pub(super) groups: usize,
    /// For each tap how far its position is from the output's, in bytes.
    pub(super) taps: Vec<i64>,
    /// Bytes between groups of blocks.
    pub(super) group: i64,
}

/// The registers of a product.
struct Registers {
    /// Sums, order by order, each of all blocks of outputs.
    sums: Vec<T>,
    value: T,
    weight: T,
    /// Distances of rows.
    value_row: P,
    row: P,
    /// What of the next panel is to be brought near.
    ahead: P,
    /// The weights' powers, a vector a block.
    powers: Vec<V>,
    /// What the sums of products with lower digits weigh beside that of the high ones.
    lower: Vec<V>,
}

/// Bytes of a cache line.
const LINE: i64 = 64;

/// Rows of sums that are added up at once.
const TOGETHER: usize = 4;

impl Product {
    /// Positions and vectors of outputs that are computed at once.
    pub(super) fn widest(&self) -> [usize; 2] {
        [TILE_ROWS, self.blocks]
    }

    /// Bytes of weights of a step: one tap and one group of blocks of input channels.
    fn step_bytes(&self) -> i64 {
        (DIGITS * self.blocks) as i64 * TILE
    }

    /// Lines of the next panel that each step asks for, so that it is there when it is needed: in the second cache.
    fn lines_ahead(&self) -> i64 {
        ((self.step_bytes() / LINE) as usize).div_ceil(self.tiles) as i64
    }

    /// Arguments: the first position, the panel, its weights' powers, the results, memory for the sums of a tile.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 5);
        let panel = b.arg(1);
        let registers = Registers {
            sums: b.tiles(ORDERS * self.blocks),
            value: b.tiles(1)[0],
            weight: b.tiles(1)[0],
            value_row: b.number(POSITION as i32),
            row: b.number(ROW as i32),
            ahead: b.pointer(panel),
            powers: b.vectors(self.blocks),
            lower: b.vectors(ORDERS - 1),
        };
        for (i, &power) in registers.powers.iter().enumerate() {
            b.load(power, b.arg(2).at(i as i32 * ROW as i32));
        }
        for (&lower, order) in registers.lower.iter().zip(1..) {
            b.constant(lower, 0.5f32.powi(order * DIGIT_BITS as i32));
        }
        let steps = (self.groups * self.taps.len()) as i64;
        b.advance(registers.ahead, (steps * self.step_bytes()) as i32);
        b.repeat(Count::Fixed(self.tiles as u32), |b| {
            self.sums(b, &registers);
            self.results(b, &registers);
        });
        b.finish()
    }

    /// All sums of a tile of positions; the source is moved past it.
    fn sums(&self, b: &mut Builder, registers: &Registers) {
        let (src, panel, sums) = (b.arg(0), b.arg(1), b.arg(4));
        registers.sums.iter().for_each(|&sum| b.tile_zero(sum));
        let (values, weights) = (b.pointer(src), b.pointer(panel));
        let step = self.step_bytes();
        b.repeat(Count::Fixed(self.groups as u32), |b| {
            for (i, &tap) in self.taps.iter().enumerate() {
                self.step(b, registers, [values, weights], [tap, i as i64 * step]);
            }
            b.advance(values, self.group as i32);
            b.advance(weights, (self.taps.len() as i64 * step) as i32);
        });
        b.release_pointer(values);
        b.release_pointer(weights);
        for (i, &sum) in registers.sums.iter().enumerate() {
            b.tile_store(sums.at((i as i64 * TILE) as i32), sum, registers.row);
        }
        b.advance(src, TILE_ROWS as i32 * POSITION as i32);
    }

    /// All products of one step. From one product to the next a single factor changes.
    fn step(
        &self,
        b: &mut Builder,
        registers: &Registers,
        [values, weights]: [P; 2],
        at: [i64; 2],
    ) {
        let mut held = (DIGITS, (DIGITS, self.blocks));
        let mut forward = true;
        for (i, (value, weight)) in PRODUCTS.into_iter().enumerate() {
            if held.0 != value {
                let place = at[0] + value as i64 * ROW;
                b.tile_load(registers.value, values.at(place as i32), registers.value_row);
                held.0 = value;
            }
            for j in 0..self.blocks {
                let block = if forward { j } else { self.blocks - 1 - j };
                if held.1 != (weight, block) {
                    let place = at[1] + (weight * self.blocks + block) as i64 * TILE;
                    b.tile_load(registers.weight, weights.at(place as i32), registers.row);
                    held.1 = (weight, block);
                }
                let sum = registers.sums[(value + weight) * self.blocks + block];
                b.tile_dot(sum, registers.value, registers.weight);
            }
            forward = !forward;
            let lines = self.lines_ahead();
            let share = |i: i64| lines * i / PRODUCTS.len() as i64;
            for line in share(i as i64)..share(i as i64 + 1) {
                b.prefetch(registers.ahead.at((line * LINE) as i32), Cache::Second);
            }
        }
        b.advance(registers.ahead, (self.lines_ahead() * LINE) as i32);
    }

    /// The sums of a tile as numbers, but for the power of the values; the results' place is moved past them.
    fn results(&self, b: &mut Builder, registers: &Registers) {
        let (dst, sums) = (b.arg(3), b.arg(4));
        let from = b.pointer(sums);
        b.repeat(Count::Fixed((TILE_ROWS / TOGETHER) as u32), |b| {
            for (block, &power) in registers.powers.iter().enumerate() {
                for row in 0..TOGETHER as i64 {
                    let place = |order: usize| {
                        from.at(((order * self.blocks + block) as i64 * TILE + row * ROW) as i32)
                    };
                    let [sum, other] = [b.vector(), b.vector()];
                    b.load(sum, place(0));
                    b.from_integer(sum, sum);
                    for (&lower, order) in registers.lower.iter().zip(1..) {
                        b.load(other, place(order));
                        b.from_integer(other, other);
                        b.multiply_add(sum, other, lower);
                    }
                    b.arith(Arith::Mul, sum, sum, power);
                    let place = (block * self.tiles) as i64 * TILE + row * ROW;
                    b.store(dst.at(place as i32), sum);
                    b.release([sum, other]);
                }
            }
            b.advance(from, TOGETHER as i32 * ROW as i32);
            b.advance(dst, TOGETHER as i32 * ROW as i32);
        });
        b.release_pointer(from);
    }
}
