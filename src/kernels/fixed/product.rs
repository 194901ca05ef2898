//! Sums over taps and channels, tile by tile, and the sums of the products of digits.
//!
//! If the result stores positions in the same order as the tiles, the program computes the final
//! result, including bias, shortcut and activation.

use crate::codegen::vir::{
    Arith, Builder, Bytes, Cache, Count, Mem, OverBudget, P, Program, T, TILE_ROWS, Target, V,
};

use super::finish::{Ends, Finishing};
use super::number::{DIGIT_BITS, Format, Width};
use super::sizes::{BIAS, CONSTANTS, ROW, SUMS, TILE};

/// What is computed together: tiles of positions, and blocks of outputs. The sums of two products
/// need six tiles, which leaves two for factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Together {
    pub(super) tiles: usize,
    pub(super) blocks: usize,
}

impl Together {
    /// The choice for a window of `taps` taps. Several taps see the same positions, which are
    /// therefore in a near cache, so more positions share weights; with one tap, the weights are in
    /// a near cache.
    pub(super) fn of(taps: usize) -> Self {
        if taps > 1 { Together { tiles: 2, blocks: 1 } } else { Together { tiles: 1, blocks: 2 } }
    }

    /// Bytes of the sums of all orders.
    pub(super) fn sums_bytes(self, format: Format) -> i64 {
        (format.orders() * self.count()) as i64 * TILE
    }

    /// Number of sums of one order.
    fn count(self) -> usize {
        self.tiles * self.blocks
    }

    /// The tile and block of each sum, in an order in which neighbours have one of them in common.
    fn pairs(self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        (0..self.tiles).flat_map(move |tile| (0..self.blocks).map(move |block| (tile, block)))
    }
}

impl Format {
    /// The pairs of digits of value and weight that are multiplied; digit 0 is the high one. Products
    /// whose digit numbers have the same total, their *order*, are accumulated in the same sum. A
    /// sum is not reused right after a product, because of its latency.
    pub(super) fn products(self) -> &'static [(usize, usize)] {
        match self.weights {
            Width::Two => &[(2, 0), (1, 0), (1, 1), (0, 1), (0, 0)],
            Width::Three => &[(2, 0), (1, 0), (1, 1), (0, 1), (0, 2), (0, 0)],
        }
    }

    /// The number of sums of an output: one for each order.
    fn orders(self) -> usize {
        let orders = self.products().iter().map(|(value, weight)| value + weight);
        orders.max().map_or(0, |order| order + 1)
    }
}

/// The products of positions and one panel of weights. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TileProduct {
    /// The machine.
    pub(super) target: Target,
    /// How many digits numbers have.
    pub(super) format: Format,
    /// Tiles of positions.
    pub(super) tiles: usize,
    /// What is computed together.
    pub(super) together: Together,
    /// Groups of blocks of input channels.
    pub(super) groups: usize,
    /// For each tap, the distance of its position from the output's, in bytes.
    pub(super) taps: Vec<i64>,
    /// Offset of the first position in the thread's memory.
    pub(super) digits: i64,
    /// Bytes between positions, and between digits.
    pub(super) position: [i64; 2],
    /// Rows of tiles, and bytes between them in the source and in the destination.
    pub(super) rows: (usize, [i64; 2]),
    /// Bytes between groups of blocks.
    pub(super) group: i64,
    /// Bytes between blocks of outputs in the destination.
    pub(super) plane: i64,
    /// What is done to sums before they are written, if they become final results.
    pub(super) ending: Option<Ending>,
}

/// How sums become results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ending {
    /// What follows the values' scale.
    pub(super) finishing: Finishing,
    /// Bytes between the shortcut's blocks of outputs.
    pub(super) plane: i64,
    /// Positions of the last tile; the results of its other positions must not be written.
    pub(super) last: usize,
}

/// The registers of a product.
struct Registers {
    /// Sums, order by order, each with all tiles of positions and all blocks of outputs.
    sums: Vec<T>,
    value: T,
    weight: T,
    /// Distances between rows.
    value_row: P,
    row: P,
    /// The next part of the next panel to prefetch.
    ahead: P,
    /// The weights' scales, one vector per block.
    scales: Vec<V>,
    /// Biases, one vector per block, and what else is needed if sums become final results.
    biases: Vec<V>,
    ends: Option<Ends>,
    /// The next position, and the pointers to results and shortcut that advance with it.
    src: P,
    moved: Vec<P>,
    /// The weights of the sums of lower orders relative to that of the high digits.
    lower: Vec<V>,
}

/// Bytes of weights that stay in the first-level cache beside positions: all CPUs with tiles so far
/// have 48 KiB.
const STAYS_NEAR: i64 = 32 * 1024;

/// Bytes of a cache line.
const LINE: i64 = 64;

/// Rows of sums that are combined per iteration.
const AT_ONCE: usize = 4;

impl TileProduct {
    /// Positions and vectors of outputs that are computed at once.
    pub(super) fn widest(&self) -> [usize; 2] {
        [self.together.tiles.min(self.tiles) * TILE_ROWS, self.together.blocks]
    }

