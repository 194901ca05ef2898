//! Convolutions of a planar picture of few channels, as a network begins with.
//!
//! A group of 64 channels would be mostly empty. Here the 64 bytes of a tile's row are a stretch of a row of the picture, in
//! which each pixel has four bytes, one a channel; where the window strides by two rows, it has those of two rows. The
//! windows of neighbouring outputs overlap in memory, so a tile's rows are only so far apart as the window strides. A step
//! of the sum is as many rows of the window as a pixel has; what of the 64 bytes lies past the window meets weights of 0.

use resnetc_ir::op::Conv;

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::TILE_ROWS;
use crate::kernels::KernelError;
use crate::kernels::conv::pack::Weights;
use crate::kernels::conv::{Operands, problem, start};
use crate::kernels::geometry::F32;
use crate::kernels::sink::{ARENA, Levels, Machine, Pointer, Sink, THREAD, WEIGHTS};

use super::cost;
use super::finish::Epilogue;
use super::number::DIGITS;
use super::pack::Panels;
use super::product::{Ending, Product, Together};
use super::range::{Greatest, Kept, Ranges};
use super::split_rows::SplitRows;
use super::{
    BLOCK, CONSTANTS, FARTHEST, GROUP_BLOCKS, LANES_BYTES, MOST_WEIGHTS, ROW, SUMS, Shared,
};

/// The most rows that share a pixel's bytes.
const MOST_ROWS: usize = 2;

/// What is computed together: weights are near.
const TOGETHER: Together = Together { tiles: 1, blocks: 2 };

/// A convolution of few channels as tiles see it.
#[derive(Clone, Debug)]
pub struct Narrow {
    images: usize,
    inputs: usize,
    outputs: usize,
    /// Rows and columns of the source.
    source: [usize; 2],
    /// Rows and columns of the result.
    size: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
}

