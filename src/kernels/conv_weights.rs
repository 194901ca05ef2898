//! The gradient of a convolution with respect to its weights.
//!
//! For a tap, it is a product of two matrices, reduced over the pixels of all images: the gradient
//! of the result, whose channels are lanes, and the source, whose channels are scalars. A tile of a
//! few scalars times a few vectors stays in registers for a band of rows, which stays in the
//! first-level cache for all tiles and taps. Where a source is planar, scalars are the taps of a
//! row.
//!
//! Images are divided into parts, each with sums of its own, so that there is enough to do for all
//! threads. How many there are depends on the shape alone, and so does the result.

use resnetc_ir::op::ConvGradient;
use resnetc_ir::ty::{BLOCK, Layout};
use resnetc_ir::{Graph, NodeId};

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, Program, Target, V};

use super::KernelError;
use super::conv;
use super::function::Function;
use super::geometry::{F32, Place};
use super::loops::{Level, Loops, OPERANDS};
use super::nest::Nest;
use super::sink::{ARENA, Levels, Pointer, Sink};

/// Chunks that there should be: several for each of the threads of a large machine.
const CHUNKS: usize = 32;
/// Bytes of a band of the gradient of a result.
const BAND_BYTES: usize = 14 << 10;
/// Bytes of a vector of sums for all outputs of a block.
const SUMS: i64 = BLOCK as i64 * F32;

/// The shapes of a problem.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    gradient: ConvGradient,
    images: usize,
    /// Channels of the result and of the source.
    channels: [usize; 2],
    /// Rows and columns of the result.
    size: [usize; 2],
    /// Whether the source is planar.
    planar: bool,
    /// Blocks of the source's channels that a block of outputs sees, and blocks of outputs that
    /// see the same ones.
    blocks: usize,
    shared: usize,
}

impl Form {
    /// The form for the gradient of a result and a source `[N, C, H, W]`; `None` if groups are
    /// neither whole blocks nor parts of one.
    pub fn of(
        gradient: &ConvGradient,
        dy: [usize; 4],
        src: [usize; 4],
        layout: Layout,
    ) -> Option<Self> {
        let channels = [dy[1], src[1]];
        let planar = layout == Layout::Planar;
        let [outputs, inputs] = channels.map(|all| all / gradient.groups);
        let is_whole = outputs.is_multiple_of(BLOCK) && inputs.is_multiple_of(BLOCK);
        let is_part = outputs == inputs && BLOCK.is_multiple_of(outputs);
        let (blocks, shared) = match gradient.groups {
            1 if planar => (inputs, outputs.div_ceil(BLOCK)),
            1 => (inputs.div_ceil(BLOCK), outputs.div_ceil(BLOCK)),
            _ if planar => return None,
            _ if is_whole => (inputs / BLOCK, outputs / BLOCK),
            _ if is_part => (1, 1),
            _ => return None,
        };
        let gradient = *gradient;
        let size = [dy[2], dy[3]];
        Some(Form { gradient, images: dy[0], channels, size, planar, blocks, shared })
    }

    /// The form of a node of a scheduled graph.
    pub fn in_graph(graph: &Graph, node: NodeId, gradient: &ConvGradient) -> Option<Self> {
        let ty = |position| Some(&graph.node(graph.operand(node, position)?).ty);
        Form::of(gradient, ty(0)?.nchw()?, ty(1)?.nchw()?, ty(1)?.layout)
    }

    fn output_blocks(&self) -> usize {
        self.channels[0].div_ceil(BLOCK)
    }

    /// Scalars of a block of the source.
    fn scalars(&self) -> usize {
        if self.planar { 1 } else { BLOCK }
    }

    fn taps(&self) -> usize {
        self.gradient.window.kernel.into_iter().product()
    }

    /// Bytes of the sums of a block of outputs and a block of the source's channels.
    fn block_bytes(&self) -> i64 {
        (self.taps() * self.scalars()) as i64 * SUMS
    }

    /// Bytes of the sums of a block of outputs.
    fn output_bytes(&self) -> i64 {
        self.blocks as i64 * self.block_bytes()
    }

    fn part_bytes(&self) -> i64 {
        self.output_blocks() as i64 * self.output_bytes()
    }

    /// Images of a part.
    fn images_of_part(&self) -> usize {
        let tiles = self.output_blocks() * self.blocks;
        let parts = CHUNKS.div_ceil(tiles).clamp(1, self.images);
        self.images.div_ceil(parts)
    }

    fn parts(&self) -> usize {
        self.images.div_ceil(self.images_of_part())
    }