    /// Bytes of weights of a step: one tap and one group of blocks of input channels.
    fn step_bytes(&self) -> i64 {
        (self.format.weights.digits() * self.together.blocks) as i64 * TILE
    }

    /// Lines of the next panel that each step prefetches into the second-level cache, so that the
    /// panel is there when it is needed.
    fn lines_ahead(&self) -> i64 {
        let turns = self.tiles.div_ceil(self.together.tiles) * self.rows.0;
        ((self.step_bytes() / LINE) as usize).div_ceil(turns) as i64
    }

    /// Lines of the next step's weights that each step prefetches: all of them if positions are
    /// near and weights are not because a panel is too large to stay in the first-level cache.
    fn lines_next(&self) -> i64 {
        let far = self.panel_bytes() > STAYS_NEAR && self.taps.len() > 1;
        if far { self.step_bytes() / LINE } else { 0 }
    }

    /// Bytes of a panel.
    fn panel_bytes(&self) -> i64 {
        (self.groups * self.taps.len()) as i64 * self.step_bytes()
    }

    /// Arguments: the panel, its [`CONSTANTS`], the thread's memory, the result, the shortcut if
    /// there is one, and the place where the abs-max is published, if it is.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let finishing = self.ending.map(|ending| ending.finishing);
        let residual = finishing.is_some_and(|f| f.residual);
        let args = 4 + finishing.map_or(0, |f| f.args());
        let mut b = Builder::new(name, self.target, args);
        let (panel, constants, thread) = (b.arg(0), b.arg(1), b.arg(2));
        let place = b.arg(args - 1);
        let registers = Registers {
            sums: b.tiles(self.format.orders() * self.together.count()),
            value: b.tiles(1)[0],
            weight: b.tiles(1)[0],
            value_row: b.number(self.position[0]),
            row: b.number(ROW),
            ahead: b.pointer(panel),
            scales: b.vectors(self.together.blocks),
            lower: b.vectors(self.format.orders() - 1),
            biases: b.vectors(finishing.map_or(0, |_| self.together.blocks)),
            ends: finishing.map(|f| f.begin(&mut b, thread, place)),
            src: b.pointer(thread),
            moved: [b.arg(3)].into_iter().chain(residual.then(|| b.arg(4))).collect(),
        };
        b.advance(registers.src, self.digits);
        for (i, &scale) in registers.scales.iter().enumerate() {
            b.load(scale, constants.at(i as i64 * CONSTANTS));
        }
        for (i, &bias) in registers.biases.iter().enumerate() {
            b.load(bias, constants.at(i as i64 * CONSTANTS + BIAS));
        }
        for (&lower, order) in registers.lower.iter().zip(1..) {
            b.constant(lower, 0.5f32.powi(order * DIGIT_BITS as i32));
        }
        b.advance(registers.ahead, self.panel_bytes());
        let (rows, [from, to]) = self.rows;
        b.repeat(Count::Fixed(rows as u32), |b| {
            let positions = self.row(b, &registers) as i64;
            if rows > 1 {
                let tiles = (self.tiles * TILE_ROWS) as i64 * self.position[0];
                b.advance(registers.src, from - tiles);
                b.advance(b.arg(3), to - positions * ROW);
            }
        });
        if let (Some(finishing), Some(ends)) = (finishing, &registers.ends) {
            finishing.end(&mut b, ends, place);
        }
        b.finish()
    }

    /// A row of tiles. Returns the number of positions by which the result's place was advanced.
    fn row(&self, b: &mut Builder, registers: &Registers) -> usize {
        let mut run = |turns: usize, tiles: usize, rows: usize| {
            let together = Together { tiles, ..self.together };
            b.repeat(Count::Fixed(turns as u32), |b| {
                self.sums(b, registers, together);
                self.results(b, registers, together, rows);
            });
        };
        match self.ending {
            // Tiles whose sums become final results are computed one at a time.
            Some(ending) => {
                run(self.tiles - 1, 1, TILE_ROWS);
                run(1, 1, ending.last);
                (self.tiles - 1) * TILE_ROWS + ending.last
            }
            None => {
                run(self.tiles / self.together.tiles, self.together.tiles, TILE_ROWS);
                match self.tiles % self.together.tiles {
                    0 => {}
                    rest => run(1, rest, TILE_ROWS),
                }
                self.tiles * TILE_ROWS
            }
        }
    }

    /// All sums of some tiles of positions; advances the source past them.
    fn sums(&self, b: &mut Builder, registers: &Registers, together: Together) {
        let (src, panel, place) = (registers.src, b.arg(0), b.arg(2));
        let sums = &registers.sums[..self.format.orders() * together.count()];
        sums.iter().for_each(|&sum| b.tile_zero(sum));
        let (values, weights) = (b.pointer(src), b.pointer(panel));
        let step = self.step_bytes();
        b.repeat(Count::Fixed(self.groups as u32), |b| {
            for (i, &tap) in self.taps.iter().enumerate() {
                let at = [tap, i as i64 * step];
                self.step(b, registers, together, [values, weights], at);
            }
            b.advance(values, self.group);
            b.advance(weights, self.taps.len() as i64 * step);
        });
        b.release_pointer(values);
        b.release_pointer(weights);
        for (i, &sum) in sums.iter().enumerate() {
            b.tile_store(place.at(SUMS + i as i64 * TILE), sum, registers.row);
        }
        b.advance(src, (together.tiles * TILE_ROWS) as i64 * self.position[0]);
    }

    /// All products of one step. Only one factor changes from one product to the next.
    fn step(
        &self,
        b: &mut Builder,
        registers: &Registers,
        together: Together,
        [values, weights]: [P; 2],
        [value_at, weight_at]: [i64; 2],
    ) {
        let (mut held_value, mut held_weight) = (None, None);
        let products = self.format.products();
        for (i, &(value, weight)) in products.iter().enumerate() {
            let pairs: Vec<_> = match i % 2 {
                0 => together.pairs().collect(),
                _ => together.pairs().rev().collect(),
            };
            for (tile, block) in pairs {
                if held_value.replace((value, tile)) != Some((value, tile)) {
                    let [row, digit] = self.position;
                    let place = (tile * TILE_ROWS) as i64 * row + value as i64 * digit;
                    let place = values.at(value_at + place);
                    b.tile_load(registers.value, place, registers.value_row);
                }
                if held_weight.replace((weight, block)) != Some((weight, block)) {
                    let place = (weight * together.blocks + block) as i64 * TILE;
                    let place = weights.at(weight_at + place);
                    b.tile_load(registers.weight, place, registers.row);
                }
                let sum = together.count() * (value + weight) + tile * together.blocks + block;
                b.tile_dot(Bytes::Signed, registers.sums[sum], registers.value, registers.weight);
            }
            let share = |lines: i64| {
                let upto = move |i: usize| lines * i as i64 / products.len() as i64;
                upto(i)..upto(i + 1)
            };
            for line in share(self.lines_next()) {
                let next = weight_at + self.step_bytes() + line * LINE;
                b.prefetch(weights.at(next), Cache::First);
            }
            for line in share(self.lines_ahead()) {
                b.prefetch(registers.ahead.at(line * LINE), Cache::Second);
            }
        }
        b.advance(registers.ahead, self.lines_ahead() * LINE);
    }

    /// The sums of the first rows of some tiles as numbers, without the scale of the values unless
    /// they become final results; advances the result's place past them.
    fn results(&self, b: &mut Builder, registers: &Registers, together: Together, rows: usize) {
        let from = b.pointer(b.arg(2));
        let moved: Vec<P> = [from].into_iter().chain(registers.moved.iter().copied()).collect();
        let run = |b: &mut Builder, turns: usize, rows: usize| {
            b.repeat(Count::Fixed(turns as u32), |b| {
                self.rows(b, registers, together, from, rows);
                moved.iter().for_each(|&p| b.advance(p, rows as i64 * ROW));
            });
        };
        run(b, rows / AT_ONCE, AT_ONCE);
        run(b, (rows % AT_ONCE).min(1), rows % AT_ONCE);
        b.advance(b.arg(3), (together.tiles - 1) as i64 * TILE);
        b.release_pointer(from);
    }

    fn rows(
        &self,
        b: &mut Builder,
        registers: &Registers,
        together: Together,
        from: P,
        rows: usize,
    ) {
        for (pair, (tile, block)) in together.pairs().enumerate() {
            let sums: Vec<V> = (0..rows as i64)
                .map(|row| {
                    let place = |order: usize| {
                        let sum = (order * together.count() + pair) as i64;
                        from.at(SUMS + sum * TILE + row * ROW)
                    };
                    self.sum(b, registers, block, place)
                })
                .collect();
            let at = |plane: i64, row: usize| {
                block as i64 * plane + tile as i64 * TILE + row as i64 * ROW
            };
            if let (Some(ending), Some(ends)) = (&self.ending, &registers.ends) {
                let shortcut = |row: usize| Some(registers.moved.get(1)?.at(at(ending.plane, row)));
                ending.finishing.emit(b, ends, &sums, registers.biases[block], shortcut);
            }
            for (row, &sum) in sums.iter().enumerate() {
                b.store(b.arg(3).at(at(self.plane, row)), sum);
            }
            b.release(sums);
        }
    }

    /// The weighted total of a row's sums of all orders, times the scale of the weights.
    fn sum(
        &self,
        b: &mut Builder,
        registers: &Registers,
        block: usize,
        place: impl Fn(usize) -> Mem,
    ) -> V {
        let [sum, other] = [b.vector(), b.vector()];
        b.load(sum, place(0));
        b.from_integer(sum, sum);
        for (&lower, order) in registers.lower.iter().zip(1..) {
            b.load(other, place(order));
            b.from_integer(other, other);
            b.multiply_add(sum, other, lower);
        }
        b.arith(Arith::Mul, sum, sum, registers.scales[block]);
        b.release([other]);
        sum
    }
}
