//! Sums over taps and channels, tile by tile.

use crate::codegen::vir::{
    Builder, Cache, Count, Mem, OverBudget, P, Program, T, TILE_ROWS, Target,
};

use super::{PART, PARTS, POSITION, TILE};

/// Blocks of outputs that are computed together: with as many tiles of positions they leave four tiles for factors.
pub(super) const PANEL_BLOCKS: usize = 2;

/// Tiles of positions that are computed together.
const TOGETHER: usize = 2;

/// Which parts of value and weight are multiplied, the smallest products first; from one to the next a single factor
/// changes. Part 0 is the high one.
const PRODUCTS: [(i64, i64); 6] = [(0, 2), (0, 1), (1, 1), (1, 0), (2, 0), (0, 0)];

/// The products of positions and one panel of weights. Everything that determines the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// The machine.
    pub(super) target: Target,
    /// Tiles of positions.
    pub(super) tiles: usize,
    /// Blocks of outputs, up to [`PANEL_BLOCKS`].
    pub(super) blocks: usize,
    /// Pairs of blocks of input channels.
    pub(super) pairs: usize,
    /// For each tap how far its position is from the output's, in bytes.
    pub(super) taps: Vec<i64>,
    /// Bytes between pairs of blocks.
    pub(super) pair: i64,
}

/// The registers of a product.
struct Registers {
    /// Sums, position by position, each with all blocks of outputs.
    sums: Vec<T>,
    values: Vec<T>,
    weights: Vec<T>,
    /// Distances of rows.
    value_row: P,
    row: P,
    /// What of the next panel is to be brought near.
    ahead: P,
}

/// One tap and one pair of blocks of input channels.
struct Step {
    /// Tiles of positions.
    count: usize,
    values: P,
    tap: i64,
    weights: P,
    at: i64,
}

/// Bytes of a cache line.
const LINE: i64 = 64;

impl Product {
    /// Positions and vectors of outputs that are computed at once.
    pub(super) fn widest(&self) -> [usize; 2] {
        [self.tiles.min(TOGETHER) * TILE_ROWS, self.blocks]
    }

    /// Bytes of weights of a step.
    fn step_bytes(&self) -> i64 {
        PARTS * self.blocks as i64 * TILE
    }

    /// Lines of the next panel that each step asks for, so that it is there when it is needed: in the second cache.
    fn lines_ahead(&self) -> i64 {
        let turns = self.tiles.div_ceil(TOGETHER);
        ((self.step_bytes() / LINE) as usize).div_ceil(turns) as i64
    }

    /// Arguments: the first position, the panel, the sums.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let panel = b.arg(1);
        let registers = Registers {
            sums: b.tiles(TOGETHER * self.blocks),
            values: b.tiles(TOGETHER),
            weights: b.tiles(self.blocks),
            value_row: b.number(POSITION as i32),
            row: b.number(PART as i32),
            ahead: b.pointer(panel),
        };
        let steps = (self.pairs * self.taps.len()) as i64;
        b.advance(registers.ahead, (steps * self.step_bytes()) as i32);
        let (turns, rest) = (self.tiles / TOGETHER, self.tiles % TOGETHER);
        b.repeat(Count::Fixed(turns as u32), |b| self.sums(b, &registers, TOGETHER));
        b.repeat(Count::Fixed(rest as u32), |b| self.sums(b, &registers, 1));
        b.finish()
    }

    /// All sums of `count` tiles of positions; source and result are moved past them.
    fn sums(&self, b: &mut Builder, registers: &Registers, count: usize) {
        let (src, panel, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let sums = &registers.sums[..count * self.blocks];
        sums.iter().for_each(|&sum| b.tile_zero(sum));
        let (values, weights) = (b.pointer(src), b.pointer(panel));
        let step = self.step_bytes();
        b.repeat(Count::Fixed(self.pairs as u32), |b| {
            for (i, &tap) in self.taps.iter().enumerate() {
                let at = i as i64 * step;
                self.step(b, registers, &Step { count, values, tap, weights, at });
            }
            b.advance(values, self.pair as i32);
            b.advance(weights, (self.taps.len() as i64 * step) as i32);
        });
        b.release_pointer(values);
        b.release_pointer(weights);
        for i in 0..count {
            for j in 0..self.blocks {
                let place = (j * self.tiles + i) as i64 * TILE;
                b.tile_store(dst.at(place as i32), sums[i * self.blocks + j], registers.row);
            }
        }
        b.advance(src, (count * TILE_ROWS) as i32 * POSITION as i32);
        b.advance(dst, count as i32 * TILE as i32);
    }

    fn step(&self, b: &mut Builder, registers: &Registers, step: &Step) {
        let values = &registers.values[..step.count];
        let mut ahead = self.ahead(registers, step).into_iter();
        let lines = ahead.len().div_ceil(PRODUCTS.len());
        let mut held = (PARTS, PARTS);
        for (value, weight) in PRODUCTS {
            if held.0 != value {
                for (i, &tile) in values.iter().enumerate() {
                    let place = (i * TILE_ROWS) as i64 * POSITION + value * PART + step.tap;
                    b.tile_load(tile, step.values.at(place as i32), registers.value_row);
                }
            }
            if held.1 != weight {
                for (j, &tile) in registers.weights.iter().enumerate() {
                    let place = (weight * self.blocks as i64 + j as i64) * TILE + step.at;
                    b.tile_load(tile, step.weights.at(place as i32), registers.row);
                }
            }
            held = (value, weight);
            ahead.by_ref().take(lines).for_each(|(place, cache)| b.prefetch(place, cache));
            for (i, &value) in values.iter().enumerate() {
                for (j, &weight) in registers.weights.iter().enumerate() {
                    b.tile_dot(registers.sums[i * self.blocks + j], value, weight);
                }
            }
        }
        b.advance(registers.ahead, (self.lines_ahead() * LINE) as i32);
    }

    /// What a step asks for ahead of time. The loads of a tile come too fast for what they miss to be there in time.
    fn ahead(&self, registers: &Registers, step: &Step) -> Vec<(Mem, Cache)> {
        let line = |base: P, first: i64, i: i64| base.at((first + i * LINE) as i32);
        let next = step.at + self.step_bytes();
        let weights = (0..self.step_bytes() / LINE).map(|i| line(step.weights, next, i));
        // Several taps see the same positions; they miss them once for all.
        let positions = if self.taps.len() == 1 { step.count * TILE_ROWS } else { 0 };
        let positions = positions as i64 * POSITION / LINE;
        let values = (0..positions).map(|i| line(step.values, step.tap + self.pair, i));
        let near = weights.chain(values).map(|place| (place, Cache::First));
        let far = (0..self.lines_ahead()).map(|i| (line(registers.ahead, 0, i), Cache::Second));
        near.chain(far).collect()
    }
}
