//! Chunks: some tiles of a row, from pixels to outputs, by one thread, in private memory that stays
//! in its caches.

use crate::codegen::region::{Address, Extent, Item, Piece, Word};
use crate::codegen::vir::Target;
use crate::kernels::KernelError;
use crate::kernels::conv::ahead::Ahead;
use crate::kernels::conv::budget::widest_tile;
use crate::kernels::conv::elements::Elements;
use crate::kernels::conv::micro::{Channels, Micro, Shortcut, Start, Sum};
use crate::kernels::conv::pack::{self, Part, Weights};
use crate::kernels::conv::shorts::Stored;
use crate::kernels::conv::{problem, shared_channels, start, sum};
use crate::kernels::conv_plan::ConvStep;
use crate::kernels::epilogue::Epilogue;
use crate::kernels::geometry::{F32, Place};
use crate::kernels::sink::{Levels, Machine, Pointer, Sink, THREAD, WEIGHTS};
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, runs, split};

use super::super::axis::{Class, classes};
use super::super::product::vectors;
use super::super::transform::{AddedTile, Run, TileRow};
use super::check::{Check, Energies};
use super::filters;
use super::form::{ADVANCE, Phased, Points, STRIDE};
use super::input::{Across, Down};
use super::memory::Memory;
use super::split::Split;

/// How rows of tiles are cut. It depends neither on threads nor on images, because a segment of a
/// row is what is computed directly if its values are too far apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Tiles of a segment; the last one of a row has what is left.
    tiles: usize,
    /// Vectors of outputs in a group.
    vectors: usize,
}

impl Cut {
    /// Segments as equal as possible, whose memory fits half of the core's cache: that of the
    /// machine by which such choices are made.
    pub(super) fn of(form: &Phased, machine: &Machine) -> Self {
        let all = form.tiling.tiles[1];
        let vectors_of = |machine: &Machine| vectors(&form.tiling, all, machine.target);
        let vectors = vectors_of(machine);
        let machine = &machine.rounding();
        let target = machine.target;
        let blocks = vectors_of(machine) * target.lanes / 16;
        let fits = |tiles: &usize| {
            let memory = Memory::of(form, *tiles, blocks, target);
            memory.bytes as usize <= machine.cache_bytes / 2
        };
        let most = (target.lanes..=all).take_while(fits).last().unwrap_or(target.lanes.min(all));
        Cut { tiles: all.div_ceil(all.div_ceil(most)), vectors }
    }

    /// Vectors of the strips of a row of tiles.
    pub(super) fn strip_vectors(&self, form: &Phased, target: Target) -> usize {
        let all = form.tiling.tiles[1];
        let of = |tiles: usize| if tiles > 0 { (tiles + 1).div_ceil(target.lanes) } else { 0 };
        all / self.tiles * of(self.tiles) + of(all % self.tiles)
    }

    /// Half cycles of one step of a sum over a row of tiles, for 16 outputs.
    pub(super) fn step_cost(&self, form: &Phased, target: Target) -> f64 {
        let all = form.tiling.tiles[1];
        let widest = widest_tile(target, self.vectors, true).unwrap_or(1);
        let cost = |tiles: usize| match tiles {
            0 => 0.0,
            tiles => split(tiles, widest, self.vectors).1 as f64,
        };
        let blocks = (self.vectors * target.lanes) as f64 / 16.0;
        ((all / self.tiles) as f64 * cost(self.tiles) + cost(all % self.tiles)) / blocks
    }
}

/// Segments of the same form.
#[derive(Clone, Copy, Debug)]
struct Segments {
    /// The first tile of the first one.
    first: usize,
    count: usize,
    tiles: usize,
    /// Columns of outputs that exist.
    columns: usize,
}

/// Offsets among the packed constants.
#[derive(Clone, Copy)]
struct Packed {
    filters: i64,
    biases: i64,
    gains: i64,
    /// Biases and untransformed filters.
    plain: i64,
}

