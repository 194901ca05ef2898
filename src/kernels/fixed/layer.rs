//! A convolution in its network: which kernel is called how often, on what.

use resnetc_ir::op::Conv;

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::TILE_ROWS;
use crate::kernels::KernelError;
use crate::kernels::conv::{Operands, problem};
use crate::kernels::geometry::{Place, Strides};
use crate::kernels::sink::{ARENA, Levels, Pointer, Sink, THREAD, WEIGHTS};

use super::cost::Cut;
use super::finish::{Epilogue, Finish};
use super::guard::{Guard, Packed};
use super::product::{Ending, Product, Together};
use super::range::{Greatest, Kept, Ranges};
use super::{CONSTANTS, Form, LANES_BYTES, MOST_PARTS, POSITION, Part, ROW};

/// `count` times `rows` rows of an image, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripe {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) count: usize,
}

/// All rows, so many a stripe.
pub(super) fn stripes(total: usize, rows: usize) -> Vec<Stripe> {
    let (count, rest) = (total / rows, total % rows);
    let whole = Stripe { first: 0, rows, count };
    let last = Stripe { first: count * rows, rows: rest, count: 1 };
    [whole, last].into_iter().filter(|s| s.count > 0 && s.rows > 0).collect()
}

/// A convolution in its network.
pub(super) struct Layer<'a> {
    pub(super) form: &'a Form,
    pub(super) conv: &'a Conv,
    pub(super) operands: Operands<'a>,
    /// The source's greatest magnitudes.
    pub(super) source: Ranges,
    /// What is kept of the result's.
    pub(super) kept: Kept,
    /// How the convolution is cut.
    pub(super) cut: Cut,
    /// Where the constants of all blocks of outputs are; the panels stand behind them.
    pub(super) constants: i64,
}

