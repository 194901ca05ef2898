//! Products of tiles, by Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for
//! Convolutional Neural Networks", 2016, section 4.1).
//!
//! A convolution computes `y = A^T ((G w) * (B^T x)) A` in each tile, so the gradient of its weights
//! is `G^T (sum of (A dy) * (B^T x)) G`, where the sum is that of all tiles: 36 products for 16
//! outputs and 9 taps. A chunk transforms the tiles of a few blocks of channels, some images or rows
//! of tiles at a time, adds their products, and transforms the sums at its end.

use resnetc_ir::ty::BLOCK;

use super::form::{Form, SUMS};
use super::tile::{Tile, cuts};
use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::{Builder, Count, OverBudget, Program, Target, V};
use crate::kernels::KernelError;
use crate::kernels::conv;
use crate::kernels::geometry::{F32, Place};
use crate::kernels::sink::{ARENA, Levels, Machine, Pointer, Sink, THREAD, aligned};
use crate::kernels::winograd::axis::{Axis, Blocks, Class};
use crate::kernels::winograd::linear::{Constants, apply, with_most_held};
use crate::kernels::winograd::matrices::{Matrix, TAPS, Transforms};
use crate::kernels::winograd::spread;
use crate::kernels::winograd::transform::TileRow;

/// With fewer rows or columns than this, tiles do not pay off.
const SMALLEST: usize = 4;
/// Chunks that there should be.
const CHUNKS: usize = 16;
/// Tiles that a part should have at least: their products outweigh the transform of the sums.
const PART_TILES: usize = 64;
/// Fewer tiles than this are not worth a product.
const FEWEST_TILES: usize = 8;
/// More tiles at a time gain nothing.
const MOST_TILES: usize = 64;
/// Blocks of outputs and of the source's channels that a chunk has at most, in a cache of a
/// megabyte or more. Half as many blocks of the source fit a smaller one.
const GROUP: [usize; 2] = [2, 4];

/// How a gradient is cut into tiles.
pub(super) struct Tiled<'a> {
    form: &'a Form,
    transforms: Transforms,
    rows: Axis,
    columns: Axis,
}

impl<'a> Tiled<'a> {
    /// The tiles of a problem, if it is one for them. That depends on the shape alone.
    pub(super) fn of(form: &'a Form) -> Option<Self> {
        let window = &form.gradient.window;
        let is_plain = window.kernel == [TAPS; 2]
            && window.strides == [1; 2]
            && window.dilations == [1; 2]
            && form.gradient.groups == 1
            && !form.planar;
        let is_large = form.size.into_iter().all(|extent| extent >= SMALLEST)
            && form.channels.into_iter().all(|channels| channels >= BLOCK);
        let transforms = Transforms::f4();
        let [rows, columns] = form.size.map(|size| Axis { size, outputs: transforms.outputs });
        let tiled = Tiled { form, transforms, rows, columns };
        (is_plain && is_large && tiled.part_tiles() >= FEWEST_TILES).then_some(tiled)
    }

    fn image_tiles(&self) -> usize {
        self.rows.tiles() * self.columns.tiles()
    }

    /// Parts of the images, each with sums of its own. They have the same number of images.
    pub(super) fn parts(&self) -> usize {
        let [outputs, inputs] = self.group(GROUP);
        let chunks = (self.form.output_blocks() / outputs) * (self.form.blocks / inputs);
        let tiles = self.form.images * self.image_tiles();
        let most = CHUNKS.div_ceil(chunks).min(tiles / PART_TILES).max(1);
        largest_divisor(self.form.images, most)
    }

    fn part_images(&self) -> usize {
        self.form.images / self.parts()
    }

    fn part_tiles(&self) -> usize {
        self.part_images() * self.image_tiles()
    }

    /// Blocks of outputs and of the source's channels of a chunk, at most so many.
    fn group(&self, [outputs, inputs]: [usize; 2]) -> [usize; 2] {
        [
            largest_divisor(self.form.output_blocks(), outputs),
            largest_divisor(self.form.blocks, inputs),
        ]
    }

    /// The products of all parts, transformed to sums of taps.
    pub(super) fn products(
        &self,
        [dy, src]: [&Place; 2],
        scratch: i64,
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let memory = Memory::of(self, &sink.machine);
        sink.reserve(memory.bytes() as usize);
        Chunk { tiled: self, dy, src, scratch, memory }.piece(sink)
    }
}

/// The largest divisor of `n` that is at most `most`.
fn largest_divisor(n: usize, most: usize) -> usize {
    (1..=most.clamp(1, n)).rev().find(|divisor| n.is_multiple_of(*divisor)).unwrap_or(1)
}

