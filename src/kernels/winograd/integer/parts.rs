//! The chunks: a few rows of tiles, which one thread transforms, multiplies with all filters and
//! transforms back, in private memory that stays in its caches.

use resnetc_ir::op::{Conv, QuantizedConv};
use resnetc_ir::ty::BLOCK;

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::Target;
use crate::kernels::KernelError;
use crate::kernels::conv::ahead::Ahead;
use crate::kernels::conv::bytes::Rounding;
use crate::kernels::conv::elements::Elements;
use crate::kernels::conv::heads::{Head, Heads};
use crate::kernels::conv::micro::{Channels, Micro, Shortcut, Start, Sum};
use crate::kernels::conv::pack::Weights;
use crate::kernels::conv::shorts::Stored;
use crate::kernels::conv::{ByteOperands, Dot, Operands, start};
use crate::kernels::encoding;
use crate::kernels::geometry::Place;
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD, WEIGHTS, aligned};
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, runs, split};

use super::super::axis::Blocks;
use super::super::tile_blocks::blocks;
use super::super::{Class, Tiling};
use super::cost::{value_element, value_tile, widest};
use super::filters::Packing;
use super::plan::Plan;
use super::programs::{HALF, Inputs, Outputs, SHORTS, SUMS};

/// Lowers a convolution by its plan.
///
/// # Errors
/// If a kernel does not fit the machine.
pub(in crate::kernels) fn lower(
    plan: &Plan,
    conv: &QuantizedConv,
    (weights, rest): (Weights, ByteOperands<'_>),
    operands: Operands<'_>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let ByteOperands { factors, encoding } = rest;
    let rounding = Rounding::of(conv, factors.data(), operands.residual);
    let heads = Heads::of(conv, weights.bias.as_deref(), &factors);
    let conv = &Conv::new(conv.window, conv.groups);
    Layer { plan, conv, operands, encoding, rounding }.lower(weights, heads, sink)
}

/// A convolution in its network.
struct Layer<'a> {
    plan: &'a Plan,
    conv: &'a Conv,
    operands: Operands<'a>,
    /// Where the source's scale and zero point are, if they are measured.
    encoding: Option<&'a Place>,
    rounding: Rounding,
}

impl Layer<'_> {
    fn lower(
        &self,
        weights: Weights,
        heads: Heads,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let Plan { form, cut, vectors, .. } = self.plan;
        let lanes = vectors * sink.machine.target.lanes;
        let transforms = form.transforms.clone();
        let packing = Packing { transforms, weights, heads, lanes };
        let (bytes, before) = (packing.bytes(), packing.before() as i64);
        let heads = sink.pack_bytes(bytes, move |out| packing.fill(out));
        let filters = heads + before;
        let parts = |blocks| Parts { layer: self, blocks, filters, heads };
        blocks(form, *cut).into_iter().map(|blocks| parts(blocks).piece(sink)).collect()
    }

    fn form(&self) -> &Tiling {
        &self.plan.form
    }

    fn name(&self, step: &str) -> String {
        self.form().name(&format!("int8 {step}"), self.conv, self.operands)
    }
}

/// Chunks of the same form.
struct Parts<'a> {
    layer: &'a Layer<'a>,
    blocks: Blocks,
    /// Offsets among the packed constants: of the transformed filters, and of the heads.
    filters: i64,
    heads: i64,
}

