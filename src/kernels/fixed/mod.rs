//! Convolution by tile registers: numbers with a fixed point, as three signed bytes each, and six of the nine products.
//!
//! A matrix product of floats by products of small integers is Ozaki's scheme (Ozaki, Ogita, Oishi, Rump, "Error-free
//! transformations of matrix multiplication by using fast routines of matrix multiplication and its applications", Numerical
//! Algorithms 59, 2012; on units for integers: Ootomo, Ozaki, Yokota, "DGEMM on integer matrix multiplication unit", 2024).
//!
//! | room | holds |
//! |---|---|
//! | `number` | numbers with a fixed point |
//! | `cost` | what it takes, and how a layer is cut into blocks |
//! | `range` | the greatest magnitude of an image |
//! | `split` | values to their digits |
//! | `spread` | which weights are not to be such numbers |
//! | `product` | the products, as a tile program |
//! | `finish` | bias, shortcut and activation |
//! | `pack` | weights as digits |
//!
//! All values of an image share a power of two, and all weights of an output. What is rounded away of a factor is below
//! `2^-23` of the power of the greatest, and the three products of digits that are left out are below `2^-21` of both
//! powers; all sums are exact until they are numbers again. The image's greatest magnitude is a region of its own, whose
//! chunks each look at a part and leave what they find in the step's scratch memory.
//!
//! A chunk of the second region is some rows of an image and some outputs. It brings the digits of all pixels that it sees
//! into the thread's own memory, row behind row, so that a tap is nothing but a distance: 16 positions from anywhere on
//! are a tile. What such a tile computes between the end of a row and the beginning of the next is never read. Where the
//! window strides, rows and columns that fall on the same remainder are a picture of their own, a *phase*.

use resnetc_ir::op::{Conv, Residual, Window};

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::TILE_ROWS;

use super::KernelError;
use super::conv::pack::Weights;
use super::conv::{Operands, problem, start};
use super::geometry::{Place, Strides};
use super::sink::{ARENA, Levels, Pointer, Sink, THREAD, WEIGHTS};

mod cost;
mod finish;
mod number;
mod pack;
mod product;
mod range;
mod split;
mod spread;

use cost::Cut;
use finish::{Epilogue, Finish};
use number::DIGITS;
use product::{Ending, ORDERS, Product, Together};
use range::{Greatest, Scale};
use split::Split;
pub(super) use spread::is_even;

/// Channels of a block.
const BLOCK: usize = 16;

/// Blocks whose channels' bytes share a lane.
const GROUP_BLOCKS: usize = 4;

/// Channels whose digits share a row of a tile.
const GROUP: usize = GROUP_BLOCKS * BLOCK;

/// Bytes of one digit of a group of blocks: a row of a tile.
const ROW: i64 = 64;

/// Bytes of a vector of 16 lanes.
const LANES_BYTES: i64 = 64;

/// Bytes of a block of outputs' constants: their weights' powers, and from [`BIAS`] on biases.
const CONSTANTS: i64 = 2 * LANES_BYTES;
const BIAS: i64 = LANES_BYTES;

/// What is where in a thread's memory: from the beginning what values are multiplied by, then their power, then the sums of
/// what is computed together.
const POWER: i64 = LANES_BYTES;
const SUMS: i64 = 2 * LANES_BYTES;

/// Bytes of a position: all digits of a group of blocks.
const POSITION: i64 = DIGITS as i64 * ROW;

/// Bytes of a tile.
const TILE: i64 = TILE_ROWS as i64 * ROW;

/// The most bytes that a displacement in the code may span.
const FARTHEST: i64 = 1 << 30;

/// The most products that a sum of 32 bits can take, three for each weight, all as large as can be.
const MOST_WEIGHTS: usize = (1 << 31) / (3 << 14) - 1;