pub(super) fn lower(
    form: &Phased,
    step: ConvStep<'_>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let cut = Cut::of(form, &sink.machine);
    let target = sink.machine.target;
    let lanes = cut.vectors * target.lanes;
    let weights = &step.weights.clone().into_constants()?;
    let packed = Packed {
        filters: filters::pack(form, weights, lanes, sink),
        biases: weights.pack_biases(sink),
        gains: filters::pack_gains(form, weights, sink),
        plain: pack_plain(form, weights, lanes, sink),
    };
    let m = form.tiling.transforms.outputs;
    let rows = classes(m, form.tiling.size[0], 0..form.tiling.tiles[0]);
    let mut pieces = Vec::new();
    for (rows, segments) in rows.iter().flat_map(|r| segments(form, cut).map(move |s| (*r, s))) {
        let memory = Memory::of(form, segments.tiles, lanes / 16, target);
        sink.reserve(memory.bytes as usize);
        let vectors = cut.vectors;
        let part = Parts { form, step: &step, rows, segments, target, vectors, packed, memory };
        pieces.push(part.piece(sink)?);
    }
    Ok(pieces)
}

/// The segments of a row of tiles: whole ones, and the last one if it differs.
fn segments(form: &Phased, cut: Cut) -> impl Iterator<Item = Segments> {
    let (all, columns) = (form.tiling.tiles[1], form.tiling.size[1]);
    let m = form.tiling.transforms.outputs;
    let whole = columns / (m * cut.tiles);
    let even = Segments { first: 0, count: whole, tiles: cut.tiles, columns: m * cut.tiles };
    let first = whole * cut.tiles;
    let last = Segments { first, count: 1, tiles: all - first, columns: columns - m * first };
    [even, last].into_iter().filter(|s| s.count > 0 && s.tiles > 0)
}

fn pack_plain(form: &Phased, weights: &Weights, lanes: usize, sink: &mut Sink) -> i64 {
    let count = (form.tiling.output_blocks() * 16).div_ceil(lanes);
    let part = Part { weights: weights.clone(), block: 1 };
    pack::pack(vec![part], 0, [lanes, count], Stored::Floats, sink)
}

/// Chunks of the same form: a row of tiles of a class, and a segment of it.
struct Parts<'a> {
    form: &'a Phased,
    step: &'a ConvStep<'a>,
    rows: Class,
    segments: Segments,
    target: Target,
    /// Vectors of outputs in a group.
    vectors: usize,
    packed: Packed,
    memory: Memory,
}

