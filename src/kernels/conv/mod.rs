//! Convolution and matrix product with constant weights.
//!
//! They are all the same computation: for each output pixel and output channel, a sum over taps and
//! input channels. They differ in where the pixels are (`product`), which channels a lane sees
//! ([`micro::Channels`]), and whether the sum continues over another source ([`Projection`]).

pub mod ahead;
pub mod budget;
pub mod bytes;
pub mod choose;
pub(super) mod cost;
mod dots;
pub mod elements;
pub mod filters;
pub(super) mod heads;
pub mod micro;
pub mod pack;
mod panels;
pub mod partial;
mod per_lane;
pub(super) mod plan;
mod product;
mod sets;
pub mod shorts;
mod step;
mod walk;
mod wide;
mod widened;

use resnetc_ir::Tensor;
use resnetc_ir::op::{Activation, Conv, Gemm, QuantizedConv, Window};
use resnetc_ir::ty::{BLOCK, Layout};

use crate::codegen::region::{Extent, Item, Piece};

use super::KernelError;
use super::encoding;
use super::geometry::{F32, Place, Strides};
use super::problem::ConvProblem;
use super::residual::Added;
use super::sink::{Levels, Pointer, Sink, THREAD, WEIGHTS};
use super::summation::Summation;
use super::tiling::{Pixel, runs};
use ahead::Ahead;
use bytes::Rounding;
use choose::{ChunkCounts, TileChoice, choose};
pub use dots::Dot;
pub(in crate::kernels) use dots::SIGNS;
use elements::Elements;
use filters::{Filters, PackedFilters};
pub use heads::ByteOperands;
use heads::Heads;
use micro::{Channels, Micro, Shortcut, Start};
use pack::Weights;
use panels::BytePanels;
use product::{ByteProduct, ConvProduct};
pub use product::{Operands, Projection};
pub(super) use product::{shared_channels, sum};
use sets::TileSet;
use shorts::Stored;
use walk::Walk;
use wide::{Chunks, WideSource};

/// Bytes to the right of the last window of a row of planar bytes that must be readable: taps are
/// read by twos or fours, and rows are widened in units.
pub const PLANAR_BYTES_BEYOND: usize = 3 + wide::UNIT - 1;

/// Lowers a convolution, to which either a projection or a residual may be added, not both.
///
/// # Errors
/// If no register tile fits the machine.
pub fn lower_conv(
    conv: &Conv,
    weights: Filters,
    operands: Operands<'_>,
    projection: Option<Projection<'_>>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let [_, _, rows, columns] = operands.dst.geometry.nchw();
    let (src, dst) = (operands.src.geometry.strides(), operands.dst.geometry.strides());
    let res = match (&projection, operands.residual) {
        (Some(projection), _) => projection.strides(),
        (None, Some(residual)) => residual.strides(),
        (None, None) => dst,
    };
    let all = [&weights].into_iter().chain(projection.iter().map(|p| &p.weights));
    let constants: Option<Vec<&Tensor>> =
        all.map(|filters| filters.constants().map(|weights| &*weights.weights)).collect();
    let result = operands.dst.geometry.nchw();
    let stored = match constants {
        Some(constants) => Stored::of_conv(conv, &sink.machine, result, constants),
        None => Stored::Floats,
    };
    let product = ConvProduct {
        stored,
        name: name(conv, &weights, &operands, projection.as_ref()),
        walk: walk(&conv.window, src, operands.dst, res).merged(),
        weights,
        groups: conv.groups,
        window: conv.window,
        src,
        operands,
        projection,
        elements: Elements::Floats(conv.activation.into()),
        bytes: None,
        summation: if rows * columns == 1 { Summation::Parts } else { sink.machine.images },
    };
    product.lower(sink)
}

/// Lowers a product of a matrix `[M, K]` with constant weights `[N, K]`.
///
/// # Errors
/// If no register tile fits the machine.
pub fn lower_gemm(
    gemm: &Gemm,
    weights: Weights,
    operands: Operands<'_>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let (src, dst) = (operands.src.geometry.strides(), operands.dst.geometry.strides());
    let [rows, ..] = operands.dst.geometry.nchw();
    let image = Pixel { src: src.image, dst: dst.image, res: dst.image };
    let walk = Walk { images: 1, rows: 1, columns: rows, image, row: image, column: image };
    // A row of a planar matrix is contiguous, so it reduces like consecutive blocks. The blocks of
    // a blocked matrix may have halos between them if it is a view of a one-pixel image.
    let src = match operands.src.geometry.ty.layout {
        Layout::Blocked => src,
        Layout::Planar => Strides { plane: BLOCK as i64 * F32, block: BLOCK, ..src },
    };
    let product = ConvProduct {
        stored: Stored::of(&sink.machine, 1, [&*weights.weights]),
        name: format!(
            "gemm m{rows} n{} k{}{}",
            weights.outputs,
            weights.inputs,
            suffix(gemm.activation)
        ),
        operands,
        weights: weights.into(),
        groups: 1,
        walk,
        window: Window::square(1, 1, 0),
        src,
        projection: None,
        elements: Elements::Floats(gemm.activation.into()),
        bytes: None,
        summation: Summation::Parts,
    };
    product.lower(sink)
}