    /// Rows of a band: they divide the rows of the result.
    fn band_rows(&self) -> usize {
        let [rows, columns] = self.size;
        let fits = |count: &usize| count * columns * BLOCK * F32 as usize <= BAND_BYTES;
        let divides = |count: &usize| rows.is_multiple_of(*count);
        (1..=rows).rev().filter(divides).find(fits).unwrap_or(1)
    }

    /// Scratch memory, in bytes.
    pub fn scratch_bytes(&self) -> usize {
        self.parts() * self.part_bytes() as usize
    }

    /// Lowers it to regions that run one after another: sums are set to 0, computed, and brought
    /// into the order of the weights.
    ///
    /// # Errors
    /// If a kernel does not fit the machine's registers.
    pub fn lower(
        &self,
        [dy, src]: [&Place; 2],
        scratch: i64,
        dst: &Place,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let zeros = self.flat(Function::Fill(0.0), &[scratch], self.scratch_bytes(), sink)?;
        let products = self.products([dy, src], scratch, sink)?;
        let mut regions = vec![zeros, products];
        if self.parts() > 1 {
            regions.push(self.add_parts(scratch, sink)?);
        }
        regions.push(self.ordered(scratch, dst, sink)?);
        Ok(regions)
    }

    /// A function of consecutive elements of the arena.
    fn flat(
        &self,
        function: Function,
        starts: &[i64],
        bytes: usize,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let mut strides = [0; OPERANDS];
        strides[..starts.len()].fill(F32);
        let starts = starts.iter().map(|&start| (ARENA, start)).collect();
        let levels = vec![Level { extent: bytes / F32 as usize, strides }];
        Nest::new(function, Loops { starts, levels }).lower("conv_weights", sink)
    }

    fn products(
        &self,
        [dy, src]: [&Place; 2],
        scratch: i64,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let target = sink.machine.target;
        let together = if self.shared.is_multiple_of(2) && target.lanes >= BLOCK { 2 } else { 1 };
        let live = match (self.planar, self.channels[1] % BLOCK) {
            (true, _) | (_, 0) => None,
            (false, live) => Some(live),
        };
        let mut pieces = Vec::new();
        let tiles = Tiles { form: self, dy, src, scratch, together };
        let whole = self.blocks - usize::from(live.is_some());
        if whole > 0 {
            pieces.push(tiles.piece(0, whole, self.run(BLOCK), sink)?);
        }
        if let Some(live) = live {
            pieces.push(tiles.piece(whole, 1, self.run(live), sink)?);
        }
        Ok(pieces)
    }

    /// How many scalars are next to each other: channels, or taps of a row.
    fn run(&self, channels: usize) -> usize {
        if self.planar { self.gradient.window.kernel[1] } else { channels }
    }

    /// Adds all parts to the first.
    fn add_parts(&self, scratch: i64, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
        let sum = PartSum { parts: self.parts(), part: self.part_bytes() };
        let target = sink.machine.target;
        let kernel = sink.program("weight_sums", format!("{sum:?}"), |n| sum.program(n, target))?;
        let vectors = self.part_bytes() / SUMS;
        let mut levels = Levels::new([Pointer::new(ARENA, scratch)]);
        let blocks = levels.split(vectors as usize, sink.machine.parts(), [SUMS]);
        let count = blocks.extent();
        Ok(vec![levels.piece(kernel, &[count])])
    }

    /// Brings the sums into the order `[K, C/groups, R, S]`.
    fn ordered(
        &self,
        scratch: i64,
        dst: &Place,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let to = dst.geometry.planar_strides();
        let [outputs, inputs] = self.channels.map(|all| all / self.gradient.groups);
        let scalars = self.scalars();
        let block = BLOCK as i64;
        let taps = (self.taps(), F32, scalars as i64 * SUMS);
        let mut pieces = Vec::new();
        let mut copy = |first: (usize, usize), levels: &[(usize, i64, i64)]| {
            let (output, input) = first;
            let from = (output / BLOCK) as i64 * self.output_bytes()
                + (input / scalars) as i64 * self.block_bytes();
            let dst = dst.origin() + output as i64 * to[0] + input as i64 * to[1];
            let level = |&(extent, to, from): &(usize, i64, i64)| {
                let mut strides = [0; OPERANDS];
                (strides[0], strides[1]) = (to, from);
                Level { extent, strides }
            };
            let levels = levels.iter().map(level).collect();
            let starts = vec![(ARENA, dst), (ARENA, scratch + from)];
            let nest = Nest::new(Function::Copy, Loops { starts, levels });
            nest.lower("conv_weights", sink).map(|found| pieces.extend(found))
        };
        if self.gradient.groups > 1 && outputs < BLOCK {
            // Groups of a block are on its diagonal.
            let n = outputs;
            let per_block = BLOCK / n;
            let all = self.gradient.groups;
            for (first, blocks, groups) in
                [(0, all / per_block, per_block), (all / per_block, 1, all % per_block)]
            {
                let levels = [
                    (blocks, block * to[0], self.output_bytes()),
                    (groups, n as i64 * to[0], n as i64 * (SUMS + F32)),
                    (n, to[0], F32),
                    (n, to[1], SUMS),
                    taps,
                ];
                copy((first * BLOCK, 0), &levels)?;
            }
            return Ok(pieces);
        }
        let parts = |all: usize, block: usize| {
            [(0, all / block, block), (all / block * block, 1, all % block)]
        };
        // Blocks of whole groups follow each other.
        let outputs = if self.gradient.groups > 1 { self.channels[0] } else { outputs };
        for (output, blocks, live) in parts(outputs, BLOCK) {
            for (input, input_blocks, live_inputs) in parts(inputs, scalars) {
                let levels = [
                    (blocks, block * to[0], self.output_bytes()),
                    (live, to[0], F32),
                    (input_blocks, scalars as i64 * to[1], self.block_bytes()),
                    (live_inputs, to[1], SUMS),
                    taps,
                ];
                copy((output, input), &levels)?;
            }
        }
        Ok(pieces)
    }
}

