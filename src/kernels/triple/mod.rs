//! Convolution by tile registers: every f32 as a sum of three bfloat16, and six of the nine products (Henry, Tang and
//! Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations", ARITH 2019).
//!
//! | room | holds |
//! |---|---|
//! | `cost` | what it takes, and how a layer is cut into blocks |
//! | `split` | values to their three parts, as a vector program |
//! | `product` | the products, as a tile program |
//! | `finish` | bias, shortcut and activation |
//! | `pack` | weights in three parts |
//!
//! A number's 24 bits are three times eight: `x = high + middle + low`, without error. The three products that are left
//! out are below `2^-20` of the whole product. Parts lie in pairs of channels, one of each of two blocks of 16, as a tile's
//! row wants them.
//!
//! A chunk is some rows of an image and some outputs. It brings the parts of all pixels that it sees into the thread's own
//! memory, row behind row, so that a tap is nothing but a distance: 16 positions from anywhere on are a tile. What such a
//! tile computes between the end of a row and the beginning of the next is never read. Where the window strides, rows and
//! columns that fall on the same remainder are a picture of their own, a *phase*.

use resnetc_ir::op::{Conv, Residual, Window};

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::TILE_ROWS;

use super::KernelError;
use super::conv::pack::Weights;
use super::conv::{Operands, problem, start};
use super::geometry::F32;
use super::sink::{Levels, Pointer, Sink, THREAD, WEIGHTS};

mod cost;
mod finish;
mod pack;
mod product;
mod split;

use cost::Cut;
use finish::Finish;
use product::{PANEL_BLOCKS, Product};
use split::{Split, Tail};

/// Parts of a number.
const PARTS: i64 = 3;

/// Channels of a block.
const BLOCK: usize = 16;

/// Channels whose parts share a row of a tile: two blocks.
const PAIR: usize = 2 * BLOCK;

/// Bytes of one part of a pair of blocks: a row of a tile.
const PART: i64 = 64;

/// Bytes of a position: all parts of a pair of blocks.
const POSITION: i64 = PARTS * PART;

/// Bytes of a tile.
const TILE: i64 = TILE_ROWS as i64 * PART;

/// The most bytes that a displacement in the code may span.
const FARTHEST: i64 = 1 << 30;

/// Pixels of the source whose row and column leave the same remainders when divided by the strides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Phase {
    /// The remainders.
    remainder: [usize; 2],
    /// Rows and columns past the last output's that taps see.
    beyond: [usize; 2],
}

/// What a tap of the window sees: `(row, column)` of `phase` for the output of that row and column, so much further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tap {
    phase: usize,
    distance: [usize; 2],
}

/// A convolution as tiles see it.
#[derive(Clone, Debug)]
pub struct Form {
    images: usize,
    inputs: usize,
    outputs: usize,
    /// Rows and columns of the result.
    size: [usize; 2],
    strides: [usize; 2],
    phases: Vec<Phase>,
    taps: Vec<Tap>,
    /// Positions from a row to the next.
    pitch: usize,
}