/// The walk over the result of a convolution.
fn walk(window: &Window, src: Strides, dst: &Place, res: Strides) -> Walk {
    let [images, _, rows, columns] = dst.geometry.nchw();
    let dst = dst.geometry.strides();
    let [row, column] = window.strides.map(|stride| stride as i64);
    Walk {
        images,
        rows,
        columns,
        image: Pixel { src: src.image, dst: dst.image, res: res.image },
        row: Pixel { src: src.row * row, dst: dst.row, res: res.row },
        column: Pixel { src: src.pixel * column, dst: dst.pixel, res: res.pixel },
    }
}

/// Lowers a convolution of quantized values. A planar source must have the border that reads of
/// [`PLANAR_BYTES_BEYOND`] reach, and the window must not be dilated along its rows.
///
/// # Errors
/// If no register tile fits the machine.
pub fn lower_quantized(
    conv: &QuantizedConv,
    dot: Dot,
    (weights, rest): (Weights, ByteOperands<'_>),
    operands: Operands<'_>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let (src, dst) = (operands.src.geometry.strides(), operands.dst.geometry.strides());
    let res = operands.residual.map_or(dst, |added| added.strides());
    let walk = walk(&conv.window, src, operands.dst, res);
    let (walk, src, wide) = as_multiplied(&conv.window, dot, src, walk);
    let ByteOperands { factors, encoding } = rest;
    let rounding = Rounding::of(conv, factors.data(), operands.residual);
    let heads = Heads::of(conv, weights.bias.as_deref(), &factors).shifted(dot.shift());
    let problem = problem(operands.src, weights.outputs, &Conv::new(conv.window, conv.groups));
    let product = ConvProduct {
        stored: Stored::Floats,
        name: format!("int8 {problem}"),
        walk,
        weights: weights.into(),
        groups: conv.groups,
        window: conv.window,
        src,
        operands,
        projection: None,
        elements: Elements::Bytes(dot, rounding),
        bytes: Some(ByteProduct { heads, encoding, wide }),
        summation: Summation::Chain,
    };
    product.lower(sink)
}

/// The walk over the source as it is multiplied, its strides, and the copy that it is, if it is
/// one.
fn as_multiplied(
    window: &Window,
    dot: Dot,
    src: Strides,
    walk: Walk,
) -> (Walk, Strides, Option<WideSource>) {
    match dot {
        Dot::Fours | Dot::Shifted => (walk.merged(), src, None),
        Dot::Pairs => {
            let is_pointwise = src.block == BLOCK && window.kernel == [1, 1];
            let walk = if is_pointwise { walk.merged() } else { walk };
            let taps = match src.block {
                BLOCK => window.kernel[1],
                _ => window.kernel[1].next_multiple_of(dot.together()),
            };
            let wide = WideSource::of(window, taps, src, &walk);
            (wide.walk(walk), wide.strides, Some(wide))
        }
    }
}

/// The kernel's name in dumps and profiles: its problem, and that of its projection.
fn name(
    conv: &Conv,
    weights: &Filters,
    operands: &Operands<'_>,
    projection: Option<&Projection<'_>>,
) -> String {
    let own = operands.problem(conv, weights.outputs);
    match projection {
        None => own,
        Some(p) => {
            let added = problem(p.src, p.weights.outputs, &Conv::new(p.window, 1));
            format!("{own} & {added}")
        }
    }
}

/// The problem of a convolution of a source, with the whole residual added.
pub(super) fn problem(src: &Place, outputs: usize, conv: &Conv) -> ConvProblem {
    let [batch, inputs, h, w] = src.geometry.nchw();
    let factors = [src.geometry.ty.dtype; 2];
    ConvProblem { batch, inputs, size: [h, w], outputs, factors, conv: *conv }
}

impl Operands<'_> {
    /// The problem of a convolution of these operands, in one line.
    fn problem(&self, conv: &Conv, outputs: usize) -> String {
        let own = problem(self.src, outputs, &Conv { projection: None, ..*conv });
        match self.residual {
            Some(added) if added.place.geometry.nchw() != self.dst.geometry.nchw() => {
                format!("{own} & {added}")
            }
            _ => own.to_string(),
        }
    }
}

