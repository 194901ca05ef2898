//! Winograd's minimal filtering for 3x3 convolutions of stride 1 and 2 (Lavin and Gray, "Fast Algorithms
//! for Convolutional Neural Networks", 2016): transform the input tile by tile, multiply matrices,
//! transform back.
//!
//! | module | holds |
//! |---|---|
//! | [`matrices`] | the transforms, from interpolation points |
//! | `axis` | the tiles along one axis |
//! | `plan` | the plan of the algorithm |
//! | `cost` | what a layer costs |
//! | [`tile_blocks`] | the schedule for large images: blocks of tiles, everything in the core's cache |
//! | [`filter_blocks`] | the schedule for many filters: blocks of outputs, filters transformed at run time |
//! | `product` | the matrix products, one for each element of the tile |
//! | [`transform`], `filter` | the transforms as vector programs |
//! | `energy`, `guard` | which rows of tiles have values too far apart in magnitude, and how these are computed |
//! | `plain`, `gains` | untransformed filters, and how much they amplify each input channel |
//! | `linear` | small constant matrices times registers |
//! | `packed` | the packed weights of a layer, constants or values |
//! | `filters` | filters transformed when the network is compiled |
//! | `integer` | the same for bytes, in integers and exact |
//! | `planar` | windows of 5x5 to 8x8 and stride 2 over a few planar channels |
//!
//! Transformed inputs are `V[element][tile][channel]`, products `M[block][element][tile][16]`. The
//! products are those of [`conv`](super::conv).

use resnetc_ir::op::Conv;

use crate::codegen::region::{Base, Item};
use crate::codegen::vir::Target;

use super::KernelError;
use super::conv::{Operands, problem, start};
use super::conv_plan::Refusal;
use super::epilogue::Epilogue;
use super::geometry::{F32, Place, Strides};
use super::residual::Reads;
use super::sink::{ALIGN, Levels, Pointer, Sink, aligned};

pub(super) mod axis;
mod cost;
mod energy;
mod filter;
pub mod filter_blocks;
mod filters;
mod gains;
mod guard;
pub(super) mod integer;
pub(super) mod linear;
pub mod matrices;
mod packed;
mod plain;
pub(super) mod plan;
pub(super) mod planar;
mod product;
pub mod tile_blocks;
pub mod transform;

use axis::{Axis, Class};
use matrices::{TAPS, Transforms};
use transform::{AddedTile, Run, TileRow};

/// Outputs of a tile along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tile {
    /// 2: as exact as direct convolution, 2.25 times fewer multiplications.
    Two,
    /// 4: about twice the rounding error, 4 times fewer multiplications.
    Four,
    /// 2, with stride 2: as exact as direct convolution, 1.44 times fewer multiplications.
    TwoStrided,
}

impl Tile {
    /// The transforms.
    pub fn transforms(self) -> Transforms {
        match self {
            Tile::Two => Transforms::f2(),
            Tile::Four => Transforms::f4(),
            Tile::TwoStrided => Transforms::f2_strided(),
        }
    }
}

/// The order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// A few rows of tiles at a time: input transform, products of all outputs, output transform,
    /// by one thread.
    TileBlocks,
    /// All inputs are transformed; then a few outputs at a time: filter transform, products, output
    /// transform.
    FilterBlocks,
}

/// A convolution cut into tiles.
#[derive(Clone, Debug)]
pub struct Tiling {
    transforms: Transforms,
    images: usize,
    inputs: usize,
    outputs: usize,
    /// Rows and columns of the result.
    size: [usize; 2],
    /// Rows and columns of tiles.
    tiles: [usize; 2],
}

/// With fewer channels than this, the transforms do not pay off.
const FEWEST_CHANNELS: usize = 16;

/// With fewer rows or columns than this, they do not pay off either.
const SMALLEST_RESULT: usize = 4;

/// The maximum number of bytes that a displacement in the code may span.
const FARTHEST: i64 = 1 << 30;

