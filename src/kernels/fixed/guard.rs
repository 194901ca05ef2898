//! Rows that tiles cannot compute accurately enough are computed directly, in the same chunk.
//!
//! A chunk checks what its outputs see ([`dark`](super::dark)) and stores a word for each of its
//! rows, and one for all of them, in its thread's memory. If a row's word is set, the row is
//! computed by direct convolution before the tiles of a panel run. The results go to the thread's
//! memory, because a shortcut may be stored where the result will be. Direct convolution uses the
//! panel's weights as numbers ([`unpack`](super::unpack)), which the chunk makes from their digits.
//! After the tiles, which compute all rows as usual, the row is copied to the result. At the end
//! the abs-max of the chunk's results is computed again.
//!
//! Each decision depends on a single row of a single image and affects only that row, so results
//! depend neither on how chunks are cut nor on the position in a batch.

use crate::codegen::region::{Address, Extent, Item, Word};
use crate::codegen::vir::Target;
use crate::kernels::KernelError;
use crate::kernels::conv::ahead::Ahead;
use crate::kernels::conv::budget::widest_tile;
use crate::kernels::conv::elements::Elements;
use crate::kernels::conv::micro::{Micro, Shortcut, Start};
use crate::kernels::conv::shorts::Stored;
use crate::kernels::conv::{shared_channels, start, sum};
use crate::kernels::copy::Copy;
use crate::kernels::geometry::Place;
use crate::kernels::residual::Reads;
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD, WEIGHTS, aligned};
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, runs, split};

use super::abs_max::FindAbsMax;
use super::dark::Check;
use super::frame::Frame;
use super::number::Format;
use super::panel::Panel;
use super::sizes::{BIAS, BLOCK, CONSTANTS, LANES_BYTES, ROW, TILE};
use super::stripe::Stripe;
use super::unpack::{Stretch, Unpack};

/// Where the magnitudes of what windows see are, relative to [`Guard::magnitudes`].
#[derive(Clone, Debug)]
pub(super) struct Windows {
    /// Bytes of all magnitudes.
    pub(super) bytes: i64,
    /// Bytes from a row's first window to the next row's.
    pub(super) row: i64,
    /// Number of windows of a row.
    pub(super) columns: usize,
    /// Byte offsets from a window to what it sees.
    pub(super) taps: Vec<i64>,
}

/// The part of a stripe's chunks that computes rows directly.
pub(super) struct Guard<'a> {
    pub(super) frame: &'a Frame<'a>,
    pub(super) stripe: Stripe,
    pub(super) windows: Windows,
    /// The first free byte of the thread's memory.
    pub(super) start: i64,
}

/// Byte distances in the memory of a thread.
struct GuardMemory {
    /// Magnitudes of pixels.
    magnitudes: i64,
    /// The biases of a panel, followed by its weights.
    weights: i64,
    /// The results of a panel, row by row, and block by block within a row.
    results: i64,
    end: i64,
}

