//! The kernel calls of a convolution in its network.

use resnetc_ir::op::Conv;

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::TILE_ROWS;
use crate::kernels::KernelError;
use crate::kernels::conv::Operands;
use crate::kernels::conv::pack::Weights;
use crate::kernels::geometry::{Place, Strides};
use crate::kernels::sink::{ARENA, Levels, Pointer, Sink, THREAD, WEIGHTS};

use super::abs_max::{AbsMax, FindAbsMax};
use super::finish::Finish;
use super::form::{ImagePart, WideForm};
use super::frame::{Frame, Packed, Shared};
use super::guard::Guard;
use super::panel::Panel;
use super::product::{Ending, TileProduct, Together};
use super::sizes::{BLOCK, CONSTANTS, GROUP, LANES_BYTES, MOST_PARTS, ROW};
use super::stripe::{Stripe, stripes};

/// A convolution of a blocked value in its network.
pub(super) struct WideLayer<'a> {
    pub(super) form: &'a WideForm,
    pub(super) frame: Frame<'a>,
}

impl WideForm {
    /// Lowers the convolution to one region, or two if the abs-max of its source is not published.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    pub(super) fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        shared: Shared,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let cut = self.cut(&sink.machine);
        let panels = self.panels();
        let (taps, inputs) = (self.taps(), self.inputs);
        let place = move |step: usize, row: usize, i: usize| {
            let channel = step / taps * GROUP + i * BLOCK + row;
            (channel < inputs).then_some(channel * taps + step % taps)
        };
        let constants =
            sink.pack_bytes(panels.bytes(), move |out| panels.fill(&weights, place, out));
        let own = self.abs_max();
        let source = shared.source.unwrap_or(AbsMax { offset: shared.scratch, ..own });
        let published = self.published(&cut, shared.own);
        let layer = WideLayer {
            form: self,
            frame: Frame {
                conv,
                operands,
                source,
                published,
                images: self.images,
                rows: cut.rows,
                parts: cut.parts,
                wide: self.together().blocks.min(self.blocks()),
                packed: Packed { constants, blocks: self.blocks(), block: panels.block_bytes() },
            },
        };
        let mut regions = Vec::new();
        if shared.source.is_none() {
            let parts = self.parts().into_iter().map(|part| layer.abs_max(part, sink));
            regions.push(parts.collect::<Result<_, _>>()?);
        }
        let stripes = stripes(self.positions.size[0], cut.rows);
        let stripes = stripes.into_iter().map(|stripe| layer.piece(stripe, sink));
        regions.push(stripes.collect::<Result<_, _>>()?);
        Ok(regions)
    }
}