impl Tiling {
    /// How the convolution of these shapes is cut into tiles.
    ///
    /// # Errors
    /// The reason, if it cannot be and only other algorithms remain.
    pub fn of(
        tile: Tile,
        conv: &Conv,
        src: [usize; 4],
        dst: [usize; 4],
    ) -> Result<Tiling, Refusal> {
        Tiling::with(tile.transforms(), conv, src, dst)
    }

    /// How it is cut for these transforms.
    fn with(
        transforms: Transforms,
        conv: &Conv,
        src: [usize; 4],
        dst: [usize; 4],
    ) -> Result<Tiling, Refusal> {
        let [_, inputs, ..] = src;
        let [images, outputs, rows, columns] = dst;
        let window = conv.window;
        if window.kernel != [TAPS; 2] {
            return Err(Refusal::Window(window.kernel));
        }
        if window.strides != [transforms.stride; 2] {
            return Err(Refusal::Stride(window.strides));
        }
        if window.dilations != [1; 2] {
            return Err(Refusal::Dilation(window.dilations));
        }
        if conv.groups != 1 {
            return Err(Refusal::Groups(conv.groups));
        }
        if inputs < FEWEST_CHANNELS || outputs < FEWEST_CHANNELS {
            return Err(Refusal::FewChannels { inputs, outputs, least: FEWEST_CHANNELS });
        }
        if rows < SMALLEST_RESULT || columns < SMALLEST_RESULT {
            return Err(Refusal::SmallResult { size: [rows, columns], least: SMALLEST_RESULT });
        }
        let tiles = [rows, columns].map(|n| n.div_ceil(transforms.outputs));
        let form = Tiling { transforms, images, inputs, outputs, size: [rows, columns], tiles };
        match form.elements() as i64 * form.value_element(form.tile_count()) <= FARTHEST {
            true => Ok(form),
            false => Err(Refusal::TooLarge("transformed values")),
        }
    }

    /// Number of tiles of an image.
    fn image_tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Number of tiles of all images.
    fn tile_count(&self) -> usize {
        self.images * self.image_tiles()
    }

    /// Elements of a transformed tile.
    fn elements(&self) -> usize {
        self.transforms.inputs().pow(2)
    }

    /// Blocks of 16 outputs.
    fn output_blocks(&self) -> usize {
        self.outputs.div_ceil(16)
    }

    /// Bytes from one transformed input tile to the next: its channels, and a cache line that keeps
    /// tiles out of each other's cache sets.
    fn value_tile(&self) -> i64 {
        (self.inputs.next_multiple_of(16) as i64 + 16) * F32
    }

    /// Bytes from one element of the transformed input to the next, with `tiles` tiles.
    fn value_element(&self, tiles: usize) -> i64 {
        spread(self.value_tile() * tiles as i64)
    }

    /// Bytes from one element of the products to the next.
    fn product_element(&self, tiles: usize) -> i64 {
        spread(16 * F32 * tiles as i64)
    }

    /// Bytes from one block of 16 outputs to the next.
    fn product_block(&self, tiles: usize) -> i64 {
        self.product_element(tiles) * self.elements() as i64
    }

    /// The tiles along an axis: 0 for rows, 1 for columns.
    fn axis(&self, axis: usize) -> Axis {
        Axis { size: self.size[axis], outputs: self.transforms.outputs }
    }

    /// The rows of tiles `first..first + count`, classified by how many rows of outputs exist.
    fn classes(&self, first: usize, count: usize) -> Vec<Class> {
        self.axis(0).classes(first, count)
    }

    /// The tiles of a row, by how many columns of outputs exist.
    fn output_runs(&self) -> Vec<Run> {
        self.axis(1).runs(|outputs| outputs)
    }

    /// The tiles of a row, by how many columns of inputs exist.
    fn input_runs(&self) -> Vec<Run> {
        self.axis(1).runs(|outputs| self.transforms.seen(outputs))
    }

    /// Rows and columns of the source that windows see.
    fn seen(&self) -> [usize; 2] {
        self.size.map(|outputs| self.transforms.seen(outputs))
    }