impl Parts<'_> {
    fn piece(&self, sink: &mut Sink) -> Result<Piece, KernelError> {
        let (form, target) = (self.layer.form(), sink.machine.target);
        let blocks = self.per_group(target);
        let products = self.products();
        sink.reserve((products + form.product_block(self.tiles()) * blocks as i64) as usize);
        let classes = form.classes(self.blocks.first, self.blocks.rows);
        let inputs = classes.iter().map(|class| self.inputs(*class, sink));
        let mut items = inputs.collect::<Result<Vec<_>, _>>()?;
        let mut group = vec![self.product(sink)?];
        for class in classes {
            group.push(self.outputs(class, sink)?);
        }
        let count = form.output_blocks() / blocks;
        items.push(Item::Repeat { count: count as u32, items: group });
        Ok(Piece { chunks: vec![form.images as u32, self.blocks.count as u32], items })
    }

    fn tiles(&self) -> usize {
        self.blocks.rows * self.layer.form().tiles[1]
    }

    /// Blocks of outputs in a group.
    fn per_group(&self, target: Target) -> usize {
        self.layer.plan.vectors * target.lanes / BLOCK
    }

    /// Offset of the products in the thread's memory, which begins with the transformed tiles.
    fn products(&self) -> i64 {
        let form = self.layer.form();
        aligned(value_element(form, self.tiles()) * form.elements() as i64)
    }

    /// Adds the chunk levels, with the strides of images and of one row of tiles.
    fn chunks<const N: usize>(&self, levels: &mut Levels<N>, image: [i64; N], row: [i64; N]) {
        levels.chunk(self.layer.form().images, image);
        levels.chunk(self.blocks.count, row.map(|row| row * self.blocks.rows as i64));
    }

    /// The input transform of rows of tiles.
    fn inputs(&self, class: Class, sink: &mut Sink) -> Result<Item, KernelError> {
        let (layer, form) = (self.layer, self.layer.form());
        let src = layer.operands.src.geometry.strides();
        let advance = form.transforms.advance() as i64;
        let program = Inputs {
            // A vector is the channels of a block in 16 bits.
            target: sink.machine.target.narrowed(HALF),
            matrix: form.transforms.input.clone(),
            rows: form.transforms.seen(class.rows),
            runs: form.input_runs(),
            row: src.row,
            pixel: src.pixel,
            image_tile: advance * src.pixel,
            element: value_element(form, self.tiles()),
            tile: value_tile(form),
        };
        let name = layer.name("input");
        let kernel = sink.program(&name, format!("{program:?}"), |n| program.program(n))?;
        let corner = start(layer.operands.src.origin(), src, &layer.conv.window);
        let down = advance * src.row;
        let row = form.tiles[1] as i64 * value_tile(form);
        let before = (class.first - self.blocks.first) as i64 * row;
        let mut levels = Levels::new([
            Pointer::new(layer.operands.src.base, corner + class.first as i64 * down),
            Pointer::new(THREAD, before),
        ]);
        self.chunks(&mut levels, [src.image, 0], [down, 0]);
        levels.inner(Extent::Fixed(class.count as u32), [down, row]);
        let planes = form.inputs.div_ceil(BLOCK) as u32;
        levels.inner(Extent::Fixed(planes), [src.plane, SHORTS]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The products of all elements for a group of outputs.
    fn product(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let form = self.layer.form();
        let micro = self.micro(sink.machine.target);
        let name = self.layer.name("product");
        let kernel = sink.program(&name, format!("{micro:?}"), |n| micro.program(n))?;
        sink.note_tile(kernel, micro.widest());
        let (panel, elements) = (micro.panel_bytes(), form.elements());
        let mut levels = Levels::new([
            Pointer::new(THREAD, 0),
            Pointer::new(WEIGHTS, self.filters),
            Pointer::new(THREAD, self.products()),
        ]);
        self.chunks(&mut levels, [0; 3], [0; 3]);
        levels.repeat([0, panel * elements as i64, 0]);
        let tiles = self.tiles();
        let element = [value_element(form, tiles), panel, form.product_element(tiles)];
        levels.inner(Extent::Fixed(elements as u32), element);
        Ok(Item::Call(levels.call(kernel, &[Extent::Fixed(1)])))
    }

    fn micro(&self, target: Target) -> Micro {
        let (form, vectors, tiles) = (self.layer.form(), self.layer.plan.vectors, self.tiles());
        let tile = |i: usize| Pixel {
            src: i as i64 * value_tile(form),
            dst: i as i64 * SUMS,
            res: i as i64 * SUMS,
        };
        let pixels: Vec<Pixel> = (0..tiles).map(tile).collect();
        let (widths, _) = split(tiles, widest(target, vectors), vectors);
        let together = Dot::Pairs.together();
        let channels = Channels::Shared {
            block: BLOCK / together,
            blocks: form.inputs / BLOCK,
            tail: (form.inputs % BLOCK).div_ceil(together),
            step: SHORTS,
        };
        Micro {
            target,
            vectors,
            dst_block: form.product_block(tiles),
            start: Start::Zero,
            sum: Sum { tap_rows: (1, 0), tap_columns: (1, 0), channels },
            stored: Stored::Floats,
            shortcut: Shortcut::None,
            tiles: runs(&pixels, &widths),
            band: [0; 3],
            elements: Elements::Sums(Dot::Pairs),
            summation: Summation::Chain,
            ahead: Ahead::of(widths.len()),
        }
    }

    /// The output transform of rows of tiles, for a group of outputs.
    fn outputs(&self, class: Class, sink: &mut Sink) -> Result<Item, KernelError> {
        let (layer, form, tiles) = (self.layer, self.layer.form(), self.tiles());
        let Operands { dst, residual, .. } = layer.operands;
        let strides = |place: &Place| place.geometry.strides();
        let (result, added) = (strides(dst), residual.map(|added| added.strides()));
        let program = Outputs {
            target: sink.machine.target,
            matrix: layer.plan.rows.clone(),
            rows: class.rows,
            runs: form.output_runs(),
            result: [result.row, result.pixel],
            residual: added.map(|added| [added.row, added.pixel]),
            element: form.product_element(tiles),
            rounding: layer.rounding.clone(),
        };
        let name = layer.name("output");
        let kernel = sink.program(&name, format!("{program:?}"), |n| program.program(n))?;
        let down = form.transforms.outputs as i64;
        let row = form.tiles[1] as i64 * SUMS;
        let before = (class.first - self.blocks.first) as i64 * row;
        let first = |place: &Place| {
            let above = class.first as i64 * down * strides(place).row;
            Pointer::new(place.base, place.origin() + above)
        };
        let res = added.unwrap_or(result);
        let mut levels = Levels::new([
            Pointer::new(THREAD, self.products() + before),
            Pointer::new(WEIGHTS, self.heads),
            first(dst),
            first(residual.map_or(dst, |added| added.place)),
            encoding::pointer(layer.encoding.unwrap_or(dst)),
        ]);
        let rows = [0, 0, down * result.row, down * res.row, 0];
        self.chunks(&mut levels, [0, 0, result.image, res.image, 0], rows);
        let blocks = self.per_group(sink.machine.target) as i64;
        let head = layer.rounding.head;
        let heads = head.block_bytes() as i64;
        let block = [form.product_block(tiles), heads, result.plane, res.plane, 0];
        levels.repeat([0, blocks * block[1], blocks * block[2], blocks * block[3], 0]);
        levels.inner(Extent::Fixed(class.count as u32), [row, 0, rows[2], rows[3], 0]);
        levels.inner(Extent::Fixed(blocks as u32), block);
        levels.pass_if(3, added.is_some());
        levels.pass_if(4, head == Head::Measured);
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}
