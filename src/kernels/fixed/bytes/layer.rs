//! The kernel calls of a convolution in its network.

use resnetc_ir::op::{Conv, QuantizedConv, Window};

use crate::codegen::region::{Extent, Item, Piece};
use crate::kernels::KernelError;
use crate::kernels::conv::bytes::Rounding;
use crate::kernels::conv::heads::{Head, Heads};
use crate::kernels::conv::pack::Weights;
use crate::kernels::conv::{ByteOperands, Operands, problem};
use crate::kernels::encoding;
use crate::kernels::geometry::Place;
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD, WEIGHTS};

use super::super::panel::Panel;
use super::super::positions::Seen;
use super::super::sizes::{GROUP_BLOCKS, ROW};
use super::super::stripe::{Stripe, stripes};
use super::copy::Copy;
use super::finish::Finish;
use super::form::{Form, TOGETHER};
use super::pack::Packing;
use super::plan::Plan;
use super::product::Product;

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
    let form = &plan.form;
    let ByteOperands { factors, encoding } = rest;
    let rounding = Rounding::of(conv, factors.data(), operands.residual);
    let plain = Conv::new(conv.window, conv.groups);
    let problem = problem(operands.src, weights.outputs, &plain).to_string();
    let (blocks, block_bytes) = (form.blocks(), form.block_bytes() as usize);
    let heads = Heads::of(conv, weights.bias.as_deref(), &factors);
    let packing = Packing { weights, heads, blocks, block_bytes };
    let (bytes, before) = (packing.bytes(), packing.before() as i64);
    let heads = sink.pack_bytes(bytes, move |out| packing.fill(out));
    let panels = heads + before;
    let window = conv.window;
    let layer = Layer { plan, problem, window, operands, encoding, rounding, heads, panels };
    stripes(form.positions.size[0], plan.cut.rows)
        .into_iter()
        .map(|s| layer.piece(s, sink))
        .collect()
}

/// A convolution in its network.
struct Layer<'a> {
    plan: &'a Plan,
    problem: String,
    window: Window,
    operands: Operands<'a>,
    /// Where the source's scale and zero point are, if they are measured.
    encoding: Option<&'a Place>,
    rounding: Rounding,
    /// Offsets among the packed constants: of the heads, and of the panels.
    heads: i64,
    panels: i64,
}