/// The tiles of blocks of the source.
struct Tiles<'a> {
    form: &'a Form,
    dy: &'a Place,
    src: &'a Place,
    scratch: i64,
    /// Blocks of outputs that a tile has.
    together: usize,
}

impl Tiles<'_> {
    /// The tiles of `count` blocks of the source that start at `first`, with `run` scalars each.
    fn piece(
        &self,
        first: usize,
        count: usize,
        run: usize,
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let most = most_scalars(sink.machine.target, self.together);
        let parts = run.div_ceil(most);
        let (small, larger) = (run / parts, run % parts);
        let mut items = Vec::new();
        let mut chunks = Vec::new();
        for (scalars, calls, before) in
            [(small + 1, larger, 0), (small, parts - larger, larger * (small + 1))]
        {
            if calls > 0 && scalars > 0 {
                let piece = self.calls([first, count], [scalars, calls, before], sink)?;
                chunks.clone_from(&piece.chunks);
                items.extend(piece.items);
            }
        }
        Ok(Piece { chunks, items })
    }

    /// The calls for `calls` times `scalars` scalars, from the one `before` on.
    fn calls(
        &self,
        [first, count]: [usize; 2],
        [scalars, calls, before]: [usize; 3],
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let form = self.form;
        let (d, s) = (self.dy.geometry.strides(), self.src.geometry.strides());
        let window = &form.gradient.window;
        let [down, across] = window.strides.map(|stride| stride as i64);
        let [tap_down, tap_across] = window.dilations.map(|dilation| dilation as i64);
        let step = if form.planar { tap_across * s.pixel } else { s.lane };
        let rows = form.band_rows();
        let tile = Tile {
            target: sink.machine.target,
            together: self.together,
            scalars,
            step,
            sums: form.output_bytes(),
            size: [rows, form.size[1]],
            dy: [d.plane, d.row, d.pixel],
            src: [down * s.row, across * s.pixel],
        };
        let name = format!("conv_weights r{} s{}", window.kernel[0], window.kernel[1]);
        let kernel = sink.program(&name, format!("{tile:?}"), |name| tile.program(name))?;
        sink.note_tile(kernel, [scalars, self.together]);
        let corner = conv::start(self.src.origin(), s, window);
        let mut levels = Levels::new([
            Pointer::new(
                ARENA,
                self.scratch + first as i64 * form.block_bytes() + before as i64 * SUMS,
            ),
            Pointer::new(self.dy.base, self.dy.origin()),
            Pointer::new(self.src.base, corner + first as i64 * s.plane + before as i64 * step),
        ]);
        let parts = levels.split(form.images, form.parts(), [0, d.image, s.image]);
        levels.widen(&parts, 0, form.part_bytes());
        let groups = form.output_blocks() / form.shared;
        let own = form.shared as i64;
        let of_group = match form.gradient.groups {
            1 => 0,
            _ => form.blocks as i64 * s.plane,
        };
        levels.chunk(groups, [own * form.output_bytes(), own * d.plane, of_group]);
        let tiles = self.together as i64;
        levels
            .chunk(form.shared / self.together, [tiles * form.output_bytes(), tiles * d.plane, 0]);
        levels.chunk(count, [form.block_bytes(), 0, s.plane]);
        levels.rest(parts);
        let bands = form.size[0] / rows;
        levels.inner(
            Extent::Fixed(bands as u32),
            [0, rows as i64 * d.row, rows as i64 * down * s.row],
        );
        let columns = if form.planar { 1 } else { window.kernel[1] };
        let per_tap = form.scalars() as i64 * SUMS;
        let per_row = window.kernel[1] as i64 * per_tap;
        levels.inner(Extent::Fixed(window.kernel[0] as u32), [per_row, 0, tap_down * s.row]);
        levels.inner(Extent::Fixed(columns as u32), [per_tap, 0, tap_across * s.pixel]);
        let scalars = scalars as i64;
        levels.inner(Extent::Fixed(calls as u32), [scalars * SUMS, 0, scalars * step]);
        Ok(levels.piece(kernel, &[]))
    }
}