    /// The name of kernels and of steps in a profile.
    fn name(&self, step: &str, conv: &Conv, operands: Operands<'_>) -> String {
        let problem = problem(operands.src, self.outputs, conv);
        let Transforms { outputs, stride, .. } = self.transforms;
        let stride = if stride == 1 { String::new() } else { format!("/{stride}") };
        format!("winograd F({outputs},{TAPS}){stride} {step} {problem}")
    }
}

/// Enough cache lines for so many bytes, of an odd number: at such distances, the elements of a tile,
/// which a transform reads or writes together, map to different cache sets.
pub(super) fn spread(bytes: i64) -> i64 {
    let line = ALIGN as i64;
    ((aligned(bytes) / line) | 1) * line
}

/// A convolution in its network.
struct TiledConv<'a> {
    form: &'a Tiling,
    conv: &'a Conv,
    operands: Operands<'a>,
}

/// Where transformed tiles are stored.
#[derive(Clone, Copy, Debug)]
struct TileMemory {
    base: Base,
    /// Offset of the first element of the first tile.
    offset: i64,
    /// The row of tiles to which the first one belongs.
    first_row: usize,
    /// Number of tiles there, which determines the distance between elements.
    tiles: usize,
}

impl TileMemory {
    /// The first element of the first tile of a class, where neighbouring tiles are `tile` bytes
    /// apart.
    fn start(&self, class: Class, columns: usize, tile: i64) -> Pointer {
        let before = (class.first - self.first_row) * columns;
        Pointer::new(self.base, self.offset + before as i64 * tile)
    }
}

/// Neighbouring groups of a few blocks of outputs that all add the residual in the same way.
struct OutputGroups {
    /// The first group.
    first: usize,
    /// How many groups.
    count: usize,
    /// The blocks of the first group. Each later group is as many blocks further on.
    runs: Vec<OutputRun>,
}

/// Neighbouring blocks of 16 outputs that add the residual in the same way.
struct OutputRun {
    /// The first block, counted from the group's first.
    first: usize,
    /// How many blocks.
    count: usize,
    /// What is added to the first block; each later block adds the same from one block further on.
    reads: Reads,
}

/// The blocks of a group; neighbours that add the residual in the same way are joined.
fn runs(blocks: impl Iterator<Item = Reads>) -> Vec<OutputRun> {
    let mut runs: Vec<OutputRun> = Vec::new();
    for (first, reads) in blocks.enumerate() {
        match runs.last_mut() {
            Some(run) if run.reads.vectors == reads.vectors => run.count += 1,
            _ => runs.push(OutputRun { first, count: 1, reads }),
        }
    }
    runs
}

impl OutputGroups {
    fn is_like(&self, runs: &[OutputRun]) -> bool {
        let alike = |(a, b): (&OutputRun, &OutputRun)| {
            a.count == b.count && a.reads.vectors == b.reads.vectors
        };
        self.runs.len() == runs.len() && self.runs.iter().zip(runs).all(alike)
    }
}