impl Parts<'_> {
    fn piece(&self, sink: &mut Sink) -> Result<Piece, KernelError> {
        let mut items = vec![self.strips(sink)?];
        items.extend(self.checks(sink)?);
        let mut tiles = self.inputs(sink)?;
        let mut group = self.products(sink)?;
        group.push(self.outputs(sink)?);
        tiles.push(Item::Repeat { count: self.groups() as u32, items: group });
        items.push(self.when(Word::Zero, tiles));
        items.push(self.when(Word::NotZero, vec![self.directly(sink)?]));
        let (images, rows) = (self.form.tiling.images, self.rows.count);
        Ok(Piece { chunks: vec![images as u32, rows as u32, self.segments.count as u32], items })
    }

    fn when(&self, is: Word, items: Vec<Item>) -> Item {
        let word = Address { base: THREAD, offset: self.memory.word, strides: vec![0; 3] };
        Item::When { word, is, items }
    }

    /// Groups of outputs.
    fn groups(&self) -> usize {
        self.form.tiling.output_blocks() / self.blocks()
    }

    /// Blocks of 16 outputs in a group.
    fn blocks(&self) -> usize {
        self.vectors * self.target.lanes / 16
    }

    fn name(&self, step: &str) -> String {
        let ConvStep { conv, operands, .. } = self.step;
        let problem = problem(operands.src, self.form.tiling.outputs, conv);
        let t = &self.form.tiling.transforms;
        format!("winograd F({},{})/{STRIDE} {step} {problem}", t.outputs, t.taps())
    }

    /// Adds the chunk levels, with the strides of images, rows of tiles and segments.
    fn chunks<const N: usize>(&self, levels: &mut Levels<N>, strides: [[i64; N]; 3]) {
        let counts = [self.form.tiling.images, self.rows.count, self.segments.count];
        for (count, strides) in counts.into_iter().zip(strides) {
            levels.chunk(count, strides);
        }
    }

    /// Levels of a call that reads and writes the thread's memory and constants alone.
    fn private<const N: usize>(&self, pointers: [Pointer; N]) -> Levels<N> {
        let mut levels = Levels::new(pointers);
        self.chunks(&mut levels, [[0; N]; 3]);
        levels
    }

    /// The first pixel that the first window sees, and the strides of images, rows of tiles and
    /// segments.
    fn source(&self) -> (Pointer, [i64; 3]) {
        let place = self.step.operands.src;
        let first = start(place.origin(), place.geometry.strides(), &self.step.conv.window);
        self.walk(place, first, STRIDE)
    }

    /// The same for outputs.
    fn result(&self) -> (Pointer, [i64; 3]) {
        let place = self.step.operands.dst;
        self.walk(place, place.origin(), 1)
    }

    /// The first pixel of the first chunk, where the image's first is at `first`, and the strides;
    /// an output is `apart` pixels from the next.
    fn walk(&self, place: &Place, first: i64, apart: usize) -> (Pointer, [i64; 3]) {
        let strides = place.geometry.strides();
        let tile = (self.form.tiling.transforms.outputs * apart) as i64;
        let [down, across] = [tile * strides.row, tile * strides.pixel];
        let before = self.rows.first as i64 * down + self.segments.first as i64 * across;
        let steps = [strides.image, down, self.segments.tiles as i64 * across];
        (Pointer::new(place.base, first + before), steps)
    }

    /// Rows of pixels that the chunk's windows see.
    fn seen_rows(&self) -> usize {
        self.form.seen(0, self.rows.rows)
    }

    /// Tiles of which strips hold columns: one more, whose first columns the last tile sees.
    fn strip_tiles(&self) -> usize {
        self.segments.tiles + 1
    }

    fn strips(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, memory) = (self.form, &self.memory);
        let split = Split {
            target: self.target,
            tiles: self.strip_tiles(),
            pixels: form.seen(1, self.segments.columns),
            strip: memory.strip,
        };
        let kernel =
            sink.program(&self.name("split"), format!("{split:?}"), |n| split.program(n))?;
        let src = self.step.operands.src.geometry.strides();
        let (first, strides) = self.source();
        let mut levels = Levels::new([first, Pointer::new(THREAD, 0)]);
        self.chunks(&mut levels, strides.map(|stride| [stride, 0]));
        let rows = Extent::Fixed(self.seen_rows() as u32);
        levels.inner(rows, [src.row, memory.column_row]);
        let channels = Extent::Fixed(form.channels as u32);
        levels.inner(channels, [src.plane, memory.column_channel]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    fn checks(&self, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let (form, memory) = (self.form, &self.memory);
        let (target, strip) = (self.target, memory.strip);
        let seen = self.seen_rows();
        let mut items = Vec::new();
        for (first, pairs, rows) in [(0, seen / STRIDE, STRIDE), (seen / STRIDE, seen % STRIDE, 1)]
        {
            if pairs == 0 {
                continue;
            }
            let energies = Energies {
                target,
                tiles: self.strip_tiles(),
                rows,
                channels: form.channels,
                row: memory.column_row,
                channel: memory.column_channel,
                strip,
            };
            let (name, key) = (self.name("energy"), format!("winograd {energies:?}"));
            let kernel = sink.program(&name, key, |n| energies.program(n))?;
            let down = [STRIDE as i64 * memory.column_row, 0, memory.energy_pair];
            let mut levels = self.private([
                Pointer::new(THREAD, first as i64 * down[0]),
                Pointer::new(WEIGHTS, self.packed.gains),
                Pointer::new(THREAD, memory.energies + first as i64 * down[2]),
            ]);
            levels.inner(Extent::Fixed(pairs as u32), down);
            items.push(Item::Call(levels.call(kernel, &[])));
        }
        let Segments { tiles, columns, .. } = self.segments;
        let m = form.tiling.transforms.outputs;
        let check = Check {
            target,
            tiles,
            blocks: [seen, form.seen(1, m)].map(|pixels| pixels.div_ceil(STRIDE)),
            window: form.kernel.map(|extent| extent / STRIDE),
            rows: self.rows.rows,
            columns: m,
            last_columns: columns - m * (tiles - 1),
            strip,
            row: memory.energy_pair,
        };
        let (name, key) = (self.name("check"), format!("winograd {check:?}"));
        let kernel = sink.program(&name, key, |n| check.program(n))?;
        let levels =
            self.private([memory.energies, memory.word].map(|at| Pointer::new(THREAD, at)));
        items.push(Item::Call(levels.call(kernel, &[])));
        Ok(items)
    }

    fn inputs(&self, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let (form, memory, target) = (self.form, &self.memory, self.target);
        let matrix = &form.tiling.transforms.input;
        let points = |axis: usize| [0, 1].map(|phase| form.points_of(axis, phase));
        let channels = Extent::Fixed(form.channels as u32);
        let down = Down {
            target,
            matrix: matrix.clone(),
            points: points(0),
            tiles: self.strip_tiles(),
            rows: self.seen_rows(),
            src_row: memory.column_row,
            dst_phase: memory.row_phase,
            dst_point: memory.row_point,
        };
        let kernel = sink.program(&self.name("down"), format!("{down:?}"), |n| down.program(n))?;
        let mut levels = self.private([0, memory.rows].map(|at| Pointer::new(THREAD, at)));
        levels.inner(channels, [memory.column_channel, memory.row_channel]);
        levels.inner(Extent::Fixed(ADVANCE as u32), [memory.strip; 2]);
        let mut items = vec![Item::Call(levels.call(kernel, &[]))];
        for range in form.ranges(0) {
            let across = Across {
                target,
                matrix: matrix.clone(),
                points: points(1),
                row_phases: range.phases,
                tiles: self.segments.tiles,
                channels: form.channels,
                src_phase: memory.row_phase,
                strip: memory.strip,
                dst_point: memory.value_point,
            };
            let (name, key) = (self.name("across"), format!("{across:?}"));
            let kernel = sink.program(&name, key, |n| across.program(n))?;
            let point = [memory.row_point, form.points() as i64 * memory.value_point];
            let first = range.first as i64;
            let mut levels = self.private([
                Pointer::new(THREAD, memory.rows + first * point[0]),
                Pointer::new(THREAD, memory.values + first * point[1]),
            ]);
            levels.inner(Extent::Fixed(range.count as u32), point);
            levels.inner(channels, [memory.row_channel, memory.strip]);
            items.push(Item::Call(levels.call(kernel, &[])));
        }
        Ok(items)
    }

    /// The products of a group of outputs at all points.
    fn products(&self, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let form = self.form;
        let all = |down: Points| form.ranges(1).into_iter().map(move |across| [down, across]);
        form.ranges(0).into_iter().flat_map(all).map(|points| self.product(points, sink)).collect()
    }

    fn product(&self, [down, across]: [Points; 2], sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, memory) = (self.form, &self.memory);
        let depth = down.phases * across.phases * form.channels;
        let micro = self.product_micro(depth);
        let key = format!("{micro:?}");
        let kernel = sink.program(&self.name("product"), key, |n| micro.program(n))?;
        sink.note_tile(kernel, micro.widest());
        let n = form.points() as i64;
        let panel = form.tiling.inputs as i64 * micro.lanes() as i64 * F32;
        let point = [memory.value_point, panel, memory.product_point];
        let first = (down.first as i64) * n + across.first as i64;
        let mut levels = self.private([
            Pointer::new(THREAD, memory.values + first * point[0]),
            Pointer::new(WEIGHTS, self.packed.filters + first * point[1]),
            Pointer::new(THREAD, memory.products + first * point[2]),
        ]);
        levels.repeat([0, n * n * panel, 0]);
        levels.inner(Extent::Fixed(down.count as u32), point.map(|stride| n * stride));
        levels.inner(Extent::Fixed(across.count as u32), point);
        Ok(Item::Call(levels.call(kernel, &[Extent::Fixed(1)])))
    }

    fn product_micro(&self, depth: usize) -> Micro {
        let tile = |i: usize| Pixel { src: i as i64 * F32, dst: i as i64 * 16 * F32, res: 0 };
        let sum = Sum {
            tap_rows: (1, 0),
            tap_columns: (depth, self.memory.strip),
            channels: Channels::Shared { block: 1, blocks: 1, tail: 0, step: 0 },
        };
        self.micro((0..self.segments.tiles).map(tile).collect(), sum)
    }

    /// Sums from zero, of a group of outputs, into the products' place.
    fn micro(&self, pixels: Vec<Pixel>, sum: Sum) -> Micro {
        let widest = widest_tile(self.target, self.vectors, true).unwrap_or(1);
        let (widths, _) = split(pixels.len(), widest, self.vectors);
        Micro {
            target: self.target,
            vectors: self.vectors,
            dst_block: self.memory.product_block,
            start: Start::Zero,
            sum,
            stored: Stored::Floats,
            shortcut: Shortcut::None,
            tiles: runs(&pixels, &widths),
            band: [0; 3],
            elements: Elements::Floats(Epilogue::default()),
            summation: Summation::Chain,
            ahead: Ahead::Not,
        }
    }

    /// The output transform of a group of outputs.
    fn outputs(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, memory) = (self.form, &self.memory);
        let dst = self.step.operands.dst.geometry.strides();
        let m = form.tiling.transforms.outputs;
        let Segments { tiles, columns, .. } = self.segments;
        let run = |class: Class| Run { tiles: class.count, columns: class.rows };
        let row = TileRow {
            target: self.target,
            matrix: form.tiling.transforms.output.clone(),
            rows: self.rows.rows,
            runs: classes(m, columns, 0..tiles).into_iter().map(run).collect(),
            image_row: dst.row,
            image_tile: m as i64 * dst.pixel,
            element: memory.product_point,
            tile: 16 * F32,
            ahead: false,
        };
        let epilogue = Epilogue::from(self.step.conv.activation);
        let key = format!("winograd output {row:?} {:?} {epilogue:?}", None::<AddedTile>);
        let name = self.name("output");
        let kernel = sink.program(&name, key, |n| row.output(n, None, epilogue))?;
        let (first, strides) = self.result();
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.products),
            Pointer::new(WEIGHTS, self.packed.biases),
            first,
        ]);
        self.chunks(&mut levels, strides.map(|stride| [0, 0, stride]));
        let blocks = self.blocks() as i64;
        levels.repeat([0, blocks * 16 * F32, blocks * dst.plane]);
        levels.inner(Extent::Fixed(blocks as u32), [memory.product_block, 16 * F32, dst.plane]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The chunk by the definition of convolution.
    fn directly(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let micro = self.plain_micro();
        let name = self.name("fallback");
        let kernel = sink.program(&name, format!("{micro:?}"), |n| micro.program(n))?;
        let dst = self.step.operands.dst.geometry.strides();
        let ((src, src_strides), (result, dst_strides)) = (self.source(), self.result());
        let mut levels = Levels::new([src, Pointer::new(WEIGHTS, self.packed.plain), result]);
        let strides = |i: usize| [src_strides[i], 0, dst_strides[i]];
        self.chunks(&mut levels, [0, 1, 2].map(strides));
        let group = [0, micro.panel_bytes(), self.blocks() as i64 * dst.plane];
        levels.inner(Extent::Fixed(self.groups() as u32), group);
        Ok(Item::Call(levels.call(kernel, &[Extent::Fixed(self.rows.rows as u32)])))
    }

    fn plain_micro(&self) -> Micro {
        let ConvStep { conv, operands, .. } = self.step;
        let (src, dst) = (operands.src.geometry.strides(), operands.dst.geometry.strides());
        let across = STRIDE as i64 * src.pixel;
        let at = |x: usize| Pixel { src: x as i64 * across, dst: x as i64 * dst.pixel, res: 0 };
        let sum = sum(&conv.window, src, shared_channels(src, self.form.channels));
        Micro {
            dst_block: dst.plane,
            start: Start::Bias,
            band: [STRIDE as i64 * src.row, dst.row, 0],
            elements: Elements::Floats(conv.activation.into()),
            ..self.micro((0..self.segments.columns).map(at).collect(), sum)
        }
    }
}