impl Narrow {
    /// The form of a convolution of these shapes, if there is one; else why not.
    ///
    /// # Errors
    /// The reason for which only other algorithms remain.
    pub fn of(conv: &Conv, src: [usize; 4], dst: [usize; 4]) -> Result<Narrow, &'static str> {
        let [_, inputs, h, w] = src;
        let [images, outputs, rows, columns] = dst;
        let window = &conv.window;
        if conv.groups != 1 || conv.residual.is_some() || window.dilations != [1, 1] {
            return Err("it has groups, a shortcut or dilations");
        }
        if [images, inputs, outputs, rows, columns].contains(&0) || inputs > GROUP_BLOCKS {
            return Err("it has more than four channels, or no elements");
        }
        let (kernel, strides) = (window.kernel, window.strides);
        let form = Narrow {
            images,
            inputs,
            outputs,
            source: [h, w],
            size: [rows, columns],
            kernel,
            strides,
        };
        if strides[0] > MOST_ROWS || kernel[1] as i64 * form.pixel() > ROW {
            return Err("its window is too wide, or strides too far");
        }
        if w < BLOCK || form.pixels() < BLOCK {
            return Err("its rows are shorter than a vector");
        }
        let weights = form.steps() * TILE_ROWS * GROUP_BLOCKS;
        match weights <= MOST_WEIGHTS && form.memory(rows).end <= FARTHEST {
            true => Ok(form),
            false => Err("its digits or weights would be too many"),
        }
    }

    /// Rows that share a pixel's bytes: as many as the window strides, so that all outputs see the same ones together.
    fn together(&self) -> usize {
        self.strides[0]
    }

    /// Bytes of a pixel, of one digit.
    fn pixel(&self) -> i64 {
        (GROUP_BLOCKS * self.together()) as i64
    }

    /// Pixels of a row that windows see.
    fn pixels(&self) -> usize {
        (self.size[1] - 1) * self.strides[1] + self.kernel[1]
    }

    /// Steps of the sum.
    fn steps(&self) -> usize {
        self.kernel[0].div_ceil(self.together())
    }

    fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Tiles of a row.
    fn tiles(&self) -> usize {
        self.size[1].div_ceil(TILE_ROWS)
    }

    /// Rows of digits for so many rows of the result.
    fn rows(&self, rows: usize) -> usize {
        rows + self.steps() - 1
    }

    fn panels(&self) -> Panels {
        Panels { blocks: self.blocks(), wide: TOGETHER.blocks, steps: self.steps() }
    }

    /// Where a chunk of `rows` rows has what in its thread's memory.
    fn memory(&self, rows: usize) -> Memory {
        let line = |bytes: i64| (bytes + ROW - 1) / ROW * ROW;
        let pitch = line(self.pixels() as i64 * self.pixel());
        // The last tile of a row may begin before its end and go on far behind it.
        let behind = line((TILE_ROWS * self.strides[1]) as i64 * self.pixel() + ROW);
        let digits = SUMS + TOGETHER.sums_bytes();
        let plane = self.rows(rows) as i64 * pitch + behind;
        let apart = digits + DIGITS as i64 * plane;
        Memory { digits, pitch, plane, apart, end: apart + (MOST_ROWS * DIGITS) as i64 * ROW }
    }

    /// Rows of the result of a chunk.
    fn stripe(&self, machine: &Machine) -> usize {
        let near = machine.cache_bytes as f64 * cost::NEAR;
        let fits = |rows: &usize| self.memory(*rows).end as f64 <= near;
        let even = self.size[0].div_ceil(2 * machine.threads);
        (1..=even).rev().find(fits).unwrap_or(1)
    }

    /// Chunks of an image.
    fn stripes(&self, machine: &Machine) -> usize {
        self.size[0].div_ceil(self.stripe(machine))
    }

    /// The greatest magnitudes of all channels, from offset 0 on.
    fn ranges(&self) -> Ranges {
        Ranges { offset: 0, count: self.inputs }
    }

    /// Bytes of scratch memory: the greatest magnitudes of all channels.
    pub(in crate::kernels) fn scratch_bytes(&self) -> usize {
        self.images * self.ranges().image() as usize
    }

    /// What chunks keep of their results' range.
    fn kept(&self, machine: &Machine, offset: Option<i64>) -> Kept {
        Kept { offset, stripes: self.stripes(machine), parts: 1 }
    }

    /// Bytes of what all chunks keep of their results' range.
    pub(in crate::kernels) fn range_bytes(&self, machine: &Machine) -> usize {
        self.kept(machine, None).bytes(self.images, self.outputs)
    }

    /// Half cycles for one input channel and 16 outputs.
    pub(in crate::kernels) fn cost(&self, machine: &Machine) -> f64 {
        let rows = self.stripe(machine);
        let turns = (self.stripes(machine) * self.images).div_ceil(machine.threads) as f64;
        let vectors = self.rows(rows) * self.together() * self.pixels().div_ceil(BLOCK);
        let split = vectors as f64 * cost::SPLIT;
        let dots = (rows * self.tiles() * self.steps()) as f64 * cost::DOTS;
        let finish = (rows * self.size[1]) as f64 * cost::FINISH + cost::CALL;
        let area = self.images * self.inputs * self.source[0] * self.source[1] / BLOCK;
        let greatest = area as f64 * cost::GREATEST / machine.threads as f64;
        let blocks = self.blocks() as f64;
        let all = cost::REGION + greatest + turns * (split + blocks * (dots + finish));
        all / (self.inputs as f64 * blocks)
    }

    /// Lowers the convolution to one region, or two if nothing is known of its source's range.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    pub(in crate::kernels) fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        shared: Shared,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let (panels, form) = (self.panels(), self.clone());
        let place = move |step: usize, row: usize, channel: usize| form.weight(step, row, channel);
        let constants = sink.pack(panels.len(), move |out| panels.fill(&weights, place, out));
        let found = Ranges { offset: shared.scratch, ..self.ranges() };
        let layer = Layer {
            form: self,
            conv,
            operands,
            source: shared.source.unwrap_or(found),
            kept: self.kept(&sink.machine, shared.own),
            rows: self.stripe(&sink.machine),
            constants,
        };
        let mut regions = Vec::new();
        if shared.source.is_none() {
            regions.push(vec![layer.greatest(sink)?]);
        }
        let stripes = stripes(self.size[0], layer.rows).into_iter();
        regions.push(stripes.map(|s| layer.piece(s, sink)).collect::<Result<_, _>>()?);
        Ok(regions)
    }

    /// Which of an output's weights is in a byte of a row of a step's tile: that of this channel, if there is one.
    fn weight(&self, step: usize, row: usize, channel: usize) -> Option<usize> {
        let (y, x) = (step * self.together() + row % self.together(), row / self.together());
        let exists = channel < self.inputs && y < self.kernel[0] && x < self.kernel[1];
        exists.then(|| (channel * self.kernel[0] + y) * self.kernel[1] + x)
    }
}