/// Into how many parts an image's blocks of channels are cut at most for its greatest magnitude: so many that all threads
/// have some, and few for those who put them together.
const MOST_PARTS: usize = 8;

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
        if form.groups() * GROUP * form.taps.len() > MOST_WEIGHTS {
            return Err("it has more weights an output than sums of 32 bits can take");
        }
        match form.memory(rows).end <= FARTHEST {
            true => Ok(form),
            false => Err("its digits would be too large"),
        }
    }

    /// Groups of blocks of input channels.
    fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// Parts of an image whose greatest magnitudes are taken one by one: of its whole blocks of channels, and the last one.
    fn parts(&self) -> Vec<Part> {
        let (blocks, rest) = (self.inputs / BLOCK, self.inputs % BLOCK);
        let count = blocks.min(MOST_PARTS);
        let whole = Part { first: 0, count, blocks, live: BLOCK };
        let last = Part { first: blocks, count: 1, blocks: 1, live: rest };
        [whole, last].into_iter().filter(|part| part.count > 0 && part.live > 0).collect()
    }

    /// How many there are of them.
    fn part_count(&self) -> usize {
        self.parts().iter().map(|part| part.count).sum()
    }

    /// Bytes of scratch memory: the greatest magnitudes of all parts, lane by lane.
    pub(super) fn scratch_bytes(&self) -> usize {
        self.images * self.part_count() * LANES_BYTES as usize
    }

    /// Blocks of 16 outputs.
    fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// What is computed together.
    fn together(&self) -> Together {
        Together::of(self.taps.len())
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
        let group = (self.tiles(rows) * TILE_ROWS + farthest) as i64 * POSITION;
        let phase = self.groups() as i64 * group;
        let together = self.together();
        let digits = SUMS + (ORDERS * together.tiles * together.blocks) as i64 * TILE;
        // All distances are whole positions, and so whole cache lines.
        let sums = digits + self.phases.len() as i64 * phase;
        let sum = self.tiles(rows) as i64 * TILE;
        Memory { digits, group, phase, sums, sum, end: sums + together.blocks as i64 * sum }
    }

    /// Lowers the convolution to two regions.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    pub fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        scratch: i64,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let cut = self.cut(&sink.machine);
        let constants = sink.pack(pack::len(self), move |out| pack::fill(&weights, out));
        let layer = Layer { form: self, conv, operands, scratch, constants };
        let parts = self.parts().into_iter().map(|part| layer.greatest(part, sink));
        let parts = parts.collect::<Result<_, _>>()?;
        let stripes = stripes(self.size[0], cut.rows);
        let stripes = stripes.into_iter().map(|stripe| layer.piece(stripe, cut, sink));
        Ok(vec![parts, stripes.collect::<Result<_, _>>()?])
    }
}

/// `count` parts of as many blocks of channels each, of `blocks` from block `first` on, with `live` channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    first: usize,
    count: usize,
    blocks: usize,
    live: usize,
}

/// Byte distances in the memory of a thread: digits as `[phase][group][position][digit]`, and the results of some blocks of
/// outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    /// Where digits are.
    digits: i64,
    group: i64,
    phase: i64,
    /// Where the results are.
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
    /// Where in the arena the greatest magnitudes are.
    scratch: i64,
    /// Where the constants of all blocks of outputs are; the panels stand behind them.
    constants: i64,
}