fn suffix(activation: Activation) -> &'static str {
    match activation {
        Activation::None => "",
        Activation::Relu => " +relu",
        Activation::Clip { .. } => " +clip",
    }
}

impl ConvProduct<'_> {
    fn lower(&self, sink: &mut Sink) -> Result<Vec<Piece>, KernelError> {
        let choice = choose(self, &sink.machine);
        self.tile_sets(choice.vectors, sink.machine.target)
            .into_iter()
            .map(|set| self.piece(&choice, set, sink))
            .collect()
    }

    fn micro(&self, choice: &TileChoice, set: &TileSet, sink: &Sink) -> Micro {
        let band = choice.band_rows as i64;
        Micro {
            target: sink.machine.target,
            vectors: set.vectors,
            dst_block: self.operands.dst.geometry.strides().plane,
            start: Start::Bias,
            sum: self.sum(set.channels.clone()),
            stored: self.stored_in(set),
            shortcut: self.shortcut(set),
            tiles: runs(&self.walk.band(choice.band_rows), &choice.widths),
            band: [self.walk.row.src * band, self.walk.row.dst * band, self.walk.row.res * band],
            elements: self.elements.clone(),
            summation: self.summation,
            ahead: Ahead::Not,
        }
    }

    /// How the weights of some tiles are stored: as floats where each lane has its own channels.
    fn stored_in(&self, set: &TileSet) -> Stored {
        match set.channels {
            Channels::Shared { .. } => self.stored,
            Channels::PerLane { .. } => Stored::Floats,
        }
    }

    fn shortcut(&self, set: &TileSet) -> Shortcut {
        match &self.projection {
            Some(p) => {
                let src = p.src.geometry.strides();
                let channels = shared_channels(src, p.weights.inputs);
                Shortcut::Projection(sum(&p.window, src, channels))
            }
            None if self.is_bytes() => match self.operands.residual {
                Some(added) => Shortcut::Whole(added.strides().plane),
                None => Shortcut::None,
            },
            None if set.reads.is_empty() => Shortcut::None,
            None => Shortcut::Residual(set.reads.vectors.clone()),
        }
    }

    fn piece(
        &self,
        choice: &TileChoice,
        set: TileSet,
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let mut micro = self.micro(choice, &set, sink);
        if self.is_widened(&micro) {
            return self.widened_piece(choice, &micro, &set, sink);
        }
        let bands = self.walk.rows / choice.band_rows;
        let cut = choose::cut(self, choice, &micro, set.count, bands, &sink.machine);
        let chunks = self.chunks(choice, &micro, &set, cut);
        let widened = self.widened_source(&mut micro, &set, &chunks, sink)?;
        micro.ahead = Ahead::of(choice.widths.len() * bands.div_ceil(cut.bands));
        let form = format!("{micro:?}");
        let kernel = sink.program(&self.name, form, |name| micro.program(name))?;
        sink.note_tile(kernel, micro.widest());
        let panels = self.pack(&micro, &set, sink)?;
        let dst = self.operands.dst;
        let first = dst.geometry.strides().channel(set.first_output);
        let first = Pointer::new(dst.base, dst.origin() + first);
        let pointers = [
            match self.wide() {
                Some(_) => Pointer::new(THREAD, 0),
                None => self.corner().after(set.src),
            },
            panels,
            first.clone(),
            match (&self.projection, self.operands.residual) {
                (Some(Projection { src, window, .. }), _) => {
                    Pointer::new(src.base, start(src.origin(), src.geometry.strides(), window))
                }
                (None, Some(Added { place, .. })) if self.is_bytes() => {
                    let first = place.geometry.strides().channel(set.first_output);
                    Pointer::new(place.base, place.origin() + first)
                }
                (None, Some(Added { place, .. })) => {
                    Pointer::new(place.base, place.origin() + set.reads.start)
                }
                (None, None) => first.clone(),
            },
            self.bytes.as_ref().and_then(|bytes| bytes.encoding).map_or(first, encoding::pointer),
        ];
        let mut levels = Levels::new(pointers);
        let (image, row) = (self.walk.image, self.walk.row);
        levels.chunk(self.walk.images, [image.src, 0, image.dst, image.res, 0]);
        let band = choice.band_rows as i64;
        let src_row = if self.wide().is_some() { 0 } else { row.src };
        let rows =
            levels.split(bands, cut.bands, [src_row * band, 0, row.dst * band, row.res * band, 0]);
        self.tile_levels(&mut levels, &micro, &set, cut.tiles);
        levels.pass_if(3, micro.has_shortcut());
        levels.pass_if(4, micro.is_measured());
        let product = levels.piece(kernel, &[rows.extent()]);
        Ok(Piece { items: widened.into_iter().chain(product.items).collect(), ..product })
    }

    /// Where the first window of the source is.
    fn corner(&self) -> Pointer {
        let src = self.operands.src;
        Pointer::new(src.base, start(src.origin(), src.geometry.strides(), &self.window))
    }

    /// The chunks of the piece of some tiles.
    fn chunks(
        &self,
        choice: &TileChoice,
        micro: &Micro,
        set: &TileSet,
        cut: ChunkCounts,
    ) -> Chunks {
        let in_block = (BLOCK / micro.lanes()).max(1);
        let is_cut = set.count.is_multiple_of(in_block);
        Chunks {
            images: self.walk.images,
            bands: self.walk.rows / choice.band_rows,
            band_rows: choice.band_rows,
            band_parts: cut.bands,
            tiles: is_cut.then_some([set.count / in_block, cut.tiles]),
        }
    }

    /// The calls that widen what a chunk sees of the source, if it is widened; the kernel is told
    /// where the planes of the copy are.
    fn widened_source(
        &self,
        micro: &mut Micro,
        set: &TileSet,
        chunks: &Chunks,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let (Some(wide), Channels::Shared { step, .. }) = (self.wide(), &mut micro.sum.channels)
        else {
            return Ok(Vec::new());
        };
        *step = wide.plane(chunks.rows());
        let src = self.operands.src.geometry.strides();
        let group = set.first_output / (self.weights.outputs / self.groups);
        let corner = self.corner().after(src.channel(group * self.weights.inputs));
        let planes = self.weights.inputs.div_ceil(src.block);
        wide.items(&self.name, &corner, (planes, src.plane), chunks, sink)
    }

    /// The loop levels over tiles: blocks of output channels, and parts of a block if a tile is
    /// narrower than a block.
    fn tile_levels(&self, levels: &mut Levels<5>, micro: &Micro, set: &TileSet, parts: usize) {
        let panel = micro.panel_bytes();
        let lanes = micro.lanes();
        let in_block = (16 / lanes).max(1);
        let blocks = (lanes / 16).max(1) as i64;
        // A residual is traversed like the result; every tile reads the same part of a projection's
        // source.
        let dst_lanes = lanes as i64 * self.operands.dst.geometry.strides().lane;
        let (res_block, res_lanes) = match self.operands.residual {
            Some(added) => (added.strides().plane, lanes as i64 * added.strides().lane),
            None => (0, 0),
        };
        let part = [set.src_step, panel, dst_lanes, res_lanes, 0];
        if !set.count.is_multiple_of(in_block) {
            // A single narrow tile.
            levels.inner(Extent::Fixed(set.count as u32), part);
            return;
        }
        let n = in_block as i64;
        let step = [set.src_step * n, panel * n, micro.dst_block * blocks, res_block * blocks, 0];
        let outer = levels.split(set.count / in_block, parts, step);
        levels.rest(outer);
        if in_block > 1 {
            levels.inner(Extent::Fixed(in_block as u32), part);
        }
    }

    fn pack(&self, micro: &Micro, set: &TileSet, sink: &mut Sink) -> Result<Pointer, KernelError> {
        let (first, lanes) = (set.first_output, micro.lanes());
        if let (Some(bytes), Some(dot)) = (&self.bytes, self.dot()) {
            let panels = BytePanels {
                weights: self.weights.clone().into_constants()?,
                heads: bytes.heads.clone(),
                dot,
                along: self.along(),
                first_output: first,
                lanes,
            };
            let bytes = micro.panel_bytes() as usize * set.count;
            let offset = sink.pack_bytes(bytes, move |out| panels.fill(out));
            return Ok(Pointer::new(WEIGHTS, offset));
        }
        let block = match &micro.sum.channels {
            Channels::Shared { block, .. } => *block,
            Channels::PerLane { channels } => channels.len(),
        };
        let mut parts = vec![(self.weights.clone(), block)];
        let projected = |p: &Projection<'_>| (p.weights.clone(), p.src.geometry.strides().block);
        parts.extend(self.projection.as_ref().map(projected));
        let (count, stored) = (set.count, micro.stored);
        PackedFilters { first_output: first, lanes, count, stored }.pack(parts, sink)
    }
}

/// Offset of the first tap of the first output pixel.
pub(super) fn start(origin: i64, src: Strides, window: &Window) -> i64 {
    origin - (window.pads.top as i64 * src.row + window.pads.left as i64 * src.pixel)
}