/// Byte distances in the memory of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    /// Where digits are, row by row.
    digits: i64,
    /// From a row to the next, and from a digit to the next.
    pitch: i64,
    plane: i64,
    /// Where rows are before they share pixels.
    apart: i64,
    end: i64,
}

/// `count` times `rows` rows of the result, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stripe {
    first: usize,
    rows: usize,
    count: usize,
    /// Whether there is none behind it.
    is_last: bool,
}

/// All rows, the last stripe apart from the others.
fn stripes(total: usize, rows: usize) -> Vec<Stripe> {
    let count = total.div_ceil(rows) - 1;
    let before = Stripe { first: 0, rows, count, is_last: false };
    let first = count * rows;
    let last = Stripe { first, rows: total - first, count: 1, is_last: true };
    [before, last].into_iter().filter(|s| s.count > 0).collect()
}

/// A convolution in its network.
struct Layer<'a> {
    form: &'a Narrow,
    conv: &'a Conv,
    operands: Operands<'a>,
    /// The source's greatest magnitudes.
    source: Ranges,
    /// What is kept of the result's.
    kept: Kept,
    /// Rows of the result of a chunk.
    rows: usize,
    /// Where the constants of all blocks of outputs are; the panels stand behind them.
    constants: i64,
}

impl Layer<'_> {
    fn name(&self, step: &str) -> String {
        let problem = problem(self.operands.src, self.form.outputs, self.conv);
        format!("fixed point {step} {problem}")
    }

    /// The greatest magnitude of each channel of each image.
    fn greatest(&self, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let src = self.operands.src.geometry.strides();
        let [h, w] = form.source;
        let [rows, values] = if src.row == w as i64 * F32 { [1, h * w] } else { [h, w] };
        let kernel = Greatest {
            target: sink.machine.target,
            size: [rows, values / BLOCK],
            strides: [src.plane, src.row, LANES_BYTES],
            last: (!values.is_multiple_of(BLOCK))
                .then_some(LANES_BYTES - (values % BLOCK) as i64 * F32),
            live: BLOCK,
        };
        let name = self.name("range");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(self.operands.src.base, self.operands.src.origin()),
            Pointer::new(ARENA, self.source.offset),
        ]);
        levels.chunk(form.images, [src.image, self.source.image()]);
        levels.chunk(form.inputs, [src.plane, LANES_BYTES]);
        Ok(levels.piece(kernel, &[Extent::Fixed(1)]))
    }

    /// One chunk an image and a stripe.
    fn piece(&self, stripe: Stripe, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        sink.reserve(form.memory(stripe.rows).end as usize);
        let mut items = vec![self.scale(stripe, sink)?];
        items.extend(self.split(stripe, sink)?);
        let (blocks, wide) = (form.blocks(), TOGETHER.blocks);
        for (before, count, blocks) in
            [(0, blocks / wide, wide), (blocks - blocks % wide, 1, blocks % wide)]
        {
            if count > 0 && blocks > 0 {
                let product = self.product(stripe, before, blocks, sink)?;
                items.push(Item::Repeat { count: count as u32, items: vec![product] });
            }
        }
        Ok(Piece { chunks: vec![form.images as u32, stripe.count as u32], items })
    }

    /// What the image's values are multiplied by, and their unit.
    fn scale(&self, stripe: Stripe, sink: &mut Sink) -> Result<Item, KernelError> {
        let kernel = self.source.scale(&self.name("scale"), self.kept.offset.is_some(), sink)?;
        let mut levels = Levels::new([
            Pointer::new(ARENA, self.source.offset),
            Pointer::new(THREAD, 0),
            self.range(stripe),
        ]);
        let range = self.kept.strides();
        levels.chunk(self.form.images, [self.source.image(), 0, range[0]]);
        levels.chunk(stripe.count, [0, 0, range[1]]);
        levels.pass_if(2, self.kept.offset.is_some());
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// Where the first chunk of a stripe keeps its results' range.
    fn range(&self, stripe: Stripe) -> Pointer {
        self.kept.of_stripe(stripe.first / self.rows)
    }

    /// The source, as digits. The last row of the last stripe may have less rows of the source than others: past them there
    /// is no memory that is the source's.
    fn split(&self, stripe: Stripe, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let (form, src) = (self.form, &self.operands.src);
        let rows = form.rows(stripe.rows);
        let together = form.together();
        if !stripe.is_last {
            return Ok(vec![self.split_rows(stripe, [0, rows], together, sink)?]);
        }
        let last = rows - 1;
        let halo = src.geometry.halo;
        let end = form.source[0] + halo.bottom + self.conv.window.pads.top;
        let left = end.saturating_sub((stripe.first + last) * together).min(together);
        let whole = (last > 0).then(|| self.split_rows(stripe, [0, last], together, sink));
        let last = self.split_rows(stripe, [last, 1], left, sink);
        whole.into_iter().chain([last]).collect()
    }

    /// `count` rows of digits from row `first` of the stripe on, of so many rows of the source each.
    fn split_rows(
        &self,
        stripe: Stripe,
        [first, count]: [usize; 2],
        live: usize,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, place) = (self.form, &self.operands.src);
        let memory = form.memory(stripe.rows);
        let src = place.geometry.strides();
        let kernel = SplitRows {
            target: sink.machine.target,
            channels: form.inputs,
            rows: [live, form.together()],
            strides: [src.plane, src.row],
            pixels: form.pixels(),
            plane: memory.plane,
            apart: memory.apart,
        };
        let name = self.name("split");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let row = form.together() as i64 * src.row;
        let above = (stripe.first + first) as i64 * row;
        let mut levels = Levels::new([
            Pointer::new(place.base, start(place.origin(), src, &self.conv.window) + above),
            Pointer::new(THREAD, memory.digits + first as i64 * memory.pitch),
            Pointer::new(THREAD, 0),
        ]);
        levels.chunk(form.images, [src.image, 0, 0]);
        levels.chunk(stripe.count, [stripe.rows as i64 * row, 0, 0]);
        levels.inner(Extent::Fixed(count as u32), [row, memory.pitch, 0]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The results of one panel of `blocks` blocks of outputs, with `before` blocks before the first of its like.
    fn product(
        &self,
        stripe: Stripe,
        before: usize,
        blocks: usize,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.form;
        let memory = form.memory(stripe.rows);
        let dst = self.operands.dst.geometry.strides();
        let epilogue = Epilogue {
            residual: false,
            activation: self.conv.activation,
            ranges: self.kept.offset.is_some(),
        };
        let last = (form.size[1] - 1) % TILE_ROWS + 1;
        let product = Product {
            target: sink.machine.target,
            tiles: form.tiles(),
            together: Together { blocks, ..TOGETHER },
            groups: 1,
            taps: (0..form.steps() as i64).map(|step| step * memory.pitch).collect(),
            digits: memory.digits,
            position: [form.strides[1] as i64 * form.pixel(), memory.plane],
            rows: (stripe.rows, [memory.pitch, dst.row]),
            group: 0,
            plane: dst.plane,
            ending: Some(Ending { epilogue, plane: 0, last }),
        };
        let panels = form.panels();
        let weights = panels.block_bytes();
        let name = self.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let first = before as i64;
        let offset = first * dst.plane + stripe.first as i64 * dst.row;
        let behind = self.constants + form.blocks() as i64 * CONSTANTS;
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, behind + first * weights),
            Pointer::new(WEIGHTS, self.constants + first * CONSTANTS),
            Pointer::new(THREAD, 0),
            Pointer::new(self.operands.dst.base, self.operands.dst.origin() + offset),
            self.range(stripe),
        ]);
        let range = self.kept.strides();
        levels.chunk(form.images, [0, 0, 0, dst.image, range[0]]);
        levels.chunk(stripe.count, [0, 0, 0, stripe.rows as i64 * dst.row, range[1]]);
        levels.repeat([weights, CONSTANTS, 0, dst.plane, 0].map(|bytes| bytes * blocks as i64));
        levels.pass_if(4, self.kept.offset.is_some());
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}
