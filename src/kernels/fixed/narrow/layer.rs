//! The kernel calls of a convolution of few channels in its network.

use resnetc_ir::op::Conv;

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::TILE_ROWS;
use crate::kernels::KernelError;
use crate::kernels::conv::pack::Weights;
use crate::kernels::conv::{Operands, start};
use crate::kernels::fixed::abs_max::{AbsMax, FindAbsMax};
use crate::kernels::fixed::frame::{Frame, Packed, Shared};
use crate::kernels::fixed::guard::Guard;
use crate::kernels::fixed::magnitudes::RowMagnitudes;
use crate::kernels::fixed::panel::Panel;
use crate::kernels::fixed::product::{Ending, TileProduct, Together};
use crate::kernels::fixed::sizes::{BLOCK, CONSTANTS, LANES_BYTES};
use crate::kernels::fixed::split_rows::SplitRows;
use crate::kernels::fixed::stripe::{Stripe, stripes_and_last};
use crate::kernels::geometry::F32;
use crate::kernels::sink::{ARENA, Levels, Pointer, Sink, THREAD, WEIGHTS};

use super::form::{NarrowForm, PARTS, TOGETHER};

/// A convolution of a planar image in its network.
pub(super) struct NarrowLayer<'a> {
    pub(super) form: &'a NarrowForm,
    pub(super) frame: Frame<'a>,
}

impl NarrowForm {
    /// Lowers the convolution to one region, or two if the abs-max of its source is not published.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    pub(in crate::kernels::fixed) fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        shared: Shared,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let (panels, form) = (self.panels(), self.clone());
        let place = move |step: usize, row: usize, channel: usize| form.weight(step, row, channel);
        let constants =
            sink.pack_bytes(panels.bytes(), move |out| panels.fill(&weights, place, out));
        let found = AbsMax { offset: shared.scratch, ..self.abs_max() };
        let layer = NarrowLayer {
            form: self,
            frame: Frame {
                conv,
                operands,
                source: shared.source.unwrap_or(found),
                published: self.published(&sink.machine, shared.own),
                images: self.images,
                rows: self.stripe(&sink.machine),
                parts: PARTS,
                wide: TOGETHER.blocks.min(self.blocks()),
                packed: Packed { constants, blocks: self.blocks(), block: panels.block_bytes() },
            },
        };
        let mut regions = Vec::new();
        if shared.source.is_none() {
            regions.push(vec![layer.abs_max(sink)?]);
        }
        let stripes = stripes_and_last(self.size[0], layer.frame.rows).into_iter();
        regions.push(stripes.map(|s| layer.piece(s, sink)).collect::<Result<_, _>>()?);
        Ok(regions)
    }
}