impl Form {
    /// The form of a convolution of these shapes, if there is one; else why not.
    ///
    /// # Errors
    /// The reason for which only other algorithms remain.
    pub fn of(
        conv: &Conv,
        src: [usize; 4],
        residual: Option<[usize; 4]>,
        dst: [usize; 4],
    ) -> Result<Form, &'static str> {
        let [_, inputs, ..] = src;
        let [images, outputs, rows, columns] = dst;
        if conv.groups != 1 {
            return Err("its channels are grouped");
        }
        if conv.residual.is_some_and(|r| r != Residual::PLAIN || residual != Some(dst)) {
            return Err("its shortcut covers a part of the result");
        }
        if rows == 0 || columns == 0 || images == 0 || inputs == 0 || outputs == 0 {
            return Err("it has no elements");
        }
        let (phases, taps) = phases(&conv.window);
        let across = phases.iter().map(|p| p.beyond[1]).max().unwrap_or(0);
        let form = Form {
            images,
            inputs,
            outputs,
            size: [rows, columns],
            strides: conv.window.strides,
            phases,
            taps,
            pitch: columns + across,
        };
        match form.memory(rows).end <= FARTHEST {
            true => Ok(form),
            false => Err("its values in three parts would be too large"),
        }
    }

    /// Pairs of blocks of input channels.
    fn pairs(&self) -> usize {
        self.inputs.div_ceil(PAIR)
    }

    /// Blocks of 16 outputs.
    fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Positions from the first output of `rows` rows to the last.
    fn positions(&self, rows: usize) -> usize {
        (rows - 1) * self.pitch + self.size[1]
    }

    /// Tiles of 16 positions.
    fn tiles(&self, rows: usize) -> usize {
        self.positions(rows).div_ceil(TILE_ROWS)
    }

    /// How far a tap is from its phase's first position.
    fn distance(&self, tap: &Tap) -> usize {
        tap.distance[0] * self.pitch + tap.distance[1]
    }

    /// Where a chunk of `rows` rows has what in its thread's memory.
    fn memory(&self, rows: usize) -> Memory {
        let farthest = self.taps.iter().map(|tap| self.distance(tap)).max().unwrap_or(0);
        let pair = (self.tiles(rows) * TILE_ROWS + farthest) as i64 * POSITION;
        let phase = self.pairs() as i64 * pair;
        // All distances are whole positions, and so whole cache lines.
        let sums = self.phases.len() as i64 * phase;
        let sum = self.tiles(rows) as i64 * TILE;
        Memory { pair, phase, sums, sum, end: sums + PANEL_BLOCKS as i64 * sum }
    }

    /// Lowers the convolution.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    pub fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let cut = self.cut(&sink.machine);
        let biases = weights.pack_biases(sink);
        let panels = sink.pack(pack::len(self), move |out| pack::fill(&weights, out));
        let layer = Layer { form: self, conv, operands, biases, panels };
        let stripes = stripes(self.size[0], cut.rows);
        stripes.into_iter().map(|stripe| layer.piece(stripe, cut, sink)).collect()
    }
}

/// Byte distances in the memory of a thread: `[phase][pair][position][part]`, and the sums of some blocks of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    pair: i64,
    phase: i64,
    /// Where the sums are.
    sums: i64,
    /// From a block of outputs to the next.
    sum: i64,
    end: i64,
}

/// The phases of a window, and what its taps see, row by row.
fn phases(window: &Window) -> (Vec<Phase>, Vec<Tap>) {
    let (mut phases, mut taps): (Vec<Phase>, _) = (Vec::new(), Vec::new());
    for y in 0..window.kernel[0] {
        for x in 0..window.kernel[1] {
            let far = [y * window.dilations[0], x * window.dilations[1]];
            let remainder = std::array::from_fn(|axis| far[axis] % window.strides[axis]);
            let distance = std::array::from_fn(|axis| far[axis] / window.strides[axis]);
            let known = phases.iter().position(|p| p.remainder == remainder);
            let phase = known.unwrap_or_else(|| {
                phases.push(Phase { remainder, beyond: [0; 2] });
                phases.len() - 1
            });
            let beyond = phases[phase].beyond;
            phases[phase].beyond = std::array::from_fn(|axis| beyond[axis].max(distance[axis]));
            taps.push(Tap { phase, distance });
        }
    }
    (phases, taps)
}

/// `count` times `rows` rows of an image, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stripe {
    first: usize,
    rows: usize,
    count: usize,
}

fn stripes(total: usize, rows: usize) -> Vec<Stripe> {
    let (count, rest) = (total / rows, total % rows);
    let whole = Stripe { first: 0, rows, count };
    let last = Stripe { first: count * rows, rows: rest, count: 1 };
    [whole, last].into_iter().filter(|s| s.count > 0 && s.rows > 0).collect()
}