impl TiledConv<'_> {
    /// The source's strides, and the offset of the first tile's first pixel.
    fn source(&self) -> (Strides, i64) {
        let src = self.operands.src.geometry.strides();
        (src, start(self.operands.src.origin(), src, &self.conv.window))
    }

    /// The input transform of rows of tiles. `outer` adds the outer levels, with the strides of
    /// image and tiles.
    fn input_call(
        &self,
        class: Class,
        values: TileMemory,
        outer: impl FnOnce(&mut Levels<2>, Strides),
        sink: &mut Sink,
    ) -> Result<(Levels<2>, usize), KernelError> {
        let form = self.form;
        let (src, start) = self.source();
        let advance = form.transforms.advance() as i64;
        let row = TileRow {
            target: sink.machine.target,
            matrix: form.transforms.input.clone(),
            rows: form.transforms.seen(class.rows),
            runs: form.input_runs(),
            image_row: src.row,
            image_tile: advance * src.pixel,
            element: form.value_element(values.tiles),
            tile: form.value_tile(),
            ahead: false,
        };
        let name = form.name("input", self.conv, self.operands);
        let kernel = sink.program(&name, format!("winograd input {row:?}"), |n| row.input(n))?;
        let down = advance * src.row;
        let mut levels = Levels::new([
            Pointer::new(self.operands.src.base, start + class.first as i64 * down),
            values.start(class, form.tiles[1], form.value_tile()),
        ]);
        outer(&mut levels, src);
        Ok((levels, kernel))
    }

    /// Strides of one row of tiles, in the image and in the transformed tiles.
    fn input_row(&self, src: Strides) -> [i64; 2] {
        let form = self.form;
        let advance = form.transforms.advance() as i64;
        [advance * src.row, form.tiles[1] as i64 * form.value_tile()]
    }

    /// The output transform of rows of tiles, for 16 outputs at a time, starting with block
    /// `block`; `reads` is what is added to them. `outer` adds the levels outside the rows, with
    /// the strides of products, biases, result and residual; the rows are a repeat; `inner` adds
    /// the levels inside it.
    fn output_call(
        &self,
        class: Class,
        products: TileMemory,
        biases: (Base, i64),
        (block, reads): (usize, &Reads),
        (outer, inner): (
            impl FnOnce(&mut Levels<4>, Strides, Strides),
            impl FnOnce(&mut Levels<4>, Strides, Strides),
        ),
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.form;
        let operands = self.operands;
        let dst = operands.dst.geometry.strides();
        let residual = operands.residual.filter(|_| !reads.is_empty());
        let res = residual.map_or(dst, |added| added.strides());
        let m = form.transforms.outputs as i64;
        let row = TileRow {
            target: sink.machine.target,
            matrix: form.transforms.output.clone(),
            rows: class.rows,
            runs: form.output_runs(),
            image_row: dst.row,
            image_tile: m * dst.pixel,
            element: form.product_element(products.tiles),
            tile: 16 * F32,
            ahead: false,
        };
        let added = residual.map(|_| AddedTile {
            tile: m * res.pixel,
            pixels: [res.row, res.pixel],
            vectors: reads.vectors.clone(),
        });
        let epilogue = Epilogue::from(self.conv.activation);
        let key = format!("winograd output {row:?} {added:?} {epilogue:?}");
        let name = form.name("output", self.conv, operands);
        let kernel = sink.program(&name, key, |n| row.output(n, added.as_ref(), epilogue))?;
        let start = |p: &Place, s: Strides, channels: i64| {
            Pointer::new(p.base, p.origin() + class.first as i64 * m * s.row + channels)
        };
        let place = residual.map_or(operands.dst, |added| added.place);
        let mut levels = Levels::new([
            products.start(class, form.tiles[1], 16 * F32),
            Pointer::new(biases.0, biases.1 + (16 * block) as i64 * F32),
            start(operands.dst, dst, block as i64 * dst.plane),
            start(place, res, reads.start),
        ]);
        outer(&mut levels, dst, res);
        let tiles = form.tiles[1] as i64 * 16 * F32;
        levels.repeat([tiles, 0, m * dst.row, m * res.row]);
        inner(&mut levels, dst, res);
        levels.pass_if(3, added.is_some());
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// All groups of `blocks` blocks of outputs; neighbours that add the residual in the same way
    /// are joined.
    fn output_groups(&self, blocks: usize, target: Target) -> Vec<OutputGroups> {
        let outputs = self.form.outputs;
        let reads = |block: usize| match self.operands.residual {
            Some(added) => added.reads(16 * block, 16, outputs, target),
            None => Reads::none(16 / target.lanes),
        };
        let mut groups: Vec<OutputGroups> = Vec::new();
        for first in (0..self.form.output_blocks()).step_by(blocks) {
            let runs = runs((first..first + blocks).map(reads));
            match groups.last_mut() {
                Some(last) if last.is_like(&runs) => last.count += 1,
                _ => groups.push(OutputGroups { first: first / blocks, count: 1, runs }),
            }
        }
        groups
    }
}
