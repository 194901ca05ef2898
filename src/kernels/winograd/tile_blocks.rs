//! Block by block of tiles: a chunk is a few rows of tiles, which one thread transforms, multiplies with all filters
//! and transforms back, in memory of its own that its caches hold. The filters are transformed when the network is
//! compiled; each chunk reads all of them.

use crate::codegen::region::{Extent, Item, Piece};
use crate::kernels::KernelError;
use crate::kernels::conv::pack::Weights;
use crate::kernels::geometry::{F32, Strides};
use crate::kernels::sink::{Levels, Machine, Pointer, Sink, THREAD, WEIGHTS};

use super::matrices::TAPS;
use super::product::{Product, step_cost, vectors};
use super::{Class, Form, Layer, OutputGroups, OutputRun, TileMemory, aligned, filters};

/// Rows of tiles of which all blocks look the same: `count` blocks of `rows` rows, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blocks {
    first: usize,
    rows: usize,
    count: usize,
}

/// Half cycles that a block costs beside its products, for each input channel and 16 outputs: filters come from the
/// second or third cache, once for each block.
const FILTER_COST: f64 = 4.0;

/// Rows of tiles in a block, and the modelled cost of the products: half cycles for one input channel and 16 outputs, of
/// the thread that has most to do.
pub(super) fn block_rows(form: &Form, machine: &Machine) -> (usize, f64) {
    let bytes = |rows: usize| {
        let tiles = rows * form.tiles[1];
        let group = vectors(form, tiles, machine.target) * machine.target.lanes / 16;
        form.value_element(tiles) * form.elements() as i64
            + form.product_block(tiles) * group as i64
    };
    let cost = |rows: usize| {
        let blocks = form.tiles[0].div_ceil(rows) * form.images;
        let turns = blocks.div_ceil(machine.threads) as f64;
        turns * (step_cost(form, rows * form.tiles[1], machine.target) + FILTER_COST)
    };
    let fits = |&rows: &usize| rows == 1 || bytes(rows) <= machine.cache_bytes as i64 * 3 / 4;
    let best = (1..=form.tiles[0])
        .take_while(fits)
        .map(|rows| (cost(rows), rows))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or((1, f64::INFINITY), |(cost, rows)| (rows, cost))
}

pub(super) fn lower(
    layer: &Layer<'_>,
    weights: Weights,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let form = layer.form;
    let (rows, _) = block_rows(form, &sink.machine);
    let group = vectors(form, rows * form.tiles[1], sink.machine.target);
    let lanes = group * sink.machine.target.lanes;
    let biases = weights.pack_biases(sink);
    let transforms = form.transforms.clone();
    let len = form.elements() * form.output_blocks() * 16 * form.inputs;
    let filters = sink.pack(len, move |out| filters::fill(&transforms, &weights, lanes, out));
    blocks(form, rows)
        .into_iter()
        .map(|blocks| piece(layer, blocks, group, filters, biases, sink))
        .collect()
}

/// The blocks of an image. The last differs where it has fewer rows, or rows that exist in part only.
fn blocks(form: &Form, rows: usize) -> Vec<Blocks> {
    let full = form.size[0] / form.transforms.outputs / rows;
    let mut blocks = Vec::new();
    if full > 0 {
        blocks.push(Blocks { first: 0, rows, count: full });
    }
    if full * rows < form.tiles[0] {
        blocks.push(Blocks { first: full * rows, rows: form.tiles[0] - full * rows, count: 1 });
    }
    blocks
}

fn piece(
    layer: &Layer<'_>,
    blocks: Blocks,
    group: usize,
    filters: i64,
    biases: i64,
    sink: &mut Sink,
) -> Result<Piece, KernelError> {
    let form = layer.form;
    let target = sink.machine.target;
    let (tiles, lanes) = (blocks.rows * form.tiles[1], group * target.lanes);
    let values = aligned(form.value_element(tiles) * form.elements() as i64);
    let products = form.product_block(tiles) * lanes as i64 / 16;
    sink.reserve((values + products) as usize);
    let mut items = inputs(layer, blocks, tiles, sink)?;
    for groups in layer.output_groups(lanes / 16, target) {
        items.push(group_items(layer, blocks, group, &groups, [values, filters, biases], sink)?);
    }
    Ok(Piece { chunks: vec![form.images as u32, blocks.count as u32], items })
}

