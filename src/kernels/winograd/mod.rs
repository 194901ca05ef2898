//! Winograd's minimal filtering for 3x3 convolutions of stride 1 (Lavin and Gray, "Fast Algorithms for Convolutional
//! Neural Networks", 2016): transform the input tile by tile, multiply matrices, transform back.
//!
//! Three regions, with the transformed values in the step's scratch memory: input tiles `V[element][tile][channel]`
//! and products `M[block][element][tile][16]`. The products are those of [`conv`](super::conv), one matrix product an
//! element of the tile.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::op::Conv;

use crate::codegen::region::{Extent, Piece};

use super::KernelError;
use super::conv::Operands;
use super::conv::micro::{Ahead, Channels, Micro, Shortcut, Sum, widest_tile};
use super::conv::pack::Weights;
use super::geometry::{F32, Strides};
use super::problem::ConvProblem;
use super::sink::{ALIGN, ARENA, Levels, Pointer, Sink, WEIGHTS};
use super::tiling::{Pixel, runs, split};

mod filters;
pub mod matrices;
pub mod transform;

use matrices::{TAPS, Transforms};
use transform::{Run, TileRow};

/// A convolution cut into tiles.
#[derive(Clone, Debug)]
pub struct Form {
    transforms: Transforms,
    images: usize,
    inputs: usize,
    outputs: usize,
    /// Rows and columns of the result.
    size: [usize; 2],
    /// Rows and columns of tiles.
    tiles: [usize; 2],
}

/// Fewer channels than this do not pay for the transforms.
const FEWEST_CHANNELS: usize = 16;

/// The most bytes that a displacement in the code may span.
const FARTHEST: i64 = 1 << 30;

