//! Processes blocks of tiles: a chunk is a few rows of tiles, which one thread transforms,
//! multiplies with all filters and transforms back, in private memory that stays in its caches. The
//! filters are transformed when the network is compiled; each chunk reads all of them.

use crate::codegen::region::{Extent, Item, Piece, Word};
use crate::codegen::vir::Target;
use crate::kernels::KernelError;
use crate::kernels::conv::filters::Filters;
use crate::kernels::conv::shorts::Stored;
use crate::kernels::geometry::{F32, Strides};
use crate::kernels::sink::{Levels, Machine, Pointer, Sink, THREAD, aligned};

use super::axis::{Blocks, Class};
use super::guard::{Direct, Guard};
use super::packed::{self, Packed};
use super::plain::Plain;
use super::product::{TileProducts, step_cost, vectors};
use super::{OutputGroups, OutputRun, TileMemory, TiledConv, Tiling};

/// How the rows of tiles of an image are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Parts of the image, as equal as possible, so that all threads have the same number of them.
    shares: usize,
    /// Rows in a block; the last block of a share has what is left.
    pub(super) rows: usize,
}

/// The cheapest cut for floats, and the modelled cost of the products: half cycles for one input
/// channel and 16 outputs, on the thread with the most work.
fn cheapest_of_floats(form: &Tiling, machine: &Machine) -> (Cut, f64) {
    let bytes = |rows: usize| {
        let tiles = rows * form.tiles[1];
        let group = vectors(form, tiles, machine.target) * machine.target.lanes / 16;
        form.value_element(tiles) * form.elements() as i64
            + form.product_block(tiles) * group as i64
    };
    // Filters come from the second- or third-level cache, once for each block.
    let block = |rows: usize| {
        step_cost(form, rows * form.tiles[1], machine.target) + machine.rates.filter_read
    };
    cheapest(form, machine, bytes, block)
}

/// The cheapest cut, and the cost of the thread with the most work: `bytes` is the memory of a block
/// of that many rows of tiles, and `block` is its cost.
pub(super) fn cheapest(
    form: &Tiling,
    machine: &Machine,
    bytes: impl Fn(usize) -> i64,
    block: impl Fn(usize) -> f64,
) -> (Cut, f64) {
    let (images, threads) = (form.images, machine.threads);
    let is_even = |shares: &usize| (images * shares).is_multiple_of(threads);
    let shares = (1..form.tiles[0]).find(is_even).unwrap_or(form.tiles[0]);
    let largest = form.tiles[0].div_ceil(shares);
    let turns = (images * shares).div_ceil(threads) as f64;
    let cost = |rows: usize| {
        let rest = largest % rows;
        let rest = if rest > 0 { block(rest) } else { 0.0 };
        turns * ((largest / rows) as f64 * block(rows) + rest)
    };
    let most = machine.cache_bytes as f64 * machine.rates.tiles;
    let fits = |&rows: &usize| rows == 1 || bytes(rows) as f64 <= most;
    let costs = (1..=largest).take_while(fits).map(|rows| (cost(rows), rows));
    let best = costs.min_by(|a, b| a.0.total_cmp(&b.0));
    let (cost, rows) = best.unwrap_or((f64::INFINITY, 1));
    (Cut { shares, rows }, cost)
}

/// The modelled cost of the products: half cycles for one input channel and 16 outputs, on the
/// thread with the most work.
pub(super) fn products_cost(form: &Tiling, machine: &Machine) -> f64 {
    cheapest_of_floats(form, machine).1
}

pub(super) fn lower(
    layer: &TiledConv<'_>,
    weights: Filters,
    stored: Stored,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let form = layer.form;
    let (cut, _) = cheapest_of_floats(form, &sink.machine);
    let vectors = vectors(form, cut.rows * form.tiles[1], sink.machine.target);
    let lanes = vectors * sink.machine.target.lanes;
    // Only rows that are computed directly read the untransformed filters.
    let plain = Plain::new(form, lanes, stored);
    let packed = packed::pack(form, (lanes, plain, true), &weights, sink)?;
    let parts = |blocks| Parts { layer, blocks, vectors, plain, packed };
    blocks(form, cut).into_iter().map(|blocks| parts(blocks).piece(sink)).collect()
}

/// The blocks of an image in order, identical neighbours together.
pub(super) fn blocks(form: &Tiling, cut: Cut) -> Vec<Blocks> {
    form.axis(0).blocks(cut.shares, cut.rows)
}

/// Chunks of the same form.
struct Parts<'a> {
    layer: &'a TiledConv<'a>,
    blocks: Blocks,
    /// Vectors of outputs in a group.
    vectors: usize,
    /// The untransformed filters.
    plain: Plain,
    packed: Packed,
}

/// Offsets in the thread's memory, which begins with the transformed tiles.
struct ChunkMemory {
    products: i64,
    energies: i64,
}