/// Products and output transform of some groups of outputs, one after the other. The offsets are those of the thread's
/// products, of the transformed filters and of the biases.
fn group_items(
    layer: &Layer<'_>,
    blocks: Blocks,
    group: usize,
    groups: &OutputGroups,
    [values, filters, biases]: [i64; 3],
    sink: &mut Sink,
) -> Result<Item, KernelError> {
    let form = layer.form;
    let target = sink.machine.target;
    let tiles = blocks.rows * form.tiles[1];
    let product =
        Product { form, target, tiles, channels: form.inputs, vectors: group, accumulate: false };
    let micro = product.micro();
    let name = form.name("product", layer.conv, layer.operands);
    let kernel = sink.program(&name, format!("{micro:?}"), |n| micro.program(n))?;
    sink.note_tile(kernel, micro.widest());
    let panel = micro.panel_len() as i64 * F32;
    let mut levels = Levels::new([
        Pointer::new(THREAD, 0),
        Pointer::new(WEIGHTS, filters + groups.first as i64 * panel * form.elements() as i64),
        Pointer::new(THREAD, values),
    ]);
    levels.chunk(form.images, [0; 3]);
    levels.chunk(blocks.count, [0; 3]);
    levels.repeat([0, panel * form.elements() as i64, 0]);
    levels.inner(
        Extent::Fixed(form.elements() as u32),
        [form.value_element(tiles), panel, form.product_element(tiles)],
    );
    let mut items = vec![Item::Call(levels.call(kernel, &[Extent::Fixed(1)]))];
    items.extend(outputs(layer, blocks, group * target.lanes / 16, groups, values, biases, sink)?);
    Ok(Item::Repeat { count: groups.count as u32, items })
}

fn inputs(
    layer: &Layer<'_>,
    blocks: Blocks,
    tiles: usize,
    sink: &mut Sink,
) -> Result<Vec<Item>, KernelError> {
    let form = layer.form;
    let call = |class: Class, sink: &mut Sink| {
        let values = TileMemory { base: THREAD, offset: 0, first_row: blocks.first, tiles };
        let outer = |levels: &mut Levels<2>, src: Strides| {
            let row = layer.input_row(src);
            levels.chunk(form.images, [src.image, 0]);
            levels.chunk(blocks.count, [row[0] * blocks.rows as i64, 0]);
            levels.inner(Extent::Fixed(class.count as u32), row);
            let planes = form.inputs.div_ceil(16) as u32;
            levels.inner(Extent::Fixed(planes), [src.plane, 16 * F32]);
        };
        let (levels, kernel) = layer.input_call(class, values, outer, sink)?;
        Ok(Item::Call(levels.call(kernel, &[])))
    };
    let classes = form.classes(blocks.first, blocks.rows, TAPS - 1);
    classes.into_iter().map(|class| call(class, sink)).collect()
}

fn outputs(
    layer: &Layer<'_>,
    blocks: Blocks,
    per_group: usize,
    groups: &OutputGroups,
    products: i64,
    biases: i64,
    sink: &mut Sink,
) -> Result<Vec<Item>, KernelError> {
    let form = layer.form;
    let tiles = blocks.rows * form.tiles[1];
    let call = |class: Class, run: &OutputRun, sink: &mut Sink| {
        let offset = products + run.first as i64 * form.product_block(tiles);
        let memory = TileMemory { base: THREAD, offset, first_row: blocks.first, tiles };
        let first = groups.first * per_group + run.first;
        let per_group = per_group as i64;
        let outer = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
            let down = (form.transforms.outputs * blocks.rows) as i64;
            levels.chunk(form.images, [0, 0, dst.image, res.image]);
            levels.chunk(blocks.count, [0, 0, down * dst.row, down * res.row]);
            levels.repeat([0, 16 * F32 * per_group, dst.plane * per_group, res.plane * per_group]);
            levels.inner(
                Extent::Fixed(run.count as u32),
                [form.product_block(tiles), 16 * F32, dst.plane, res.plane],
            );
        };
        let added = (first, &run.reads);
        Ok(Item::Call(layer.output_call(class, memory, biases, added, outer, sink)?))
    };
    let classes = form.classes(blocks.first, blocks.rows, 0);
    let calls = groups.runs.iter().flat_map(|run| classes.iter().map(move |class| (*class, run)));
    calls.map(|(class, run)| call(class, run, sink)).collect()
}