/// What a thread holds: transformed tiles of the source and of the gradient, and sums.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Blocks of outputs and of the source's channels.
    group: [usize; 2],
    /// Images and rows of tiles that are transformed together.
    images: usize,
    rows: usize,
    /// Tiles of them.
    tiles: usize,
    /// Products of a tile.
    elements: usize,
}

impl Memory {
    fn of(tiled: &Tiled<'_>, machine: &Machine) -> Self {
        let [outputs, inputs] = GROUP;
        let inputs = if machine.cache_bytes >= 1 << 20 { inputs } else { inputs / 2 };
        let group = tiled.group([outputs, inputs]);
        let elements = tiled.transforms.inputs().pow(2);
        let of = |images, rows| Memory {
            group,
            images,
            rows,
            tiles: images * rows * tiled.columns.tiles(),
            elements,
        };
        let fits = |memory: &Memory| {
            memory.tiles <= MOST_TILES && memory.bytes() <= machine.cache_bytes as i64 * 7 / 8
        };
        let rows = tiled.rows.tiles();
        let images = (1..=tiled.part_images()).rev();
        let images = images.filter(|count| tiled.part_images().is_multiple_of(*count));
        let whole = images.map(|images| of(images, rows));
        let bands = (1..rows).rev().map(|rows| of(1, rows));
        whole.chain(bands).find(fits).unwrap_or_else(|| of(1, 1))
    }

    /// Bytes from one transformed tile to the next: its channels, in an odd number of cache lines,
    /// which keeps tiles out of each other's cache sets.
    fn tile(blocks: usize) -> i64 {
        (blocks as i64 | 1) * SUMS
    }

    fn gradient_element(&self) -> i64 {
        spread(Memory::tile(self.group[0]) * self.tiles as i64)
    }

    fn source_element(&self) -> i64 {
        spread(Memory::tile(self.group[1]) * self.tiles as i64)
    }

    /// Bytes of the sums of an element, for a block of outputs.
    fn sum_element(&self) -> i64 {
        spread((self.group[1] * BLOCK) as i64 * SUMS)
    }

    /// Bytes of the sums of a block of outputs.
    fn sum_block(&self) -> i64 {
        self.sum_element() * self.elements as i64
    }

    /// Offset of the transformed source, after the gradient.
    fn source(&self) -> i64 {
        aligned(self.gradient_element() * self.elements as i64)
    }

    fn sums(&self) -> i64 {
        self.source() + aligned(self.source_element() * self.elements as i64)
    }

    fn bytes(&self) -> i64 {
        self.sums() + self.sum_block() * self.group[0] as i64
    }
}

/// The chunks: parts, groups of blocks of outputs, groups of blocks of the source's channels.
struct Chunk<'a> {
    tiled: &'a Tiled<'a>,
    dy: &'a Place,
    src: &'a Place,
    scratch: i64,
    memory: Memory,
}

/// One of the two operands of the products.
struct Transformed<'a> {
    name: &'a str,
    matrix: Matrix,
    place: &'a Place,
    /// Offset of the first pixel of the first tile.
    start: i64,
    /// Pixels that a tile shares with the next one.
    shared: usize,
    /// Blocks of channels.
    blocks: usize,
    /// Where it goes, and how far apart its elements are.
    offset: i64,
    element: i64,
    /// Which of the chunk's group levels advances it: that of outputs or that of the source.
    level: usize,
}