impl Parts<'_> {
    fn piece(&self, sink: &mut Sink) -> Result<Piece, KernelError> {
        let form = self.layer.form;
        let (blocks, target) = (self.blocks, sink.machine.target);
        let products = aligned(form.value_element(self.tiles()) * form.elements() as i64);
        let energies = products + form.product_block(self.tiles()) * self.per_group(target) as i64;
        let words = energies + form.energy_row() * self.seen_rows() as i64;
        let memory = ChunkMemory { products, energies };
        let rows = (blocks.first, blocks.rows);
        let guard = Guard::new(form, words, rows, vec![0; 2], sink);
        let mut items = self.checks(&memory, &guard, sink)?;
        items.extend(self.inputs(sink)?);
        let groups = self.layer.output_groups(self.per_group(target), target);
        for groups in &groups {
            items.push(self.group_items(groups, &memory, &guard, sink)?);
        }
        items.extend(self.directly(&groups, &guard, sink)?);
        Ok(Piece { chunks: vec![form.images as u32, blocks.count as u32], items })
    }

    fn tiles(&self) -> usize {
        self.blocks.rows * self.layer.form.tiles[1]
    }

    /// Blocks of outputs in a group.
    fn per_group(&self, target: Target) -> usize {
        self.vectors * target.lanes / 16
    }

    /// Rows that the windows of a chunk see.
    fn seen_rows(&self) -> usize {
        let form = self.layer.form;
        let m = form.transforms.outputs;
        let first = self.blocks.first * m;
        let outputs = (self.blocks.rows * m).min(form.size[0] - first);
        form.transforms.seen(outputs)
    }

    fn classes(&self) -> Vec<Class> {
        self.layer.form.classes(self.blocks.first, self.blocks.rows)
    }

    /// Adds the chunk levels, with the strides of images and of one row of tiles.
    fn chunks<const N: usize>(&self, levels: &mut Levels<N>, image: [i64; N], row: [i64; N]) {
        levels.chunk(self.layer.form.images, image);
        levels.chunk(self.blocks.count, row.map(|row| row * self.blocks.rows as i64));
    }

    /// The checks which rows of tiles can be computed by tiles.
    fn checks(
        &self,
        memory: &ChunkMemory,
        guard: &Guard,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let form = self.layer.form;
        let advance = form.transforms.advance();
        let energies = (THREAD, memory.energies);
        let outer = |levels: &mut Levels<3>, src: Strides| {
            self.chunks(levels, [src.image, 0, 0], [advance as i64 * src.row, 0, 0]);
            levels.inner(Extent::Fixed(self.seen_rows() as u32), [src.row, 0, form.energy_row()]);
        };
        let first = self.blocks.first * advance;
        let (levels, kernel) = self.layer.energy_call(
            first,
            (self.packed.base, self.packed.gains),
            energies,
            outer,
            sink,
        )?;
        let mut items = vec![Item::Call(levels.call(kernel, &[]))];
        for class in self.classes() {
            let before = ((class.first - self.blocks.first) * advance) as i64 * form.energy_row();
            let at = (THREAD, memory.energies + before);
            let outer = |levels: &mut Levels<2>| self.chunks(levels, [0; 2], [0; 2]);
            items.push(self.layer.check_call(class, at, guard, outer, sink)?);
        }
        Ok(items)
    }

    fn inputs(&self, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let (form, tiles) = (self.layer.form, self.tiles());
        let call = |class: Class| {
            let values =
                TileMemory { base: THREAD, offset: 0, first_row: self.blocks.first, tiles };
            let outer = |levels: &mut Levels<2>, src: Strides| {
                let row = self.layer.input_row(src);
                self.chunks(levels, [src.image, 0], [row[0], 0]);
                levels.inner(Extent::Fixed(class.count as u32), row);
                let planes = form.inputs.div_ceil(16) as u32;
                levels.inner(Extent::Fixed(planes), [src.plane, 16 * F32]);
            };
            let (levels, kernel) = self.layer.input_call(class, values, outer, sink)?;
            Ok(Item::Call(levels.call(kernel, &[])))
        };
        self.classes().into_iter().map(call).collect()
    }

    /// Products and output transform of some groups of outputs, one after another.
    fn group_items(
        &self,
        groups: &OutputGroups,
        memory: &ChunkMemory,
        guard: &Guard,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.layer.form;
        let (target, tiles) = (sink.machine.target, self.tiles());
        let vectors = self.vectors;
        let product =
            TileProducts { form, target, tiles, channels: form.inputs, vectors, accumulate: false };
        let micro = product.micro();
        let name = form.name("product", self.layer.conv, self.layer.operands);
        let kernel = sink.program(&name, format!("{micro:?}"), |n| micro.program(n))?;
        sink.note_tile(kernel, micro.widest());
        let panel = micro.panel_bytes();
        let first = groups.first as i64 * panel * form.elements() as i64;
        let mut levels = Levels::new([
            Pointer::new(THREAD, 0),
            Pointer::new(self.packed.base, self.packed.filters + first),
            Pointer::new(THREAD, memory.products),
        ]);
        self.chunks(&mut levels, [0; 3], [0; 3]);
        levels.repeat([0, panel * form.elements() as i64, 0]);
        levels.inner(
            Extent::Fixed(form.elements() as u32),
            [form.value_element(tiles), panel, form.product_element(tiles)],
        );
        let mut items = vec![Item::Call(levels.call(kernel, &[Extent::Fixed(1)]))];
        items.extend(self.outputs(groups, memory, guard, sink)?);
        Ok(Item::Repeat { count: groups.count as u32, items })
    }

    fn outputs(
        &self,
        groups: &OutputGroups,
        memory: &ChunkMemory,
        guard: &Guard,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let (form, tiles) = (self.layer.form, self.tiles());
        let per_group = self.per_group(sink.machine.target);
        let mut call = |class: Class, run: &OutputRun| {
            let offset = memory.products + run.first as i64 * form.product_block(tiles);
            let memory = TileMemory { base: THREAD, offset, first_row: self.blocks.first, tiles };
            let first = groups.first * per_group + run.first;
            let per_group = per_group as i64;
            let outer = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                let m = form.transforms.outputs as i64;
                let images = [0, 0, dst.image, res.image];
                self.chunks(levels, images, [0, 0, m * dst.row, m * res.row]);
                let (dst, res) = (dst.plane * per_group, res.plane * per_group);
                levels.repeat([0, 16 * F32 * per_group, dst, res]);
            };
            let inner = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                let block = [form.product_block(tiles), 16 * F32, dst.plane, res.plane];
                levels.inner(Extent::Fixed(run.count as u32), block);
            };
            let added = (first, &run.reads);
            let biases = (self.packed.base, self.packed.biases);
            let call =
                self.layer.output_call(class, memory, biases, added, (outer, inner), sink)?;
            Ok(guard.each_row(class, 1, Word::Zero, vec![call]))
        };
        let classes = self.classes();
        let calls =
            groups.runs.iter().flat_map(|run| classes.iter().map(move |class| (*class, run)));
        calls.map(|(class, run)| call(class, run)).collect()
    }

    /// The rows that cannot be computed by tiles.
    fn directly(
        &self,
        groups: &[OutputGroups],
        guard: &Guard,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let (layer, vectors) = (self.layer, self.vectors);
        let m = layer.form.transforms.outputs as i64;
        let per_group = self.per_group(sink.machine.target) as i64;
        let panel = self.plain.panel_bytes();
        let panels = (self.packed.base, self.packed.panels);
        let direct = Direct { layer, guard, vectors, plain: self.plain, panels };
        let mut all = Vec::new();
        for class in self.classes() {
            let outer = |levels: &mut Levels<2>, src: Strides| {
                let advance = layer.form.transforms.advance() as i64;
                self.chunks(levels, [src.image, 0], [advance * src.row, 0]);
            };
            let mut items = vec![direct.copy(class, outer, sink)?];
            for groups in groups {
                let outer = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                    let images = [0, 0, dst.image, res.image];
                    self.chunks(levels, images, [0, 0, m * dst.row, m * res.row]);
                };
                let inner = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                    let group = [0, panel, dst.plane * per_group, res.plane * per_group];
                    levels.inner(Extent::Fixed(groups.count as u32), group);
                };
                items.push(direct.products(class, groups, outer, inner, sink)?);
            }
            all.push(guard.each_row(class, 0, Word::NotZero, items));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resnetc_ir::op::{Conv, Window};

    use super::super::Tile;
    use super::*;

    fn tiling(size: usize) -> Tiling {
        let conv = Conv::new(Window::square(3, 1, 1), 1);
        let shape = [1, 16, size, 4];
        Tiling::of(Tile::Four, &conv, shape, shape).expect("it can be cut")
    }

    proptest! {
        /// Only the last block has a row of tiles of which a part exists.
        #[test]
        fn blocks_cover_every_row_once(size in 4usize..200, shares in 1usize..9, rows in 1usize..9) {
            let form = tiling(size);
            let cut = Cut { shares: shares.min(form.tiles[0]), rows };
            let mut next = 0;
            for block in blocks(&form, cut) {
                prop_assert_eq!(block.first, next);
                prop_assert!(block.count > 0 && (1..=rows).contains(&block.rows));
                next += block.rows * block.count;
                prop_assert!(block.count == 1 || 4 * next <= size);
            }
            prop_assert_eq!(next, form.tiles[0]);
        }
    }

    /// Fourteen rows of tiles in blocks of two: seven for each of two threads.
    #[test]
    fn threads_have_the_same_number_of_rows() {
        let blocks = blocks(&tiling(56), Cut { shares: 2, rows: 2 });
        let rows: Vec<[usize; 2]> = blocks.iter().map(|b| [b.rows, b.count]).collect();
        assert_eq!(rows, [[2, 3], [1, 1], [2, 3], [1, 1]]);
    }
}