impl Form {
    /// How the convolution of these shapes is cut, if Winograd's algorithm suits it; else why not.
    ///
    /// # Errors
    /// The reason for which direct convolution is taken.
    pub fn of(conv: &Conv, src: [usize; 4], dst: [usize; 4]) -> Result<Form, &'static str> {
        let [_, inputs, ..] = src;
        let [images, outputs, rows, columns] = dst;
        let window = conv.window;
        if window.kernel != [TAPS; 2] || window.strides != [1; 2] || window.dilations != [1; 2] {
            return Err("it is no 3x3 convolution of stride 1");
        }
        if conv.groups != 1 || inputs < FEWEST_CHANNELS || outputs < FEWEST_CHANNELS {
            return Err("it has too few channels");
        }
        if rows < 4 || columns < 4 {
            return Err("the picture is too small");
        }
        // Large tiles need 36/9 as many weights, which on small pictures are most of what is read.
        let transforms = if rows.min(columns) >= 10 { Transforms::f4() } else { Transforms::f2() };
        let tiles = [rows, columns].map(|n| n.div_ceil(transforms.outputs));
        let form = Form { transforms, images, inputs, outputs, size: [rows, columns], tiles };
        match form.scratch_bytes() as i64 <= FARTHEST {
            true => Ok(form),
            false => Err("its transformed values would be too large"),
        }
    }

    /// Bytes of scratch memory that a run needs.
    pub fn scratch_bytes(&self) -> usize {
        self.products() as usize + self.outputs.div_ceil(16) * self.product_block() as usize
    }

    /// Tiles of all images.
    fn tile_count(&self) -> usize {
        self.images * self.tiles[0] * self.tiles[1]
    }

    /// Elements of a transformed tile.
    fn elements(&self) -> usize {
        self.transforms.inputs().pow(2)
    }

    /// Bytes from a transformed input tile to the next: its channels, and a cache line that keeps tiles out of each
    /// other's cache sets.
    fn value_tile(&self) -> i64 {
        (self.inputs.next_multiple_of(16) as i64 + 16) * F32
    }

    fn value_element(&self) -> i64 {
        self.value_tile() * self.tile_count() as i64
    }

    /// Where the products begin.
    fn products(&self) -> i64 {
        (self.value_element() as usize * self.elements()).next_multiple_of(ALIGN) as i64
    }

    fn product_element(&self) -> i64 {
        16 * F32 * self.tile_count() as i64
    }

    fn product_block(&self) -> i64 {
        self.product_element() * self.elements() as i64
    }

    /// Rows of tiles that have the same number of rows `beyond` reaches: first row of tiles, how many, rows of each.
    fn classes(&self, axis: usize, beyond: usize) -> Vec<(usize, usize, usize)> {
        let (m, n) = (self.transforms.outputs, self.tiles[axis]);
        let rows = |tile: usize| (m + beyond).min(self.size[axis] + beyond - tile * m);
        match rows(n - 1) == rows(0) {
            true => vec![(0, n, rows(0))],
            false if n == 1 => vec![(0, 1, rows(0))],
            false => vec![(0, n - 1, rows(0)), (n - 1, 1, rows(n - 1))],
        }
    }

    fn tile_runs(&self, beyond: usize) -> Vec<Run> {
        self.classes(1, beyond)
            .into_iter()
            .map(|(_, tiles, columns)| Run { tiles, columns })
            .collect()
    }

    /// Lowers the three steps, which run one after the other. `scratch` is the offset of the scratch memory in the arena.
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
    ) -> Result<[Vec<Piece>; 3], KernelError> {
        let [batch, inputs, h, w] = operands.src.geometry.nchw();
        let problem =
            ConvProblem { batch, inputs, size: [h, w], outputs: self.outputs, conv: *conv };
        let name =
            |step: &str| format!("winograd F({},3) {step} {problem}", self.transforms.outputs);
        let bias = weights.bias.clone();
        let input = self.input(conv, operands, scratch, &name("input"), sink)?;
        let product = self.product(weights, scratch, &name("product"), sink)?;
        let output = self.output(conv, operands, bias, scratch, &name("output"), sink)?;
        Ok([input, product, output])
    }

    fn input(
        &self,
        conv: &Conv,
        operands: Operands<'_>,
        scratch: i64,
        name: &str,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let src = operands.src.geometry.strides();
        let m = self.transforms.outputs as i64;
        let pads = conv.window.pads;
        let start =
            operands.src.origin() - pads.top as i64 * src.row - pads.left as i64 * src.pixel;
        let mut pieces = Vec::new();
        for (first, count, rows) in self.classes(0, TAPS - 1) {
            let row = TileRow {
                target: sink.machine.target,
                matrix: self.transforms.input.clone(),
                rows,
                runs: self.tile_runs(TAPS - 1),
                picture_row: src.row,
                picture_tile: m * src.pixel,
                element: self.value_element(),
                tile: self.value_tile(),
            };
            let kernel = sink.program(name, format!("winograd input {row:?}"), |n| row.input(n))?;
            let picture = [src.image, m * src.row, src.plane];
            let tiles = [self.tiles[0] * self.tiles[1], self.tiles[1]]
                .map(|n| n as i64 * self.value_tile());
            let mut levels = Levels::new([
                Pointer::new(operands.src.base, start + first as i64 * picture[1]),
                Pointer::new(ARENA, scratch + first as i64 * tiles[1]),
            ]);
            levels.chunk(self.images, [picture[0], tiles[0]]);
            levels.chunk(count, [picture[1], tiles[1]]);
            levels.inner(Extent::Fixed(self.inputs.div_ceil(16) as u32), [picture[2], 16 * F32]);
            pieces.push(levels.piece(kernel, &[]));
        }
        Ok(pieces)
    }

    fn product(
        &self,
        weights: Weights,
        scratch: i64,
        name: &str,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let target = sink.machine.target;
        let vectors = 16 / target.lanes;
        let widest = widest_tile(target, vectors, true).unwrap_or(1);
        let pixel = |i: usize| Pixel {
            src: i as i64 * self.value_tile(),
            dst: i as i64 * 16 * F32,
            res: 0,
        };
        let pixels: Vec<Pixel> = (0..self.tile_count()).map(pixel).collect();
        let (widths, _) = split(pixels.len(), widest, vectors);
        let channels = Channels::Shared {
            block: 16,
            blocks: self.inputs / 16,
            tail: self.inputs % 16,
            step: 16 * F32,
        };
        let micro = Micro {
            target,
            vectors,
            dst_block: 0,
            sum: Sum { tap_rows: (1, 0), tap_columns: (1, 0), channels },
            shortcut: Shortcut::None,
            tiles: runs(&pixels, &widths),
            band: [0; 3],
            activation: Default::default(),
            ahead: Ahead::of(widths.len()),
        };
        let kernel = sink.program(name, format!("{micro:?}"), |n| micro.program(n))?;
        let blocks = self.outputs.div_ceil(16);
        let panel = micro.panel_len();
        let transforms = self.transforms.clone();
        let panels = sink.pack(panel * blocks * self.elements(), move |out| {
            filters::fill(&transforms, &weights, panel, out)
        });
        let mut levels = Levels::new([
            Pointer::new(ARENA, scratch),
            Pointer::new(WEIGHTS, panels),
            Pointer::new(ARENA, scratch + self.products()),
        ]);
        let bytes = panel as i64 * F32;
        levels.chunk(
            self.elements(),
            [self.value_element(), bytes * blocks as i64, self.product_element()],
        );
        levels.inner(Extent::Fixed(blocks as u32), [0, bytes, self.product_block()]);
        Ok(vec![levels.piece(kernel, &[Extent::Fixed(1)])])
    }

    fn output(
        &self,
        conv: &Conv,
        operands: Operands<'_>,
        bias: Option<Arc<Tensor>>,
        scratch: i64,
        name: &str,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let dst = operands.dst.geometry.strides();
        let place = operands.residual.unwrap_or(operands.dst);
        let res = place.geometry.strides();
        let m = self.transforms.outputs as i64;
        let biases = sink.pack(self.outputs.next_multiple_of(16), move |out| {
            if let Some(bias) = bias {
                out[..bias.data().len()].copy_from_slice(bias.data());
            }
        });
        let mut pieces = Vec::new();
        for (first, count, rows) in self.classes(0, 0) {
            let row = TileRow {
                target: sink.machine.target,
                matrix: self.transforms.output.clone(),
                rows,
                runs: self.tile_runs(0),
                picture_row: dst.row,
                picture_tile: m * dst.pixel,
                element: self.product_element(),
                tile: 16 * F32,
            };
            let residual = operands.residual.map(|_| [m * res.pixel, res.row]);
            let form = format!("winograd output {row:?} {residual:?} {:?}", conv.activation);
            let kernel = sink.program(name, form, |n| row.output(n, residual, conv.activation))?;
            let tiles = [self.tiles[0] * self.tiles[1], self.tiles[1]].map(|n| n as i64 * 16 * F32);
            let down = |s: Strides| m * s.row;
            let start = |p: &super::geometry::Place, s: Strides| {
                Pointer::new(p.base, p.origin() + first as i64 * down(s))
            };
            let mut levels = Levels::new([
                Pointer::new(ARENA, scratch + self.products() + first as i64 * tiles[1]),
                Pointer::new(WEIGHTS, biases),
                start(operands.dst, dst),
                start(place, res),
            ]);
            levels.chunk(self.images, [tiles[0], 0, dst.image, res.image]);
            levels.chunk(count, [tiles[1], 0, down(dst), down(res)]);
            let blocks = Extent::Fixed(self.outputs.div_ceil(16) as u32);
            levels.inner(blocks, [self.product_block(), 16 * F32, dst.plane, res.plane]);
            let piece = levels.piece(kernel, &[]);
            pieces.push(if residual.is_some() { piece } else { piece.without_arg(3) });
        }
        Ok(pieces)
    }
}