impl Layer<'_> {
    fn name(&self, step: &str) -> String {
        let problem = problem(self.operands.src, self.form.outputs, self.conv);
        format!("fixed point {step} {problem}")
    }

    /// The greatest magnitudes of some parts of each image.
    fn greatest(&self, part: Part, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let geometry = &self.operands.src.geometry;
        let src = geometry.strides();
        let [_, _, rows, columns] = geometry.nchw();
        let dense = src.row == columns as i64 * src.pixel;
        let size = if dense { [1, rows * columns] } else { [rows, columns] };
        let kernel = Greatest {
            target: sink.machine.target,
            size,
            strides: [src.plane, src.row, src.pixel],
            live: part.live,
        };
        let name = self.name("range");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let found = self.scratch + part.first.min(MOST_PARTS) as i64 * LANES_BYTES;
        let first = self.operands.src.origin() + part.first as i64 * src.plane;
        let mut levels =
            Levels::new([Pointer::new(self.operands.src.base, first), Pointer::new(ARENA, found)]);
        levels.chunk(form.images, [src.image, form.part_count() as i64 * LANES_BYTES]);
        let blocks = part.blocks.div_ceil(part.count);
        let level = levels.chunk(part.count, [blocks as i64 * src.plane, LANES_BYTES]);
        let rest = Extent::Rest { level, per: blocks as u32, total: part.blocks as u32 };
        Ok(levels.piece(kernel, &[rest]))
    }

    /// One chunk an image, a stripe, and a group of outputs.
    fn piece(&self, stripe: Stripe, cut: Cut, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        sink.reserve(form.memory(stripe.rows).end as usize);
        let wide = form.together().blocks;
        let grid = Grid { stripe, parts: cut.parts, panels: form.blocks() / wide / cut.parts };
        let mut items = vec![self.scale(&grid, sink)?];
        items.extend(self.split(&grid, sink)?);
        if grid.panels > 0 {
            let panel = self.panel(&grid, wide, sink)?;
            items.push(Item::Repeat { count: grid.panels as u32, items: panel });
        }
        let rest = form.blocks() % wide;
        if rest > 0 {
            items.push(Item::Repeat { count: 1, items: self.panel(&grid, rest, sink)? });
        }
        let chunks = vec![form.images as u32, stripe.count as u32, cut.parts as u32];
        Ok(Piece { chunks, items })
    }

    /// What the image's values are multiplied by, and their power.
    fn scale(&self, grid: &Grid, sink: &mut Sink) -> Result<Item, KernelError> {
        let form = self.form;
        let kernel = Scale { target: sink.machine.target, parts: form.part_count() };
        let name = self.name("scale");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let mut levels = Levels::new([Pointer::new(ARENA, self.scratch), Pointer::new(THREAD, 0)]);
        levels.chunk(form.images, [form.part_count() as i64 * LANES_BYTES, 0]);
        levels.chunk(grid.stripe.count, [0; 2]);
        levels.chunk(grid.parts, [0; 2]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The source, as digits.
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
            for (first, count, channels) in runs(form.inputs) {
                let kernel = Split {
                    target: sink.machine.target,
                    positions: columns,
                    pixel: across * src.pixel,
                    plane: src.plane,
                    channels,
                };
                let name = self.name("split");
                let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
                let (first, stripe) = (first as i64, grid.stripe);
                let above = stripe.first as i64 * down * src.row;
                let plane = GROUP_BLOCKS as i64 * src.plane;
                let place = memory.digits + i as i64 * memory.phase + first * memory.group;
                let mut levels = Levels::new([
                    Pointer::new(self.operands.src.base, first_pixel + above + first * plane),
                    Pointer::new(THREAD, place),
                    Pointer::new(THREAD, 0),
                ]);
                levels.chunk(form.images, [src.image, 0, 0]);
                levels.chunk(stripe.count, [stripe.rows as i64 * down * src.row, 0, 0]);
                levels.chunk(grid.parts, [0; 3]);
                levels.inner(Extent::Fixed(count as u32), [plane, memory.group, 0]);
                let row = [down * src.row, form.pitch as i64 * POSITION, 0];
                levels.inner(Extent::Fixed(rows as u32), row);
                items.push(Item::Call(levels.call(kernel, &[])));
            }
        }
        Ok(items)
    }

    /// The results of all positions and one panel of `blocks` blocks of outputs.
    fn panel(&self, grid: &Grid, blocks: usize, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        // Where the first panel of this form is; smaller ones stand behind all others.
        let form = self.form;
        let before = if blocks < form.together().blocks { form.blocks() - blocks } else { 0 };
        let panel = Panel { blocks, before };
        match self.is_one_row(grid.stripe) && form.together().tiles == 1 {
            true => Ok(vec![self.product(grid, panel, true, sink)?]),
            false => {
                Ok(vec![self.product(grid, panel, false, sink)?, self.finish(grid, panel, sink)?])
            }
        }
    }

    /// Whether rows follow each other in result and shortcut as they do in tiles.
    fn is_one_row(&self, stripe: Stripe) -> bool {
        let row = self.form.size[1] as i64 * ROW;
        let same = |place: &Place| stripe.rows == 1 || place.geometry.strides().row == row;
        let pitch = stripe.rows == 1 || self.form.pitch == self.form.size[1];
        pitch && same(self.operands.dst) && same(self.shortcut())
    }

    /// The shortcut, or the result where there is none.
    fn shortcut(&self) -> &Place {
        self.operands.residual.map_or(self.operands.dst, |added| added.place)
    }

    fn epilogue(&self) -> Epilogue {
        Epilogue { residual: self.operands.residual.is_some(), activation: self.conv.activation }
    }

    /// The sums of products, or all that is to become of them.
    fn product(
        &self,
        grid: &Grid,
        panel: Panel,
        ends: bool,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        let (dst, res) = (self.operands.dst.geometry.strides(), self.shortcut().geometry.strides());
        let positions = form.positions(stripe.rows);
        let ending = ends.then(|| Ending {
            epilogue: self.epilogue(),
            plane: res.plane,
            last: (positions - 1) % TILE_ROWS + 1,
        });
        let product = Product {
            target: sink.machine.target,
            tiles: form.tiles(stripe.rows),
            together: Together { blocks: panel.blocks, ..form.together() },
            groups: form.groups(),
            taps: form
                .taps
                .iter()
                .map(|tap| tap.phase as i64 * memory.phase + form.distance(tap) as i64 * POSITION)
                .collect(),
            group: memory.group,
            plane: if ends { dst.plane } else { memory.sum },
            ending,
        };
        let weights = pack::block_bytes(form);
        let panels = self.constants + form.blocks() as i64 * CONSTANTS;
        let before = panel.before as i64;
        let name = self.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.digits),
            Pointer::new(WEIGHTS, panels + before * weights),
            Pointer::new(WEIGHTS, self.constants + before * CONSTANTS),
            match ends {
                true => self.results(self.operands.dst, panel, stripe),
                false => Pointer::new(THREAD, memory.sums),
            },
            Pointer::new(THREAD, 0),
            self.results(self.shortcut(), panel, stripe),
        ]);
        let (dst, res) = if ends { (Some(dst), Some(res)) } else { (None, None) };
        let of = |strides: Option<Strides>, which: fn(Strides) -> i64| strides.map_or(0, which);
        let images = [0, 0, 0, of(dst, |s| s.image), 0, of(res, |s| s.image)];
        levels.chunk(form.images, images);
        let down = stripe.rows as i64;
        let rows = [0, 0, 0, of(dst, |s| s.row), 0, of(res, |s| s.row)];
        levels.chunk(stripe.count, rows.map(|bytes| bytes * down));
        let block = [0, weights, CONSTANTS, of(dst, |s| s.plane), 0, of(res, |s| s.plane)];
        let next = block.map(|bytes| bytes * panel.blocks as i64);
        levels.chunk(grid.parts, next.map(|bytes| bytes * grid.panels as i64));
        levels.repeat(next);
        levels.pass_if(5, ends && self.epilogue().residual);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The first of a panel's results, or of what they are added to.
    fn results(&self, place: &Place, panel: Panel, stripe: Stripe) -> Pointer {
        let strides = place.geometry.strides();
        let offset = panel.before as i64 * strides.plane + stripe.first as i64 * strides.row;
        Pointer::new(place.base, place.origin() + offset)
    }

    /// The values' power, bias, shortcut and activation of a panel's sums.
    fn finish(&self, grid: &Grid, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        let (dst, res) = (self.operands.dst.geometry.strides(), self.shortcut().geometry.strides());
        let [mut rows, mut columns] = [stripe.rows, form.size[1]];
        if self.is_one_row(stripe) {
            (rows, columns) = (1, rows * columns);
        }
        let target = sink.machine.target;
        let finish = Finish { target, positions: columns, epilogue: self.epilogue() };
        let name = self.name("finish");
        let kernel = sink.program(&name, format!("{finish:?}"), |n| finish.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.sums),
            Pointer::new(WEIGHTS, self.constants + panel.before as i64 * CONSTANTS),
            Pointer::new(THREAD, 0),
            self.results(self.operands.dst, panel, stripe),
            self.results(self.shortcut(), panel, stripe),
        ]);
        levels.chunk(form.images, [0, 0, 0, dst.image, res.image]);
        let down = stripe.rows as i64;
        levels.chunk(stripe.count, [0, 0, 0, down * dst.row, down * res.row]);
        let next = [0, CONSTANTS, 0, dst.plane, res.plane].map(|s| s * panel.blocks as i64);
        levels.chunk(grid.parts, next.map(|bytes| bytes * grid.panels as i64));
        levels.repeat(next);
        let block = [memory.sum, CONSTANTS, 0, dst.plane, res.plane];
        levels.inner(Extent::Fixed(panel.blocks as u32), block);
        let row = [form.pitch as i64 * ROW, 0, 0, dst.row, res.row];
        levels.inner(Extent::Fixed(rows as u32), row);
        levels.pass_if(4, self.epilogue().residual);
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}

/// Outputs that are computed together.
#[derive(Clone, Copy, Debug)]
struct Panel {
    /// How many blocks.
    blocks: usize,
    /// How many blocks stand before the first panel that is like this one.
    before: usize,
}

/// How the chunks of a piece are cut.
struct Grid {
    stripe: Stripe,
    /// Parts of the outputs.
    parts: usize,
    /// Whole panels of a part.
    panels: usize,
}

/// Runs of groups of blocks that are split in the same way: the first, how many, how many channels each has.
fn runs(inputs: usize) -> Vec<(usize, usize, usize)> {
    let (whole, rest) = (inputs / GROUP, inputs % GROUP);
    let runs = [(0, whole, GROUP), (whole, 1, rest)];
    runs.into_iter().filter(|(_, count, channels)| *count > 0 && *channels > 0).collect()
}