impl Layer<'_> {
    fn form(&self) -> &Form {
        &self.plan.form
    }

    fn name(&self, step: &str) -> String {
        format!("int8 tiles {step} {}", self.problem)
    }

    /// One chunk per image, stripe, group of channels and part of its outputs.
    fn piece(&self, stripe: Stripe, sink: &mut Sink) -> Result<Piece, KernelError> {
        let (form, parts) = (self.form(), self.plan.cut.parts);
        sink.reserve(form.memory(stripe.rows).end as usize);
        let mut items = Vec::new();
        for phase in 0..form.positions.phases.len() {
            for run in form.runs() {
                items.push(self.copy(stripe, phase, run, sink)?);
            }
        }
        let (panels, rest) = (form.blocks() / TOGETHER / parts, form.blocks() % TOGETHER);
        let whole = Panel { blocks: TOGETHER, before: 0, per_part: panels };
        let last = Panel { blocks: rest, before: form.blocks() - rest, per_part: 1 };
        for (count, panel) in [(panels, whole), (rest.min(1), last)] {
            if count > 0 {
                let items_of_panel =
                    vec![self.product(stripe, panel, sink)?, self.finish(stripe, panel, sink)?];
                items.push(Item::Repeat { count: count as u32, items: items_of_panel });
            }
        }
        let chunks = [form.images, stripe.count, form.groups, parts].map(|count| count as u32);
        Ok(Piece { chunks: chunks.into(), items })
    }

    /// Adds the chunk levels, with the strides of images, of rows of the result, of groups of
    /// channels and of parts of their outputs.
    fn chunks<const N: usize>(
        &self,
        levels: &mut Levels<N>,
        stripe: Stripe,
        [image, row, group, part]: [[i64; N]; 4],
    ) {
        let form = self.form();
        levels.chunk(form.images, image);
        levels.chunk(stripe.count, row.map(|bytes| bytes * stripe.rows as i64));
        levels.chunk(form.groups, group);
        levels.chunk(self.plan.cut.parts, part);
    }

    /// Copies what a chunk sees of a phase: `count` steps from the first one on, each of which has
    /// this many blocks of channels.
    fn copy(
        &self,
        stripe: Stripe,
        phase: usize,
        (first, count, blocks): (usize, usize, usize),
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, memory) = (self.form(), self.form().memory(stripe.rows));
        let (place, src) = (self.operands.src, self.operands.src.geometry.strides());
        let Seen { first: corner, size: [rows, columns], row, pixel } =
            form.positions.seen(&self.window, place, stripe, phase);
        let target = Copy::target(sink.machine.target);
        let copy = Copy { target, positions: columns, pixel, plane: src.plane, blocks };
        let kernel = sink.program(&self.name("copy"), format!("{copy:?}"), |n| copy.program(n))?;
        let (first, step) = (first as i64, GROUP_BLOCKS as i64 * src.plane);
        let from = corner + first * step;
        let to = phase as i64 * memory.phase + first * memory.step;
        let mut levels = Levels::new([Pointer::new(place.base, from), Pointer::new(THREAD, to)]);
        let group = form.planes() as i64 * src.plane;
        self.chunks(&mut levels, stripe, [[src.image, 0], [row, 0], [group, 0], [0, 0]]);
        levels.inner(Extent::Fixed(count as u32), [step, memory.step]);
        levels.inner(Extent::Fixed(rows as u32), [row, form.positions.pitch as i64 * ROW]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The sums of a panel.
    fn product(&self, stripe: Stripe, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, memory) = (self.form(), self.form().memory(stripe.rows));
        let product = Product {
            target: sink.machine.target,
            tiles: form.positions.tiles(stripe.rows),
            blocks: panel.blocks,
            steps: (form.steps(), memory.step),
            taps: form.places(stripe.rows),
            plane: memory.block,
        };
        let name = self.name("product");
        let kernel = sink.program(&name, format!("{product:?}"), |n| product.program(n))?;
        sink.note_tile(kernel, product.widest());
        let block = form.block_bytes();
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, self.panels + panel.before as i64 * block),
            Pointer::new(THREAD, 0),
            Pointer::new(THREAD, memory.sums),
        ]);
        let of = |blocks: usize| [blocks as i64 * block, 0, 0];
        let part = of(panel.per_part * panel.blocks);
        self.chunks(&mut levels, stripe, [[0; 3], [0; 3], of(form.blocks()), part]);
        levels.repeat(of(panel.blocks));
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The results of a panel.
    fn finish(&self, stripe: Stripe, panel: Panel, sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, memory) = (self.form(), self.form().memory(stripe.rows));
        let Operands { dst, residual, .. } = self.operands;
        let other = residual.map_or(dst, |added| added.place);
        let (result, added) = (dst.geometry.strides(), other.geometry.strides());
        let [mut rows, mut columns] = [stripe.rows, form.positions.size[1]];
        let is_contiguous = |place: &Place| {
            let strides = place.geometry.strides();
            strides.row == form.positions.size[1] as i64 * strides.pixel
        };
        if form.positions.pitch == columns && is_contiguous(dst) && is_contiguous(other) {
            (rows, columns) = (1, rows * columns);
        }
        let finish = Finish {
            target: sink.machine.target,
            positions: columns,
            pixel: result.pixel,
            residual: residual.map(|_| added.pixel),
            rounding: self.rounding.clone(),
        };
        let name = self.name("finish");
        let kernel = sink.program(&name, format!("{finish:?}"), |n| finish.program(n))?;
        let (before, first) = (panel.before as i64, stripe.first as i64);
        let head = self.rounding.head.block_bytes() as i64;
        let place = |place: &Place| {
            let strides = place.geometry.strides();
            let offset = before * strides.plane + first * strides.row;
            Pointer::new(place.base, place.origin() + offset)
        };
        let mut levels = Levels::new([
            Pointer::new(THREAD, memory.sums),
            Pointer::new(WEIGHTS, self.heads + before * head),
            place(dst),
            place(other),
            encoding::pointer(self.encoding.unwrap_or(dst)),
        ]);
        let of = |blocks: usize| {
            [0, head, result.plane, added.plane, 0].map(|bytes| blocks as i64 * bytes)
        };
        let image = [0, 0, result.image, added.image, 0];
        let part = of(panel.per_part * panel.blocks);
        let row = [0, 0, result.row, added.row, 0];
        self.chunks(&mut levels, stripe, [image, row, of(form.blocks()), part]);
        levels.repeat(of(panel.blocks));
        let block = [memory.block, head, result.plane, added.plane, 0];
        levels.inner(Extent::Fixed(panel.blocks as u32), block);
        let row = [form.positions.pitch as i64 * ROW, 0, result.row, added.row, 0];
        levels.inner(Extent::Fixed(rows as u32), row);
        levels.pass_if(3, residual.is_some());
        levels.pass_if(4, self.rounding.head == Head::Measured);
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}