impl Guard<'_> {
    fn memory(&self) -> GuardMemory {
        let magnitudes = aligned(self.start) + aligned((1 + self.stripe.rows as i64) * Word::BYTES);
        // A vector may begin at the last magnitude.
        let weights = magnitudes + aligned(self.windows.bytes) + LANES_BYTES;
        let results = weights + self.depth() as i64 * self.lanes_bytes(self.frame.wide);
        let end = results + self.stripe.rows as i64 * self.result_row(self.frame.wide);
        GuardMemory { magnitudes, weights, results, end }
    }

    /// Reserves the thread's memory that a chunk needs.
    pub(super) fn reserve(&self, sink: &mut Sink) {
        sink.reserve(self.memory().end as usize);
    }

    /// Rows and columns of the result.
    fn size(&self) -> [usize; 2] {
        let [_, _, rows, columns] = self.frame.operands.dst.geometry.nchw();
        [rows, columns]
    }

    /// Values of an output's panel: its bias and its weights.
    fn depth(&self) -> usize {
        let [_, inputs, ..] = self.frame.operands.src.geometry.nchw();
        1 + inputs * self.frame.conv.window.kernel.iter().product::<usize>()
    }

    /// Bytes of one value of each output of `blocks` blocks.
    fn lanes_bytes(&self, blocks: usize) -> i64 {
        blocks as i64 * LANES_BYTES
    }

    /// Bytes of a row of `blocks` blocks of results.
    fn result_row(&self, blocks: usize) -> i64 {
        blocks as i64 * self.size()[1] as i64 * ROW
    }

    /// The word of all rows, which is followed by those of each row.
    fn words(&self) -> i64 {
        aligned(self.start)
    }

    /// Where the check of only some channels stores its word.
    pub(super) fn word(&self) -> Pointer {
        Pointer::new(THREAD, self.words())
    }

    /// Where magnitudes are.
    pub(super) fn magnitudes(&self) -> i64 {
        self.memory().magnitudes
    }

    /// Adds the levels of chunks: strides of images, of rows of the result, and of parts of the
    /// outputs.
    pub(super) fn chunks<const N: usize>(
        &self,
        levels: &mut Levels<N>,
        image: [i64; N],
        row: [i64; N],
        part: [i64; N],
    ) {
        self.frame.chunks(levels, self.stripe, image, row, part);
    }

    /// `items`, if any row is computed directly.
    pub(super) fn when_any(&self, items: Vec<Item>) -> Item {
        let word = Address { base: THREAD, offset: self.words(), strides: Vec::new() };
        Item::When { word, is: Word::NotZero, items }
    }

    /// `items` for each row that is computed directly, inside the repeat over panels.
    fn each_row(&self, items: Vec<Item>) -> Item {
        let strides = vec![0, 0, 0, 0, Word::BYTES];
        let word = Address { base: THREAD, offset: self.words() + Word::BYTES, strides };
        let items = vec![Item::When { word, is: Word::NotZero, items }];
        self.when_any(vec![Item::Repeat { count: self.stripe.rows as u32, items }])
    }

    /// The check of all windows, or only of the pixel in the middle of each. In the latter case
    /// zeros count as dark too, because the other pixels of the window may not be zero.
    pub(super) fn check(&self, all: bool, sink: &mut Sink) -> Result<Item, KernelError> {
        let Windows { row, columns, ref taps, .. } = self.windows;
        let size = [self.stripe.rows, columns];
        let taps = if all { taps.clone() } else { vec![taps[taps.len() / 2]] };
        let width = Format::of(sink.machine.precision).values;
        let target = sink.machine.target;
        let check = Check { target, width, size, row, taps, zeros: !all };
        let kernel =
            sink.program(&self.frame.name("check"), format!("{check:?}"), |n| check.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(THREAD, self.memory().magnitudes),
            Pointer::new(THREAD, 0),
            self.word(),
        ]);
        self.chunks(&mut levels, [0; 3], [0; 3], [0; 3]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// What runs before the tiles of a panel whose weights are where `stretches` say.
    pub(super) fn before(
        &self,
        panel: Panel,
        stretches: &[Stretch],
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let mut items = vec![self.biases(panel, sink)?];
        for stretch in stretches {
            items.push(self.unpacked(panel, stretch, sink)?);
        }
        let rows = self.each_row(vec![self.direct(panel, sink)?]);
        Ok(vec![self.when_any(items), rows])
    }

    /// Adds the levels of chunks and of the repeat over panels to pointers to a panel's constants,
    /// given the strides of a block.
    fn constants<const N: usize>(&self, levels: &mut Levels<N>, panel: Panel, block: [i64; N]) {
        let next = block.map(|bytes| bytes * panel.blocks as i64);
        let part = next.map(|bytes| bytes * panel.per_part as i64);
        self.chunks(levels, [0; N], [0; N], part);
        levels.repeat(next);
    }

    /// The biases of a panel.
    fn biases(&self, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let copy = Copy { target: sink.machine.target, pixels: 1, pixel: LANES_BYTES };
        let kernel =
            sink.program(&self.frame.name("biases"), format!("{copy:?}"), |n| copy.program(n))?;
        let first = self.frame.packed.constants + panel.before as i64 * CONSTANTS + BIAS;
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, first),
            Pointer::new(THREAD, self.memory().weights),
        ]);
        self.constants(&mut levels, panel, [CONSTANTS, 0]);
        levels.inner(Extent::Fixed(panel.blocks as u32), [CONSTANTS, LANES_BYTES]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The unpacking of some weights of a panel.
    fn unpacked(
        &self,
        panel: Panel,
        stretch: &Stretch,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let [outer, steps, rows] = stretch.levels;
        let digit = panel.blocks as i64 * TILE;
        let target = sink.machine.target;
        let format = Format::of(sink.machine.precision);
        let unpack = Unpack { target, format, byte: stretch.byte, digit, levels: [steps, rows] };
        let kernel = sink
            .program(&self.frame.name("weights"), format!("{unpack:?}"), |n| unpack.program(n))?;
        let (before, packed) = (panel.before as i64, self.frame.packed);
        let first = self.memory().weights + self.lanes_bytes(panel.blocks);
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, packed.panels() + before * packed.block + stretch.from),
            Pointer::new(WEIGHTS, packed.constants + before * CONSTANTS),
            Pointer::new(THREAD, first + stretch.to),
        ]);
        self.constants(&mut levels, panel, [packed.block, CONSTANTS, 0]);
        levels.inner(Extent::Fixed(panel.blocks as u32), [TILE, CONSTANTS, LANES_BYTES]);
        levels.inner(Extent::Fixed(outer.count as u32), [outer.from, 0, outer.to]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The direct computation of a row of a panel's results.
    fn direct(&self, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let micro = self.micro(panel.blocks, sink.machine.target);
        let kernel =
            sink.program(&self.frame.name("fallback"), format!("{micro:?}"), |n| micro.program(n))?;
        let src = self.frame.operands.src;
        let strides = src.geometry.strides();
        let down = self.frame.conv.window.strides[0] as i64 * strides.row;
        let first = start(src.origin(), strides, &self.frame.conv.window);
        let memory = self.memory();
        let shortcut = self.frame.shortcut();
        let res = shortcut.geometry.strides();
        let mut levels = Levels::new([
            Pointer::new(src.base, first + self.stripe.first as i64 * down),
            Pointer::new(THREAD, memory.weights),
            Pointer::new(THREAD, memory.results),
            self.results(shortcut, panel),
        ]);
        let next = [0, 0, 0, res.plane * panel.blocks as i64];
        let part = next.map(|bytes| bytes * panel.per_part as i64);
        let row = [down, 0, self.result_row(panel.blocks), res.row];
        self.chunks(&mut levels, [strides.image, 0, 0, res.image], [down, 0, 0, res.row], part);
        levels.repeat(next);
        levels.repeat(row);
        levels.pass_if(3, micro.has_shortcut());
        Ok(Item::Call(levels.call(kernel, &[Extent::Fixed(1)])))
    }

    /// The first of a panel's results, or of the shortcut's values.
    fn results(&self, place: &Place, panel: Panel) -> Pointer {
        let strides = place.geometry.strides();
        let first = panel.before as i64 * strides.plane + self.stripe.first as i64 * strides.row;
        Pointer::new(place.base, place.origin() + first)
    }

    /// The direct convolution of a row, for `blocks` blocks of outputs.
    fn micro(&self, blocks: usize, target: Target) -> Micro {
        let (conv, src) = (self.frame.conv, self.frame.operands.src.geometry.strides());
        let res = self.frame.shortcut().geometry.strides();
        let across = conv.window.strides[1] as i64 * src.pixel;
        let at = |x: i64| Pixel { src: x * across, dst: x * ROW, res: x * res.pixel };
        let pixels: Vec<Pixel> = (0..self.size()[1] as i64).map(at).collect();
        let vectors = blocks * BLOCK / target.lanes;
        let widest = widest_tile(target, vectors, true).unwrap_or(1);
        let (widths, _) = split(pixels.len(), widest, vectors);
        let [_, inputs, ..] = self.frame.operands.src.geometry.nchw();
        Micro {
            target,
            vectors,
            dst_block: self.size()[1] as i64 * ROW,
            start: Start::Bias,
            sum: sum(&conv.window, src, shared_channels(src, inputs)),
            stored: Stored::Floats,
            shortcut: match self.frame.operands.residual {
                Some(_) => Shortcut::Residual(Reads::whole(vectors, res.plane, target).vectors),
                None => Shortcut::None,
            },
            tiles: runs(&pixels, &widths),
            band: [0; 3],
            elements: Elements::Floats(conv.activation.into()),
            summation: Summation::Chain,
            ahead: Ahead::Not,
        }
    }

    /// What runs after the tiles of a panel: copies the rows that were computed directly to the
    /// result.
    pub(super) fn behind(&self, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let columns = self.size()[1];
        let copy = Copy { target: sink.machine.target, pixels: columns, pixel: ROW };
        let kernel =
            sink.program(&self.frame.name("copy"), format!("{copy:?}"), |n| copy.program(n))?;
        let dst = self.frame.operands.dst.geometry.strides();
        let mut levels = Levels::new([
            Pointer::new(THREAD, self.memory().results),
            self.results(self.frame.operands.dst, panel),
        ]);
        let next = [0, dst.plane * panel.blocks as i64];
        let part = next.map(|bytes| bytes * panel.per_part as i64);
        self.chunks(&mut levels, [0, dst.image], [0, dst.row], part);
        levels.repeat(next);
        levels.repeat([self.result_row(panel.blocks), dst.row]);
        levels.inner(Extent::Fixed(panel.blocks as u32), [columns as i64 * ROW, dst.plane]);
        Ok(self.each_row(vec![Item::Call(levels.call(kernel, &[]))]))
    }

    /// The abs-max of the results of a chunk, which has `blocks` blocks of outputs, if it is
    /// published and any row was computed directly.
    pub(super) fn abs_max(&self, blocks: usize, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        if !self.frame.publishes() {
            return Ok(Vec::new());
        }
        let dst = self.frame.operands.dst.geometry.strides();
        let abs_max = FindAbsMax {
            target: sink.machine.target,
            size: [self.stripe.rows, self.size()[1]],
            strides: [dst.plane, dst.row, dst.pixel],
            last: None,
            live: BLOCK,
        };
        let kernel = sink
            .program(&self.frame.name("abs-max"), format!("{abs_max:?}"), |n| abs_max.program(n))?;
        let panel = Panel { blocks, before: 0, per_part: 1 };
        let mut levels = Levels::new([
            self.results(self.frame.operands.dst, panel),
            self.frame.published_at(self.stripe),
        ]);
        let [image, stripe, part] = self.frame.published.strides();
        levels.chunk(self.frame.images, [dst.image, image]);
        levels.chunk(self.stripe.count, [dst.row * self.stripe.rows as i64, stripe]);
        levels.chunk(self.frame.parts, [dst.plane * blocks as i64, part]);
        let call = levels.call(kernel, &[Extent::Fixed(blocks as u32)]);
        Ok(vec![self.when_any(vec![Item::Call(call)])])
    }
}