impl NarrowLayer<'_> {
    /// The abs-max of each channel of each image.
    pub(super) fn abs_max(&self, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let src = self.frame.operands.src.geometry.strides();
        let [h, w] = form.source;
        let [rows, values] = if src.row == w as i64 * F32 { [1, h * w] } else { [h, w] };
        let kernel = FindAbsMax {
            target: sink.machine.target,
            size: [rows, values / BLOCK],
            strides: [src.plane, src.row, LANES_BYTES],
            last: (!values.is_multiple_of(BLOCK))
                .then_some(LANES_BYTES - (values % BLOCK) as i64 * F32),
            live: BLOCK,
        };
        let name = self.frame.name("abs-max");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(self.frame.operands.src.base, self.frame.operands.src.origin()),
            Pointer::new(ARENA, self.frame.source.offset),
        ]);
        levels.chunk(form.images, [src.image, self.frame.source.image()]);
        levels.chunk(form.inputs, [src.plane, LANES_BYTES]);
        Ok(levels.piece(kernel, &[Extent::Fixed(1)]))
    }

    /// One chunk per image and stripe.
    pub(super) fn piece(&self, stripe: Stripe, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let guard = self.guard(stripe);
        guard.reserve(sink);
        let mut items = vec![self.frame.scale(stripe, sink)?];
        items.extend(self.split(stripe, sink)?);
        items.push(self.magnitudes(stripe, &guard, sink)?);
        items.push(guard.check(false, sink)?);
        items.push(guard.when_any(vec![guard.check(true, sink)?]));
        let (blocks, wide) = (form.blocks(), TOGETHER.blocks);
        for (before, count, blocks) in
            [(0, blocks / wide, wide), (blocks - blocks % wide, 1, blocks % wide)]
        {
            if count > 0 && blocks > 0 {
                let panel = Panel { blocks, before, per_part: count };
                let mut steps = guard.before(panel, &form.stretches(blocks), sink)?;
                steps.push(self.product(stripe, panel, sink)?);
                steps.push(guard.behind(panel, sink)?);
                items.push(Item::Repeat { count: count as u32, items: steps });
            }
        }
        items.extend(guard.abs_max(blocks, sink)?);
        Ok(Piece { chunks: vec![form.images as u32, stripe.count as u32, PARTS as u32], items })
    }

    /// The direct computation of rows.
    fn guard(&self, stripe: Stripe) -> Guard<'_> {
        let (form, frame) = (self.form, &self.frame);
        let start = form.memory(stripe.rows).end;
        Guard { frame, stripe, windows: form.windows(stripe.rows), start }
    }

    /// The magnitudes of the pixels that a chunk sees.
    fn magnitudes(
        &self,
        stripe: Stripe,
        guard: &Guard<'_>,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, place) = (self.form, &self.frame.operands.src);
        let src = place.geometry.strides();
        let kernel = RowMagnitudes {
            target: sink.machine.target,
            channels: (form.inputs, src.plane),
            pixels: form.pixels(),
        };
        let name = self.frame.name("magnitudes");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let down = form.strides[0] as i64 * src.row;
        let first =
            start(place.origin(), src, &self.frame.conv.window) + stripe.first as i64 * down;
        let mut levels = Levels::new([
            Pointer::new(place.base, first),
            Pointer::new(THREAD, guard.magnitudes()),
        ]);
        guard.chunks(&mut levels, [src.image, 0], [down, 0], [0; 2]);
        let rows = form.seen_rows(stripe.rows) as u32;
        levels.inner(Extent::Fixed(rows), [src.row, form.magnitudes_row()]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// Splits the source into digits. The last row of the last stripe may have fewer rows of the
    /// source than others: the memory past them does not belong to the source.
    fn split(&self, stripe: Stripe, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let (form, src) = (self.form, &self.frame.operands.src);
        let rows = form.rows(stripe.rows);
        let together = form.together();
        if stripe.first + stripe.count * stripe.rows < form.size[0] {
            return Ok(vec![self.split_rows(stripe, [0, rows], together, sink)?]);
        }
        let last = rows - 1;
        let halo = src.geometry.halo;
        let end = form.source[0] + halo.bottom + self.frame.conv.window.pads.top;
        let left = end.saturating_sub((stripe.first + last) * together).min(together);
        let whole = (last > 0).then(|| self.split_rows(stripe, [0, last], together, sink));
        let last = self.split_rows(stripe, [last, 1], left, sink);
        whole.into_iter().chain([last]).collect()
    }

    /// Splits `count` rows of digits from row `first` of the stripe on, each from `live` rows of
    /// the source.
    fn split_rows(
        &self,
        stripe: Stripe,
        [first, count]: [usize; 2],
        live: usize,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, place) = (self.form, &self.frame.operands.src);
        let memory = form.memory(stripe.rows);
        let src = place.geometry.strides();
        let kernel = SplitRows {
            target: sink.machine.target,
            width: form.format.values,
            channels: form.inputs,
            rows: [live, form.together()],
            strides: [src.plane, src.row],
            pixels: form.pixels(),
            plane: memory.plane,
            apart: memory.apart,
        };
        let name = self.frame.name("split");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let row = form.together() as i64 * src.row;
        let above = (stripe.first + first) as i64 * row;
        let mut levels = Levels::new([
            Pointer::new(place.base, start(place.origin(), src, &self.frame.conv.window) + above),
            Pointer::new(THREAD, memory.digits + first as i64 * memory.pitch),
            Pointer::new(THREAD, 0),
        ]);
        self.frame.chunks(&mut levels, stripe, [src.image, 0, 0], [row, 0, 0], [0; 3]);
        levels.inner(Extent::Fixed(count as u32), [row, memory.pitch, 0]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The results of one panel.
    fn product(
        &self,
        stripe: Stripe,
        Panel { blocks, before, .. }: Panel,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.form;
        let memory = form.memory(stripe.rows);
        let dst = self.frame.operands.dst.geometry.strides();
        let last = (form.size[1] - 1) % TILE_ROWS + 1;
        let product = TileProduct {
            target: sink.machine.target,
            format: form.format,
            tiles: form.tiles(),
            together: Together { blocks, ..TOGETHER },
            groups: 1,
            taps: (0..form.steps() as i64).map(|step| step * memory.pitch).collect(),
            digits: memory.digits,
            position: [form.strides[1] as i64 * form.pixel(), memory.plane],
            rows: (stripe.rows, [memory.pitch, dst.row]),
            group: 0,
            plane: dst.plane,
            ending: Some(Ending { finishing: self.frame.finishing(), plane: 0, last }),
        };
        let panels = form.panels();
        let weights = panels.block_bytes();
        let name = self.frame.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let first = before as i64;
        let offset = first * dst.plane + stripe.first as i64 * dst.row;
        let behind = self.frame.packed.panels();
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, behind + first * weights),
            Pointer::new(WEIGHTS, self.frame.packed.constants + first * CONSTANTS),
            Pointer::new(THREAD, 0),
            Pointer::new(self.frame.operands.dst.base, self.frame.operands.dst.origin() + offset),
            self.frame.published_at(stripe),
        ]);
        let published = self.frame.published.strides();
        levels.chunk(form.images, [0, 0, 0, dst.image, published[0]]);
        levels.chunk(stripe.count, [0, 0, 0, stripe.rows as i64 * dst.row, published[1]]);
        levels.chunk(PARTS, [0; 5]);
        levels.repeat([weights, CONSTANTS, 0, dst.plane, 0].map(|bytes| bytes * blocks as i64));
        levels.pass_if(4, self.frame.publishes());
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}
