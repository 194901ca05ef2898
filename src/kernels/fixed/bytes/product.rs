//! Sums over taps and channels, tile by tile.

use crate::codegen::vir::{
    Builder, Bytes, Cache, Count, OverBudget, P, Program, T, TILE_ROWS, Target,
};

use super::super::sizes::{ROW, TILE};
use super::form::TOGETHER;

/// The products of positions and one panel of weights. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Product {
    /// The machine.
    pub(super) target: Target,
    /// Tiles of positions.
    pub(super) tiles: usize,
    /// Blocks of outputs of the panel, up to [`TOGETHER`].
    pub(super) blocks: usize,
    /// Steps of 64 channels, and bytes from one to the next.
    pub(super) steps: (usize, i64),
    /// For each tap, the distance of its position from the output's, in bytes.
    pub(super) taps: Vec<i64>,
    /// Bytes between the sums of blocks of outputs.
    pub(super) plane: i64,
}

/// Bytes of weights that stay in the first-level cache beside positions: all CPUs with tiles so far
/// have 48 KiB.
const STAYS_NEAR: i64 = 24 * 1024;

/// Bytes of a cache line.
const LINE: i64 = 64;

/// The registers of a product.
struct Registers {
    /// `sums[tile][block]`.
    sums: Vec<Vec<T>>,
    values: Vec<T>,
    weights: Vec<T>,
    /// Bytes between rows of all tiles.
    row: P,
    /// The next part of the next panel to prefetch.
    ahead: P,
}

impl Product {
    /// Positions and vectors of outputs that are computed at once.
    pub(super) fn widest(&self) -> [usize; 2] {
        [self.tiles.min(TOGETHER) * TILE_ROWS, self.blocks]
    }

    /// Bytes of weights of a tap of 64 channels.
    fn tap_bytes(&self) -> i64 {
        self.blocks as i64 * TILE
    }

    fn panel_bytes(&self) -> i64 {
        (self.steps.0 * self.taps.len()) as i64 * self.tap_bytes()
    }

    /// Arguments: the panel, the first position's values, the first position's sums.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (panel, values, sums) = (b.arg(0), b.arg(1), b.arg(2));
        let together = self.tiles.min(TOGETHER);
        let registers = Registers {
            sums: (0..together).map(|_| b.tiles(self.blocks)).collect(),
            values: b.tiles(together),
            weights: b.tiles(self.blocks),
            row: b.number(ROW),
            ahead: b.pointer(panel),
        };
        b.advance(registers.ahead, self.panel_bytes());
        let (turns, rest) = (self.tiles / TOGETHER, self.tiles % TOGETHER);
        for (turns, tiles) in [(turns, TOGETHER), (rest.min(1), rest)] {
            b.repeat(Count::Fixed(turns as u32), |b| {
                self.sums(b, &registers, tiles, [panel, values]);
                for (tile, blocks) in (0..).zip(&registers.sums[..tiles.min(together)]) {
                    for (block, &sum) in (0..).zip(blocks) {
                        b.tile_store(sums.at(block * self.plane + tile * TILE), sum, registers.row);
                    }
                }
                b.advance(values, tiles as i64 * TILE);
                b.advance(sums, tiles as i64 * TILE);
            });
        }
        b.finish()
    }

    /// The sums of some tiles of positions.
    fn sums(&self, b: &mut Builder, registers: &Registers, tiles: usize, [panel, values]: [P; 2]) {
        let own = registers.sums.iter().take(tiles);
        own.flatten().for_each(|&sum| b.tile_zero(sum));
        let (values, weights) = (b.pointer(values), b.pointer(panel));
        b.repeat(Count::Fixed(self.steps.0 as u32), |b| {
            for (i, &tap) in (0..).zip(&self.taps) {
                let at = i * self.tap_bytes();
                for tile in 0..tiles.min(registers.values.len()) {
                    let place = values.at(tap + tile as i64 * TILE);
                    b.tile_load(registers.values[tile], place, registers.row);
                    for (block, &weight) in registers.weights.iter().enumerate() {
                        if tile == 0 {
                            b.tile_load(
                                weight,
                                weights.at(at + block as i64 * TILE),
                                registers.row,
                            );
                        }
                        let (sum, value) = (registers.sums[tile][block], registers.values[tile]);
                        b.tile_dot(Bytes::Unsigned, sum, value, weight);
                    }
                }
                self.prefetch(b, registers, weights, at);
            }
            b.advance(values, self.steps.1);
            b.advance(weights, self.taps.len() as i64 * self.tap_bytes());
        });
        b.release_pointer(values);
        b.release_pointer(weights);
    }

    /// Prefetches the weights of the next tap, if the panel is too large to stay near, and a share
    /// of the next panel, so that it is in the second-level cache when it is needed.
    fn prefetch(&self, b: &mut Builder, registers: &Registers, weights: P, at: i64) {
        if self.panel_bytes() > STAYS_NEAR {
            for line in (0..self.tap_bytes()).step_by(LINE as usize) {
                b.prefetch(weights.at(at + self.tap_bytes() + line), Cache::First);
            }
        }
        for line in 0..self.lines_ahead() {
            b.prefetch(registers.ahead.at(line * LINE), Cache::Second);
        }
        b.advance(registers.ahead, self.lines_ahead() * LINE);
    }

    /// Lines of the next panel that each tap prefetches; none where many tiles share a panel, whose
    /// weights are few beside them.
    fn lines_ahead(&self) -> i64 {
        let lines = (self.tap_bytes() / LINE) as usize;
        let turns = self.tiles.div_ceil(TOGETHER);
        if turns > lines { 0 } else { lines.div_ceil(turns) as i64 }
    }
}