impl Layer<'_> {
    pub(super) fn name(&self, step: &str) -> String {
        let problem = problem(self.operands.src, self.form.outputs, self.conv);
        format!("fixed point {step} {problem}")
    }

    /// The greatest magnitudes of some parts of each image.
    pub(super) fn greatest(&self, part: Part, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let geometry = &self.operands.src.geometry;
        let src = geometry.strides();
        let [_, _, rows, columns] = geometry.nchw();
        let dense = src.row == columns as i64 * src.pixel;
        let size = if dense { [1, rows * columns] } else { [rows, columns] };
        let kernel = Greatest {
            target: sink.machine.target,
            size,
            strides: [src.plane, src.row, src.pixel],
            last: None,
            live: part.live,
        };
        let name = self.name("range");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let found = self.source.offset + part.first.min(MOST_PARTS) as i64 * LANES_BYTES;
        let first = self.operands.src.origin() + part.first as i64 * src.plane;
        let mut levels =
            Levels::new([Pointer::new(self.operands.src.base, first), Pointer::new(ARENA, found)]);
        levels.chunk(form.images, [src.image, self.source.image()]);
        let blocks = part.blocks.div_ceil(part.count);
        let level = levels.chunk(part.count, [blocks as i64 * src.plane, LANES_BYTES]);
        let rest = Extent::Rest { level, per: blocks as u32, total: part.blocks as u32 };
        Ok(levels.piece(kernel, &[rest]))
    }

    /// One chunk an image, a stripe, and a group of outputs.
    pub(super) fn piece(&self, stripe: Stripe, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.form;
        let wide = form.together().blocks;
        let parts = self.cut.parts;
        let grid = Grid { stripe, parts, panels: form.blocks() / wide / parts };
        let guard = self.guard(&grid);
        guard.reserve(sink);
        let mut items = vec![self.scale(&grid, sink)?];
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
        items.extend(guard.range(form.blocks() / parts, sink)?);
        let chunks = vec![form.images as u32, stripe.count as u32, parts as u32];
        Ok(Piece { chunks, items })
    }

    /// What the image's values are multiplied by, and their unit.
    fn scale(&self, grid: &Grid, sink: &mut Sink) -> Result<Item, KernelError> {
        let form = self.form;
        let kernel = self.source.scale(&self.name("scale"), self.kept.offset.is_some(), sink)?;
        let mut levels = Levels::new([
            Pointer::new(ARENA, self.source.offset),
            Pointer::new(THREAD, 0),
            self.range(grid.stripe),
        ]);
        let range = self.kept.strides();
        levels.chunk(form.images, [self.source.image(), 0, range[0]]);
        levels.chunk(grid.stripe.count, [0, 0, range[1]]);
        levels.chunk(grid.parts, [0, 0, range[2]]);
        levels.pass_if(2, self.kept.offset.is_some());
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// Where the first chunk of a stripe keeps its results' range.
    fn range(&self, stripe: Stripe) -> Pointer {
        self.kept.of_stripe(stripe.first / self.cut.rows)
    }

    /// What is to be computed directly.
    fn guard(&self, grid: &Grid) -> Guard<'_> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        Guard {
            conv: self.conv,
            operands: self.operands,
            images: form.images,
            stripe,
            parts: grid.parts,
            wide: form.together().blocks.min(form.blocks()),
            packed: Packed {
                constants: self.constants,
                panels: self.constants + form.blocks() as i64 * CONSTANTS,
                block: form.panels().block_bytes(),
            },
            windows: form.windows(stripe.rows),
            kept: self.kept,
            range: self.range(stripe),
            start: memory.end,
        }
    }

    /// The results of all positions and one panel of `blocks` blocks of outputs.
    fn panel(
        &self,
        grid: &Grid,
        blocks: usize,
        guard: &Guard<'_>,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        // Where the first panel of this form is; smaller ones stand behind all others.
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

    /// Whether rows follow each other in result and shortcut as they do in tiles.
    fn is_one_row(&self, stripe: Stripe) -> bool {
        let row = self.form.size[1] as i64 * ROW;
        let same = |place: &Place| stripe.rows == 1 || place.geometry.strides().row == row;
        let pitch = stripe.rows == 1 || self.form.pitch == self.form.size[1];
        pitch && same(self.operands.dst) && same(self.shortcut())
    }

    /// The shortcut, or the result where there is none.
    fn shortcut(&self) -> &Place {
        self.operands.residual.map_or(self.operands.dst, |added| added.place)
    }

    fn epilogue(&self) -> Epilogue {
        Epilogue {
            residual: self.operands.residual.is_some(),
            activation: self.conv.activation,
            ranges: self.kept.offset.is_some(),
        }
    }

    /// The sums of products, or all that is to become of them.
    fn product(
        &self,
        grid: &Grid,
        panel: Panel,
        ends: bool,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        let (dst, res) = (self.operands.dst.geometry.strides(), self.shortcut().geometry.strides());
        let positions = form.positions(stripe.rows);
        let ending = ends.then(|| Ending {
            epilogue: self.epilogue(),
            plane: res.plane,
            last: (positions - 1) % TILE_ROWS + 1,
        });
        let product = Product {
            target: sink.machine.target,
            tiles: form.tiles(stripe.rows),
            together: Together { blocks: panel.blocks, ..form.together() },
            groups: form.groups(),
            taps: form
                .taps
                .iter()
                .map(|tap| tap.phase as i64 * memory.phase + form.distance(tap) as i64 * POSITION)
                .collect(),
            digits: memory.digits,
            position: [POSITION, ROW],
            rows: (1, [0; 2]),
            group: memory.group,
            plane: if ends { dst.plane } else { memory.sum },
            ending,
        };
        let weights = form.panels().block_bytes();
        let panels = self.constants + form.blocks() as i64 * CONSTANTS;
        let before = panel.before as i64;
        let name = self.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, panels + before * weights),
            Pointer::new(WEIGHTS, self.constants + before * CONSTANTS),
            Pointer::new(THREAD, 0),
            match ends {
                true => self.results(self.operands.dst, panel, stripe),
                false => Pointer::new(THREAD, memory.sums),
            },
            self.results(self.shortcut(), panel, stripe),
            self.range(stripe),
        ]);
        let (dst, res) = if ends { (Some(dst), Some(res)) } else { (None, None) };
        let of = |strides: Option<Strides>, which: fn(Strides) -> i64| strides.map_or(0, which);
        let range = self.kept.strides();
        levels.chunk(form.images, [0, 0, 0, of(dst, |s| s.image), of(res, |s| s.image), range[0]]);
        let down = stripe.rows as i64;
        let rows = [of(dst, |s| s.row), of(res, |s| s.row)].map(|bytes| bytes * down);
        levels.chunk(stripe.count, [0, 0, 0, rows[0], rows[1], range[1]]);
        let block = [weights, CONSTANTS, 0, of(dst, |s| s.plane), of(res, |s| s.plane), 0];
        let next = block.map(|bytes| bytes * panel.blocks as i64);
        let mut part = next.map(|bytes| bytes * panel.per_part as i64);
        part[5] = range[2];
        levels.chunk(grid.parts, part);
        levels.repeat(next);
        levels.pass_if(4, ends && self.epilogue().residual);
        levels.pass_if(5, ends && self.kept.offset.is_some());
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The first of a panel's results, or of what they are added to.
    fn results(&self, place: &Place, panel: Panel, stripe: Stripe) -> Pointer {
        let strides = place.geometry.strides();
        let offset = panel.before as i64 * strides.plane + stripe.first as i64 * strides.row;
        Pointer::new(place.base, place.origin() + offset)
    }

    /// The values' unit, bias, shortcut and activation of a panel's sums.
    fn finish(&self, grid: &Grid, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, stripe) = (self.form, grid.stripe);
        let memory = form.memory(stripe.rows);
        let (dst, res) = (self.operands.dst.geometry.strides(), self.shortcut().geometry.strides());
        let [mut rows, mut columns] = [stripe.rows, form.size[1]];
        if self.is_one_row(stripe) {
            (rows, columns) = (1, rows * columns);
        }
        let target = sink.machine.target;
        let finish = Finish { target, positions: columns, epilogue: self.epilogue() };
        let name = self.name("finish");
        let kernel = sink.program(&name, format!("{finish:?}"), |n| finish.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.sums),
            Pointer::new(WEIGHTS, self.constants + panel.before as i64 * CONSTANTS),
            Pointer::new(THREAD, 0),
            self.results(self.operands.dst, panel, stripe),
            self.results(self.shortcut(), panel, stripe),
            self.range(stripe),
        ]);
        let range = self.kept.strides();
        levels.chunk(form.images, [0, 0, 0, dst.image, res.image, range[0]]);
        let down = stripe.rows as i64;
        levels.chunk(stripe.count, [0, 0, 0, down * dst.row, down * res.row, range[1]]);
        let block = [memory.sum, CONSTANTS, 0, dst.plane, res.plane, 0];
        let next = [0, CONSTANTS, 0, dst.plane, res.plane, 0].map(|s| s * panel.blocks as i64);
        let mut part = next.map(|bytes| bytes * panel.per_part as i64);
        part[5] = range[2];
        levels.chunk(grid.parts, part);
        levels.repeat(next);
        levels.inner(Extent::Fixed(panel.blocks as u32), block);
        let row = [form.pitch as i64 * ROW, 0, 0, dst.row, res.row, 0];
        levels.inner(Extent::Fixed(rows as u32), row);
        levels.pass_if(4, self.epilogue().residual);
        levels.pass_if(5, self.kept.offset.is_some());
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}

/// Outputs that are computed together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// How many blocks.
    pub(super) blocks: usize,
    /// How many blocks stand before the first panel that is like this one.
    pub(super) before: usize,
    /// How many panels like this one a part of the outputs has.
    pub(super) per_part: usize,
}

/// How the chunks of a piece are cut.
pub(super) struct Grid {
    pub(super) stripe: Stripe,
    /// Parts of the outputs.
    pub(super) parts: usize,
    /// Whole panels of a part.
    pub(super) panels: usize,
}