/// A convolution in its network.
struct Layer<'a> {
    form: &'a Form,
    conv: &'a Conv,
    operands: Operands<'a>,
    biases: i64,
    panels: i64,
}

impl Layer<'_> {
    fn name(&self, step: &str) -> String {
        let problem = problem(self.operands.src, self.form.outputs, self.conv);
        format!("triple bf16 {step} {problem}")
    }

    /// One chunk an image, a stripe, and a group of outputs.
    fn piece(&self, stripe: Stripe, cut: Cut, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        sink.reserve(form.memory(stripe.rows).end as usize);
        let grid =
            Grid { stripe, groups: cut.groups, panels: form.blocks() / PANEL_BLOCKS / cut.groups };
        let mut items = self.split(&grid, sink)?;
        if grid.panels > 0 {
            let panel = self.panel(&grid, PANEL_BLOCKS, sink)?;
            items.push(Item::Repeat { count: grid.panels as u32, items: panel });
        }
        let rest = form.blocks() % PANEL_BLOCKS;
        if rest > 0 {
            items.push(Item::Repeat { count: 1, items: self.panel(&grid, rest, sink)? });
        }
        let chunks = vec![form.images as u32, stripe.count as u32, cut.groups as u32];
        Ok(Piece { chunks, items })
    }

    /// The source, in three parts.
    fn split(&self, grid: &Grid, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let form = self.form;
        let memory = form.memory(grid.stripe.rows);
        let src = self.operands.src.geometry.strides();
        let corner = start(self.operands.src.origin(), src, &self.conv.window);
        let [down, across] = form.strides.map(|stride| stride as i64);
        let mut items = Vec::new();
        for (i, phase) in form.phases.iter().enumerate() {
            let [y, x] = phase.remainder.map(|r| r as i64);
            let first_pixel = corner + y * src.row + x * src.pixel;
            let mut rows = grid.stripe.rows + phase.beyond[0];
            let mut columns = form.size[1] + phase.beyond[1];
            // Rows that follow each other in memory as they do in tiles are one long row.
            if src.row * down == columns as i64 * across * src.pixel && columns == form.pitch {
                (rows, columns) = (1, rows * columns);
            }
            for (first, count, tail) in pairs(form.inputs) {
                let kernel = Split {
                    target: sink.machine.target,
                    positions: columns,
                    pixel: across * src.pixel,
                    plane: src.plane,
                    tail,
                };
                let name = self.name("split");
                let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
                let (first, stripe) = (first as i64, grid.stripe);
                let above = stripe.first as i64 * down * src.row;
                let mut levels = Levels::new([
                    Pointer::new(
                        self.operands.src.base,
                        first_pixel + above + first * 2 * src.plane,
                    ),
                    Pointer::new(THREAD, i as i64 * memory.phase + first * memory.pair),
                ]);
                levels.chunk(form.images, [src.image, 0]);
                levels.chunk(stripe.count, [stripe.rows as i64 * down * src.row, 0]);
                levels.chunk(grid.groups, [0, 0]);
                levels.inner(Extent::Fixed(count as u32), [2 * src.plane, memory.pair]);
                let row = [down * src.row, form.pitch as i64 * POSITION];
                levels.inner(Extent::Fixed(rows as u32), row);
                items.push(Item::Call(levels.call(kernel, &[])));
            }
        }
        Ok(items)
    }

    /// The products of all positions and one panel of `blocks` blocks of outputs, and what comes behind them.
    fn panel(&self, grid: &Grid, blocks: usize, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let form = self.form;
        let stripe = grid.stripe;
        let memory = form.memory(stripe.rows);
        // Where the first panel of this form is; smaller ones stand behind all others.
        let before = if blocks < PANEL_BLOCKS { form.blocks() - blocks } else { 0 };
        let product = Product {
            target: sink.machine.target,
            tiles: form.tiles(stripe.rows),
            blocks,
            pairs: form.pairs(),
            taps: form
                .taps
                .iter()
                .map(|tap| tap.phase as i64 * memory.phase + form.distance(tap) as i64 * POSITION)
                .collect(),
            pair: memory.pair,
        };
        let panel = pack::block_bytes(form) * blocks as i64;
        let name = self.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let mut levels = Levels::new([
            Pointer::new(THREAD, 0),
            Pointer::new(WEIGHTS, self.panels + pack::block_bytes(form) * before as i64),
            Pointer::new(THREAD, memory.sums),
        ]);
        levels.chunk(form.images, [0; 3]);
        levels.chunk(stripe.count, [0; 3]);
        levels.chunk(grid.groups, [0, panel * grid.panels as i64, 0]);
        levels.repeat([0, panel, 0]);
        let product = Item::Call(levels.call(kernel, &[]));
        Ok(vec![product, self.finish(grid, blocks, before, sink)?])
    }

    /// Bias, shortcut and activation of a panel's sums.
    fn finish(
        &self,
        grid: &Grid,
        blocks: usize,
        before: usize,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.form;
        let stripe = grid.stripe;
        let memory = form.memory(stripe.rows);
        let dst = self.operands.dst.geometry.strides();
        let place = self.operands.residual.map_or(self.operands.dst, |added| added.place);
        let res = place.geometry.strides();
        let [mut rows, mut columns] = [stripe.rows, form.size[1]];
        let row = form.size[1] as i64 * PART;
        if form.pitch == columns && dst.row == row && res.row == row {
            (rows, columns) = (1, rows * columns);
        }
        let residual = self.operands.residual.is_some();
        let target = sink.machine.target;
        let finish =
            Finish { target, positions: columns, residual, activation: self.conv.activation };
        let name = self.name("finish");
        let kernel = sink.program(&name, format!("{finish:?}"), |n| finish.program(n))?;
        let start = |place: &super::geometry::Place, plane: i64, row: i64| {
            let offset = before as i64 * plane + stripe.first as i64 * row;
            Pointer::new(place.base, place.origin() + offset)
        };
        let bias = BLOCK as i64 * F32;
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.sums),
            Pointer::new(WEIGHTS, self.biases + before as i64 * bias),
            start(self.operands.dst, dst.plane, dst.row),
            start(place, res.plane, res.row),
        ]);
        let per_panel = blocks as i64;
        let per_group = per_panel * grid.panels as i64;
        let down = stripe.rows as i64;
        levels.chunk(form.images, [0, 0, dst.image, res.image]);
        levels.chunk(stripe.count, [0, 0, down * dst.row, down * res.row]);
        levels.chunk(grid.groups, [0, bias, dst.plane, res.plane].map(|s| s * per_group));
        levels.repeat([0, bias, dst.plane, res.plane].map(|s| s * per_panel));
        levels.inner(Extent::Fixed(blocks as u32), [memory.sum, bias, dst.plane, res.plane]);
        let row = [form.pitch as i64 * PART, 0, dst.row, res.row];
        levels.inner(Extent::Fixed(rows as u32), row);
        levels.pass_if(3, residual);
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}

/// How the chunks of a piece are cut.
struct Grid {
    stripe: Stripe,
    groups: usize,
    /// Whole panels of a group.
    panels: usize,
}

/// Runs of pairs of blocks that are split in the same way: the first, how many, what is missing of the last channels.
fn pairs(inputs: usize) -> Vec<(usize, usize, Tail)> {
    let (whole, rest) = (inputs / PAIR, inputs % PAIR);
    let tail = (whole, 1, Tail { first: rest.min(BLOCK), second: rest.saturating_sub(BLOCK) });
    let whole = (0, whole, Tail { first: BLOCK, second: BLOCK });
    [whole, tail].into_iter().filter(|(_, count, tail)| *count > 0 && tail.first > 0).collect()
}