impl WideLayer<'_> {
    /// The search for the abs-max of some parts of each image.
    pub(super) fn abs_max(&self, part: ImagePart, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let geometry = &self.frame.operands.src.geometry;
        let src = geometry.strides();
        let [_, _, rows, columns] = geometry.nchw();
        let dense = src.row == columns as i64 * src.pixel;
        let size = if dense { [1, rows * columns] } else { [rows, columns] };
        let kernel = FindAbsMax {
            target: sink.machine.target,
            size,
            strides: [src.plane, src.row, src.pixel],
            last: None,
            live: part.live,
        };
        let name = self.frame.name("abs-max");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let found = self.frame.source.offset + part.first.min(MOST_PARTS) as i64 * LANES_BYTES;
        let first = self.frame.operands.src.origin() + part.first as i64 * src.plane;
        let mut levels = Levels::new([
            Pointer::new(self.frame.operands.src.base, first),
            Pointer::new(ARENA, found),
        ]);
        levels.chunk(form.images, [src.image, self.frame.source.image()]);
        let blocks = part.blocks.div_ceil(part.count);
        let level = levels.chunk(part.count, [blocks as i64 * src.plane, LANES_BYTES]);
        let rest = Extent::Rest { level, per: blocks as u32, total: part.blocks as u32 };
        Ok(levels.piece(kernel, &[rest]))
    }

    /// One chunk per image, stripe and part of the outputs.
    pub(super) fn piece(&self, stripe: Stripe, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let wide = form.together().blocks;
        let parts = self.frame.parts;
        let grid = Grid { stripe, panels: form.blocks() / wide / parts };
        let guard = self.guard(stripe);
        guard.reserve(sink);
        let mut items = vec![self.frame.scale(stripe, sink)?];
        items.extend(self.split(&grid, sink)?);
        items.extend(self.checks(&grid, &guard, sink)?);
        if grid.panels > 0 {
            let panel = self.panel(&grid, wide, &guard, sink)?;
            items.push(Item::Repeat { count: grid.panels as u32, items: panel });
        }
        let rest = form.blocks() % wide;
        if rest > 0 {
            items.push(Item::Repeat { count: 1, items: self.panel(&grid, rest, &guard, sink)? });
        }
        items.extend(guard.abs_max(form.blocks() / parts, sink)?);
        let chunks = vec![form.images as u32, stripe.count as u32, parts as u32];
        Ok(Piece { chunks, items })
    }

    /// The direct computation of rows.
    fn guard(&self, stripe: Stripe) -> Guard<'_> {
        let (form, frame) = (self.form, &self.frame);
        let start = form.memory(stripe.rows).end;
        Guard { frame, stripe, windows: form.windows(stripe.rows), start }
    }

    /// The results of all positions and one panel of `blocks` blocks of outputs.
    fn panel(
        &self,
        grid: &Grid,
        blocks: usize,
        guard: &Guard<'_>,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        // Where the first panel of this form is; a smaller one is after all others.
        let form = self.form;
        let before = if blocks < form.together().blocks { form.blocks() - blocks } else { 0 };
        let panel = Panel { blocks, before, per_part: grid.panels };
        let mut items = guard.before(panel, &form.stretches(blocks), sink)?;
        match self.is_one_row(grid.stripe) && form.together().tiles == 1 {
            true => items.push(self.product(grid, panel, true, sink)?),
            false => {
                items.push(self.product(grid, panel, false, sink)?);
                items.push(self.finish(grid, panel, sink)?);
            }
        }
        items.push(guard.behind(panel, sink)?);
        Ok(items)
    }

    /// Whether rows are contiguous in the result and the shortcut as they are in tiles.
    fn is_one_row(&self, stripe: Stripe) -> bool {
        let row = self.form.positions.size[1] as i64 * ROW;
        let same = |place: &Place| stripe.rows == 1 || place.geometry.strides().row == row;
        let pitch = stripe.rows == 1 || self.form.positions.pitch == self.form.positions.size[1];
        pitch && same(self.frame.operands.dst) && same(self.frame.shortcut())
    }

    /// The sums of products, or the final results if `ends`.
    fn product(
        &self,
        grid: &Grid,
        panel: Panel,
        ends: bool,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        let (dst, res) =
            (self.frame.operands.dst.geometry.strides(), self.frame.shortcut().geometry.strides());
        let positions = form.positions.count(stripe.rows);
        let ending = ends.then(|| Ending {
            finishing: self.frame.finishing(),
            plane: res.plane,
            last: (positions - 1) % TILE_ROWS + 1,
        });
        let position = form.format.values.position();
        let product = TileProduct {
            target: sink.machine.target,
            format: form.format,
            tiles: form.positions.tiles(stripe.rows),
            together: Together { blocks: panel.blocks, ..form.together() },
            groups: form.groups(),
            taps: form.positions.places([memory.phase, position]),
            digits: memory.digits,
            position: [position, ROW],
            rows: (1, [0; 2]),
            group: memory.group,
            plane: if ends { dst.plane } else { memory.sum },
            ending,
        };
        let weights = form.panels().block_bytes();
        let panels = self.frame.packed.panels();
        let before = panel.before as i64;
        let name = self.frame.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, panels + before * weights),
            Pointer::new(WEIGHTS, self.frame.packed.constants + before * CONSTANTS),
            Pointer::new(THREAD, 0),
            match ends {
                true => self.results(self.frame.operands.dst, panel, stripe),
                false => Pointer::new(THREAD, memory.sums),
            },
            self.results(self.frame.shortcut(), panel, stripe),
            self.frame.published_at(stripe),
        ]);
        let (dst, res) = if ends { (Some(dst), Some(res)) } else { (None, None) };
        let of = |strides: Option<Strides>, which: fn(Strides) -> i64| strides.map_or(0, which);
        let published = self.frame.published.strides();
        levels.chunk(
            form.images,
            [0, 0, 0, of(dst, |s| s.image), of(res, |s| s.image), published[0]],
        );
        let down = stripe.rows as i64;
        let rows = [of(dst, |s| s.row), of(res, |s| s.row)].map(|bytes| bytes * down);
        levels.chunk(stripe.count, [0, 0, 0, rows[0], rows[1], published[1]]);
        let block = [weights, CONSTANTS, 0, of(dst, |s| s.plane), of(res, |s| s.plane), 0];
        let next = block.map(|bytes| bytes * panel.blocks as i64);
        let mut part = next.map(|bytes| bytes * panel.per_part as i64);
        part[5] = published[2];
        levels.chunk(self.frame.parts, part);
        levels.repeat(next);
        levels.pass_if(4, ends && self.frame.finishing().residual);
        levels.pass_if(5, ends && self.frame.publishes());
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The first of a panel's results, or of the shortcut's values.
    fn results(&self, place: &Place, panel: Panel, stripe: Stripe) -> Pointer {
        let strides = place.geometry.strides();
        let offset = panel.before as i64 * strides.plane + stripe.first as i64 * strides.row;
        Pointer::new(place.base, place.origin() + offset)
    }

    /// Applies the values' scale, bias, shortcut and activation to a panel's sums.
    fn finish(&self, grid: &Grid, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        let (dst, res) =
            (self.frame.operands.dst.geometry.strides(), self.frame.shortcut().geometry.strides());
        let [mut rows, mut columns] = [stripe.rows, form.positions.size[1]];
        if self.is_one_row(stripe) {
            (rows, columns) = (1, rows * columns);
        }
        let target = sink.machine.target;
        let finish = Finish { target, positions: columns, finishing: self.frame.finishing() };
        let name = self.frame.name("finish");
        let kernel = sink.program(&name, format!("{finish:?}"), |n| finish.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.sums),
            Pointer::new(WEIGHTS, self.frame.packed.constants + panel.before as i64 * CONSTANTS),
            Pointer::new(THREAD, 0),
            self.results(self.frame.operands.dst, panel, stripe),
            self.results(self.frame.shortcut(), panel, stripe),
            self.frame.published_at(stripe),
        ]);
        let published = self.frame.published.strides();
        levels.chunk(form.images, [0, 0, 0, dst.image, res.image, published[0]]);
        let down = stripe.rows as i64;
        levels.chunk(stripe.count, [0, 0, 0, down * dst.row, down * res.row, published[1]]);
        let block = [memory.sum, CONSTANTS, 0, dst.plane, res.plane, 0];
        let next = [0, CONSTANTS, 0, dst.plane, res.plane, 0].map(|s| s * panel.blocks as i64);
        let mut part = next.map(|bytes| bytes * panel.per_part as i64);
        part[5] = published[2];
        levels.chunk(self.frame.parts, part);
        levels.repeat(next);
        levels.inner(Extent::Fixed(panel.blocks as u32), block);
        let row = [form.positions.pitch as i64 * ROW, 0, 0, dst.row, res.row, 0];
        levels.inner(Extent::Fixed(rows as u32), row);
        levels.pass_if(4, self.frame.finishing().residual);
        levels.pass_if(5, self.frame.publishes());
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}

/// How the chunks of a piece are cut.
pub(super) struct Grid {
    pub(super) stripe: Stripe,
    /// Whole panels of a part of the outputs.
    pub(super) panels: usize,
}