/// How many scalars a tile has at most.
fn most_scalars(target: Target, together: usize) -> usize {
    let vectors = together * (BLOCK / target.lanes).max(1);
    ((target.vectors - vectors - 1) / vectors).clamp(1, BLOCK)
}

/// The kernel of a tile. Arguments: the sums, the gradient of the result, the source.
#[derive(Clone, Debug)]
struct Tile {
    target: Target,
    /// Blocks of outputs.
    together: usize,
    scalars: usize,
    /// Bytes between scalars.
    step: i64,
    /// Bytes between the sums of two blocks of outputs.
    sums: i64,
    /// Rows and columns.
    size: [usize; 2],
    /// Bytes between blocks, rows and pixels of the gradient.
    dy: [i64; 3],
    /// Bytes between rows and pixels of the source.
    src: [i64; 2],
}

/// Pixels of one iteration.
const UNROLL: usize = 2;

impl Tile {
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let per_block = BLOCK / self.target.lanes;
        let vectors = self.together * per_block;
        let bytes = self.target.vector_bytes();
        let place = |v: usize, of_block: i64| {
            (v / per_block) as i64 * of_block + (v % per_block) as i64 * bytes
        };
        let sum_at = |i: usize, v: usize| i as i64 * SUMS + place(v, self.sums);
        let sums: Vec<Vec<V>> = (0..self.scalars).map(|_| b.vectors(vectors)).collect();
        for (i, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                b.load(sum, b.arg(0).at(sum_at(i, v)));
            }
        }
        let pixels = |b: &mut Builder, count: usize| {
            let rows = b.vectors(vectors);
            let scalar = b.vector();
            for pixel in 0..count as i64 {
                for (v, &row) in rows.iter().enumerate() {
                    b.load(row, b.arg(1).at(pixel * self.dy[2] + place(v, self.dy[0])));
                }
                for (i, sums) in sums.iter().enumerate() {
                    let at = pixel * self.src[1] + i as i64 * self.step;
                    b.broadcast(scalar, b.arg(2).at(at));
                    for (&sum, &row) in sums.iter().zip(&rows) {
                        b.multiply_add(sum, row, scalar);
                    }
                }
            }
            b.release(rows);
            b.release([scalar]);
            b.advance(b.arg(1), count as i64 * self.dy[2]);
            b.advance(b.arg(2), count as i64 * self.src[1]);
        };
        let [rows, columns] = self.size;
        b.repeat(Count::Fixed(rows as u32), |b| {
            b.repeat(Count::Fixed((columns / UNROLL) as u32), |b| pixels(b, UNROLL));
            if columns % UNROLL > 0 {
                pixels(b, columns % UNROLL);
            }
            b.advance(b.arg(1), self.dy[1] - columns as i64 * self.dy[2]);
            b.advance(b.arg(2), self.src[0] - columns as i64 * self.src[1]);
        });
        for (i, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                b.store(b.arg(0).at(sum_at(i, v)), sum);
            }
        }
        b.finish()
    }
}

/// The kernel that adds up parts. Arguments: the sums of the first, and how many blocks of outputs
/// there are.
#[derive(Clone, Copy, Debug)]
struct PartSum {
    parts: usize,
    /// Bytes between parts.
    part: i64,
}

impl PartSum {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let vectors = BLOCK / target.lanes;
        b.repeat(Count::Register(b.arg(1)), |b| {
            let at = b.pointer(b.arg(0));
            let (sums, other) = (b.vectors(vectors), b.vector());
            let place = |v: usize| v as i64 * target.vector_bytes();
            sums.iter().enumerate().for_each(|(v, &sum)| b.load(sum, at.at(place(v))));
            b.repeat(Count::Fixed(self.parts as u32 - 1), |b| {
                b.advance(at, self.part);
                for (v, &sum) in sums.iter().enumerate() {
                    b.load(other, at.at(place(v)));
                    b.arith(Arith::Add, sum, sum, other);
                }
            });
            sums.iter().enumerate().for_each(|(v, &sum)| b.store(b.arg(0).at(place(v)), sum));
            b.release(sums);
            b.release([other]);
            b.release_pointer(at);
            b.advance(b.arg(0), SUMS);
        });
        b.finish()
    }
}