impl Chunk<'_> {
    fn piece(&self, sink: &mut Sink) -> Result<Piece, KernelError> {
        let (tiled, memory) = (self.tiled, self.memory);
        let mut items = vec![self.zero(sink)?];
        let mut stretches = Vec::new();
        for blocks in tiled.rows.blocks(1, memory.rows) {
            let mut parts = Vec::new();
            for operand in self.operands() {
                for class in tiled.rows.classes(blocks.first, blocks.rows) {
                    parts.push(self.transform(&operand, blocks, class, sink)?);
                }
            }
            parts.extend(self.multiply(blocks, sink)?);
            stretches.push(Item::Repeat { count: blocks.count as u32, items: parts });
        }
        let turns = tiled.part_images() / memory.images;
        items.push(Item::Repeat { count: turns as u32, items: stretches });
        items.push(self.finish(sink)?);
        Ok(Piece { chunks: self.counts().map(|count| count as u32).into(), items })
    }

    /// How many chunks each level has.
    fn counts(&self) -> [usize; 3] {
        let [outputs, inputs] = self.memory.group;
        let form = self.tiled.form;
        [self.tiled.parts(), form.output_blocks() / outputs, form.blocks / inputs]
    }

    /// Adds the chunk levels.
    fn chunks<const N: usize>(&self, levels: &mut Levels<N>, strides: [[i64; N]; 3]) {
        for (count, strides) in self.counts().into_iter().zip(strides) {
            levels.chunk(count, strides);
        }
    }

    fn operands(&self) -> [Transformed<'_>; 2] {
        let (tiled, memory) = (self.tiled, &self.memory);
        let src = self.src.geometry.strides();
        [
            Transformed {
                name: "gradient",
                matrix: transposed(&tiled.transforms.output),
                place: self.dy,
                start: self.dy.origin(),
                shared: 0,
                blocks: memory.group[0],
                offset: 0,
                element: memory.gradient_element(),
                level: 1,
            },
            Transformed {
                name: "source",
                matrix: tiled.transforms.input.clone(),
                place: self.src,
                start: conv::start(self.src.origin(), src, &tiled.form.gradient.window),
                shared: TAPS - 1,
                blocks: memory.group[1],
                offset: memory.source(),
                element: memory.source_element(),
                level: 2,
            },
        ]
    }

    /// Transforms the tiles of some rows of a stretch.
    fn transform(
        &self,
        operand: &Transformed<'_>,
        blocks: Blocks,
        class: Class,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (tiled, memory) = (self.tiled, &self.memory);
        let from = operand.place.geometry.strides();
        let outputs = tiled.transforms.outputs as i64;
        let tile = Memory::tile(operand.blocks);
        let row = TileRow {
            target: sink.machine.target,
            matrix: operand.matrix.clone(),
            rows: class.rows + operand.shared,
            runs: tiled.columns.runs(|outputs| outputs + operand.shared),
            image_row: from.row,
            image_tile: outputs * from.pixel,
            element: operand.element,
            tile,
            ahead: true,
        };
        let name = format!("conv_weights winograd {}", operand.name);
        let kernel = sink.program(&name, format!("winograd input {row:?}"), |n| row.input(n))?;
        let down = outputs * from.row;
        let tiles_row = tiled.columns.tiles() as i64 * tile;
        let before = (class.first - blocks.first) as i64 * tiles_row;
        let mut levels = Levels::new([
            Pointer::new(operand.place.base, operand.start + class.first as i64 * down),
            Pointer::new(THREAD, operand.offset + before),
        ]);
        let mut strides = [[tiled.part_images() as i64 * from.image, 0], [0; 2], [0; 2]];
        strides[operand.level] = [operand.blocks as i64 * from.plane, 0];
        self.chunks(&mut levels, strides);
        levels.repeat([memory.images as i64 * from.image, 0]);
        levels.repeat([blocks.rows as i64 * down, 0]);
        let image_tiles = (blocks.rows * tiled.columns.tiles()) as i64 * tile;
        levels.inner(Extent::Fixed(memory.images as u32), [from.image, image_tiles]);
        // Rows of a plane follow each other, so that each can prefetch the next.
        levels.inner(Extent::Fixed(operand.blocks as u32), [from.plane, SUMS]);
        levels.inner(Extent::Fixed(class.count as u32), [down, tiles_row]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// Adds the products of a stretch.
    fn multiply(&self, blocks: Blocks, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let (tiled, memory) = (self.tiled, &self.memory);
        let target = sink.machine.target;
        let [outputs, inputs] = memory.group;
        let together = if target.lanes >= BLOCK { outputs } else { 1 };
        let tiles = memory.images * blocks.rows * tiled.columns.tiles();
        let mut items = Vec::new();
        for [scalars, calls, before] in cuts(target, together, BLOCK) {
            let [of_gradient, of_source] = [outputs, inputs].map(Memory::tile);
            let tile = Tile {
                target,
                together,
                scalars,
                step: F32,
                sums: memory.sum_block(),
                size: [1, tiles],
                dy: [SUMS, 0, of_gradient],
                src: [0, of_source],
            };
            let form = format!("{tile:?}");
            let name = "conv_weights winograd products";
            let kernel = sink.program(name, form, |name| tile.program(name))?;
            sink.note_tile(kernel, [scalars, together]);
            let mut levels = Levels::new([
                Pointer::new(THREAD, memory.sums() + before as i64 * SUMS),
                Pointer::new(THREAD, 0),
                Pointer::new(THREAD, memory.source() + before as i64 * F32),
            ]);
            self.chunks(&mut levels, [[0; 3]; 3]);
            levels.repeat([0; 3]);
            levels.repeat([0; 3]);
            let element =
                [memory.sum_element(), memory.gradient_element(), memory.source_element()];
            levels.inner(Extent::Fixed(memory.elements as u32), element);
            let group = together as i64;
            levels.inner(
                Extent::Fixed((outputs / together) as u32),
                [group * memory.sum_block(), group * SUMS, 0],
            );
            let block = BLOCK as i64;
            levels.inner(Extent::Fixed(inputs as u32), [block * SUMS, 0, block * F32]);
            let scalars = scalars as i64;
            levels.inner(Extent::Fixed(calls as u32), [scalars * SUMS, 0, scalars * F32]);
            items.push(Item::Call(levels.call(kernel, &[])));
        }
        Ok(items)
    }

    /// Sets the sums to 0.
    fn zero(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let bytes = self.memory.bytes() - self.memory.sums();
        let zero = Zero { vectors: bytes / SUMS };
        let target = sink.machine.target;
        let name = "conv_weights winograd zero";
        let kernel = sink.program(name, format!("{zero:?}"), |name| zero.program(name, target))?;
        let mut levels = Levels::new([Pointer::new(THREAD, self.memory.sums())]);
        self.chunks(&mut levels, [[0]; 3]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// Transforms the sums to those of taps.
    fn finish(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, memory) = (self.tiled.form, &self.memory);
        let [outputs, inputs] = memory.group.map(|blocks| blocks as i64);
        let taps = Taps {
            target: sink.machine.target,
            matrix: transposed(&self.tiled.transforms.filter),
            element: memory.sum_element(),
        };
        let name = "conv_weights winograd taps";
        let kernel = sink.program(name, format!("{taps:?}"), |name| taps.program(name))?;
        let mut levels =
            Levels::new([Pointer::new(THREAD, memory.sums()), Pointer::new(ARENA, self.scratch)]);
        self.chunks(
            &mut levels,
            [
                [0, form.part_bytes()],
                [0, outputs * form.output_bytes()],
                [0, inputs * form.block_bytes()],
            ],
        );
        let block = BLOCK as i64 * SUMS;
        levels.inner(Extent::Fixed(outputs as u32), [memory.sum_block(), form.output_bytes()]);
        levels.inner(Extent::Fixed(inputs as u32), [block, form.block_bytes()]);
        levels.inner(Extent::Fixed(BLOCK as u32), [SUMS, SUMS]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}

fn transposed(matrix: &Matrix) -> Matrix {
    let columns = matrix.first().map_or(0, Vec::len);
    (0..columns).map(|column| matrix.iter().map(|row| row[column]).collect()).collect()
}

/// The kernel that sets vectors of sums to 0. Argument: the first.
#[derive(Clone, Copy, Debug)]
struct Zero {
    vectors: i64,
}

impl Zero {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 1);
        let zero = b.vector();
        b.constant(zero, 0.0);
        b.repeat(Count::Fixed(self.vectors as u32), |b| {
            for v in 0..(BLOCK / target.lanes) as i64 {
                b.store(b.arg(0).at(v * target.vector_bytes()), zero);
            }
            b.advance(b.arg(0), SUMS);
        });
        b.finish()
    }
}

/// The kernel that transforms the sums of a scalar and a block of outputs to those of the taps.
/// Arguments: the sums of the first element, those of the first tap. The former are overwritten.
#[derive(Clone, Debug)]
struct Taps {
    target: Target,
    /// `G^T`.
    matrix: Matrix,
    /// Bytes between elements.
    element: i64,
}

impl Taps {
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        with_most_held(&self.matrix, |held| self.program_with(name.clone(), held))
    }

    fn program_with(&self, name: String, held: &[f32]) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let (src, dst) = (b.arg(0), b.arg(1));
        let constants = Constants::held(&mut b, held);
        let n = self.matrix[0].len();
        let tap = BLOCK as i64 * SUMS;
        for v in 0..(BLOCK / self.target.lanes) as i64 {
            let lane = v * self.target.vector_bytes();
            let at = |index: usize| src.at(index as i64 * self.element + lane);
            for x in 0..n {
                let load = |b: &mut Builder, y: usize, register: V| b.load(register, at(y * n + x));
                apply(&mut b, &constants, &self.matrix, n, load, |b, y, value| {
                    b.store(at(y * n + x), value);
                });
            }
            for y in 0..TAPS {
                let load = |b: &mut Builder, x: usize, register: V| b.load(register, at(y * n + x));
                apply(&mut b, &constants, &self.matrix, n, load, |b, x, value| {
                    b.store(dst.at((y * TAPS + x) as i64 * tap + lane), value);
                });
            }
        }
        b.finish()
    }
}
