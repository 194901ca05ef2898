//! Processes blocks of outputs: first all inputs are transformed, into scratch memory that all
//! threads read. Then a chunk is a few outputs: one thread reads their untransformed filters from
//! memory, transforms them, multiplies, and transforms the products back. So a run reads each
//! weight once, and nine values of a filter instead of its sixteen or thirty-six transformed ones:
//! the better schedule if there are many filters and few tiles.
//!
//! The input channels are processed in sections (`Stretch`). While the products of one section are
//! computed, the filters of the next are transformed and those of the one after it are prefetched,
//! a few at a time between the products of two elements. So the transfers to the second-level cache
//! and from memory overlap with the multiply-adds.

use crate::codegen::region::{Base, Extent, Item, Piece, Word};
use crate::kernels::KernelError;
use crate::kernels::conv::ahead::Ahead;
use crate::kernels::conv::filters::Filters;
use crate::kernels::conv::micro::Micro;
use crate::kernels::conv::shorts::Stored;
use crate::kernels::geometry::{F32, Strides};
use crate::kernels::sink::{ARENA, Levels, Machine, Pointer, Sink, THREAD, aligned};

use super::filter::FilterTransform;
use super::guard::{Direct, Guard};
use super::matrices::TAPS;
use super::packed::{self, Packed};
use super::plain::Plain;
use super::product::{TileProducts, vectors};
use super::{Class, OutputGroups, OutputRun, TileMemory, TiledConv, Tiling};

/// Bytes of a vector of each tap of a filter.
const TAPS_BYTES: i64 = (TAPS * TAPS * 16) as i64 * F32;

/// The maximum number of tiles that are multiplied together.
const MOST_TILES: usize = 96;

/// Images whose tiles are multiplied together: the largest divisor of their number that keeps
/// within [`MOST_TILES`].
fn images_together(form: &Tiling) -> usize {
    (1..=form.images)
        .rev()
        .find(|&n| {
            form.images.is_multiple_of(n) && (n == 1 || n * form.image_tiles() <= MOST_TILES)
        })
        .unwrap_or(1)
}

/// Tiles that are multiplied together.
pub(super) fn tiles_together(form: &Tiling) -> usize {
    images_together(form) * form.image_tiles()
}

/// Bytes of scratch memory: the transformed inputs, and the energies of all pixels.
pub(in crate::kernels) fn scratch_bytes(form: &Tiling) -> usize {
    (values_bytes(form) + energies_image(form) * form.images as i64) as usize
}

/// Bytes of the transformed inputs.
fn values_bytes(form: &Tiling) -> i64 {
    aligned(form.value_element(form.tile_count()) * form.elements() as i64)
}

/// Bytes of the energies of an image.
fn energies_image(form: &Tiling) -> i64 {
    form.energy_row() * form.seen()[0] as i64
}

/// Bytes between the elements of the transformed filters of some channels. Without the additional
/// cache line, all elements of a filter would map to the same cache set.
fn filter_element(channels: usize, lanes: usize) -> i64 {
    (channels * lanes + 16) as i64 * F32
}

/// Bytes of the transformed filters of a section of `channels` channels.
fn filter_buffer(form: &Tiling, channels: usize, lanes: usize) -> i64 {
    aligned(filter_element(channels, lanes) * form.elements() as i64)
}

/// Input channels of a section: as many as let the core's cache hold the filters of two sections
/// beside everything else. It does not depend on how many images and outputs are computed together,
/// because it determines where sums are rounded.
fn channels_together(form: &Tiling, machine: &Machine) -> usize {
    let channel = form.elements() * 16 * F32 as usize;
    let fitting = machine.rounding().cache_bytes / 24 / channel / 16 * 16;
    fitting.max(32).min(form.inputs)
}

pub(super) fn lower(
    layer: &TiledConv<'_>,
    (weights, stored): (Filters, Stored),
    scratch: i64,
    sink: &mut Sink,
) -> Result<Vec<Vec<Piece>>, KernelError> {
    let form = layer.form;
    let images = images_together(form);
    let tiles = images * form.image_tiles();
    let target = sink.machine.target;
    let vectors = vectors(form, tiles, target);
    let lanes = vectors * target.lanes;
    let plain = Plain::new(form, lanes, stored);
    let packed = packed::pack(form, (lanes, plain, false), &weights, sink)?;
    let Packed { base, panels, .. } = packed;
    let first = inputs(layer, scratch, (base, packed.gains), sink)?;
    let channels = channels_together(form, &sink.machine);
    let products = 2 * filter_buffer(form, channels, lanes);
    let taps = products + form.product_block(tiles) * lanes as i64 / 16;
    let words = taps + TAPS_BYTES;
    let rows = form.tiles[0];
    let guard =
        Guard::new(form, words, (0, images * rows), vec![0, 0, rows as i64 * Word::BYTES], sink);
    let piece = |groups: OutputGroups| {
        let filters = panels + groups.first as i64 * plain.panel_bytes();
        let parts = Parts {
            layer,
            images,
            tiles,
            vectors,
            lanes,
            groups,
            channels,
            plain,
            base,
            panels,
            filters,
            scratch,
            products,
            taps,
            guard: &guard,
        };
        let mut items = parts.checks(sink)?;
        items.extend(parts.items(sink)?);
        items.push(parts.outputs((base, packed.biases), sink)?);
        items.push(parts.directly(sink)?);
        let chunks = vec![(form.images / images) as u32, parts.groups.count as u32];
        Ok(Piece { chunks, items })
    };
    let groups = layer.output_groups(lanes / 16, target).into_iter();
    Ok(vec![first, groups.map(piece).collect::<Result<_, _>>()?])
}

/// The input transform and the energies of the same pixels; a chunk is a row of tiles and some
/// channels. Each chunk writes the energies of some of its rows, over all channels, which its
/// neighbours have brought into the cache.
fn inputs(
    layer: &TiledConv<'_>,
    scratch: i64,
    gains: (Base, i64),
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let form = layer.form;
    let advance = form.transforms.advance();
    let tiles = form.tile_count();
    let planes = form.inputs.div_ceil(16);
    let cuts = sink.machine.parts().div_ceil(form.images * form.tiles[0]);
    let piece = |class: Class, sink: &mut Sink| {
        let values = TileMemory { base: ARENA, offset: scratch, first_row: 0, tiles };
        let outer = |levels: &mut Levels<2>, src: Strides| {
            let image = form.image_tiles() as i64 * form.value_tile();
            levels.chunk(form.images, [src.image, image]);
            levels.chunk(class.count, layer.input_row(src));
            let planes = levels.split(planes, cuts, [src.plane, 16 * F32]);
            levels.rest(planes);
        };
        let (levels, kernel) = layer.input_call(class, values, outer, sink)?;
        let mut piece = levels.piece(kernel, &[]);
        let [.., cuts] = piece.chunks[..] else { return Ok(piece) };
        // Where rows of tiles overlap, the pixels belong to the later one; the last row of tiles
        // has all of its pixels.
        let is_last = class.first + class.count == form.tiles[0];
        let rows = if is_last { form.transforms.seen(class.rows) } else { advance };
        let per = rows.div_ceil(cuts as usize);
        let outer = |levels: &mut Levels<3>, src: Strides| {
            let row = [src.row, 0, form.energy_row()];
            levels.chunk(form.images, [src.image, 0, energies_image(form)]);
            levels.chunk(class.count, row.map(|bytes| bytes * advance as i64));
            let level = levels.chunk(cuts as usize, row.map(|bytes| bytes * per as i64));
            let (per, total) = (per as u32, rows as u32);
            levels.inner(Extent::Rest { level, per, total }, row);
        };
        let first = class.first * advance;
        let start = scratch + values_bytes(form) + first as i64 * form.energy_row();
        let (levels, kernel) = layer.energy_call(first, gains, (ARENA, start), outer, sink)?;
        piece.items.insert(0, levels.call(kernel, &[]).into());
        Ok(piece)
    };
    let mut classes = form.classes(0, form.tiles[0]);
    if let Some(last) = classes.last_mut().filter(|class| class.count > 1) {
        let before = last.count - 1;
        let own = Class { first: last.first + before, count: 1, ..*last };
        last.count = before;
        classes.push(own);
    }
    classes.into_iter().map(|class| piece(class, sink)).collect()
}

/// The second region's chunks.
struct Parts<'a> {
    layer: &'a TiledConv<'a>,
    /// Images and tiles that are multiplied together.
    images: usize,
    tiles: usize,
    /// Outputs of a chunk, in vectors and in values.
    vectors: usize,
    lanes: usize,
    /// Groups of this many outputs.
    groups: OutputGroups,
    /// Input channels of a section.
    channels: usize,
    /// The untransformed filters.
    plain: Plain,
    /// What the offsets of filters are from.
    base: Base,
    /// Offsets: of all filters and of the first group's filters among the packed weights, of the
    /// transformed inputs in the arena, and of the products in the thread's memory, which starts
    /// with the transformed filters of two sections.
    panels: i64,
    filters: i64,
    scratch: i64,
    products: i64,
    /// Offset in the thread's memory of the taps that are being transformed.
    taps: i64,
    guard: &'a Guard,
}

/// A section of the reduction: `channels` input channels from channel `first` on, whose transformed
/// filters are at `buffer` in the thread's memory.
#[derive(Clone, Copy)]
struct Stretch {
    first: usize,
    channels: usize,
    buffer: i64,
}

/// The elements whose products are computed.
#[derive(Clone, Copy)]
enum Elements {
    /// One in each iteration of a repeat.
    Each,
    /// All from this one on.
    From(usize),
}

/// The filters of a section that are transformed.
#[derive(Clone, Copy)]
enum Taken {
    /// Those of at most this many channels in each iteration of a repeat.
    Each(usize),
    /// All.
    All,
}

impl Parts<'_> {
    fn items(&self, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let stretches = self.stretches();
        let mut items = vec![self.transform(stretches[0], Taken::All, sink)?];
        for (i, &stretch) in stretches.iter().enumerate() {
            match stretches.get(i + 1) {
                Some(&next) => items.extend(self.beside(stretch, next, sink)?),
                None => items.push(self.product(stretch, Elements::From(0), sink)?),
            }
        }
        Ok(items)
    }

    /// All sections. Their filters alternate between two buffers.
    fn stretches(&self) -> Vec<Stretch> {
        let inputs = self.layer.form.inputs;
        let buffer = filter_buffer(self.layer.form, self.channels, self.lanes);
        let places = [0, buffer].into_iter().cycle();
        let firsts = (0..inputs).step_by(self.channels);
        let stretch = |(first, buffer)| {
            let channels = self.channels.min(inputs - first);
            Stretch { first, channels, buffer }
        };
        firsts.zip(places).map(stretch).collect()
    }

    /// The products of a section, with the filter transform of the next one between its elements.
    fn beside(
        &self,
        stretch: Stretch,
        next: Stretch,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let elements = self.layer.form.elements();
        let channels = next.channels.div_ceil(elements);
        let turns = next.channels.div_ceil(channels);
        let turn = vec![
            self.product(stretch, Elements::Each, sink)?,
            self.transform(next, Taken::Each(channels), sink)?,
        ];
        let mut items = vec![Item::Repeat { count: turns as u32, items: turn }];
        if turns < elements {
            items.push(self.product(stretch, Elements::From(turns), sink)?);
        }
        Ok(items)
    }

    /// Offset among the packed constants of an input channel's filters.
    fn filter(&self, channel: usize) -> i64 {
        self.filters + self.plain.filter(channel)
    }

    /// Bytes between the elements of the transformed filters.
    fn element(&self) -> i64 {
        filter_element(self.channels, self.lanes)
    }

    /// Adds the chunk levels and returns the number of the level after them.
    fn chunks<const N: usize>(&self, levels: &mut Levels<N>, strides: [[i64; N]; 2]) -> usize {
        levels.chunk(self.layer.form.images / self.images, strides[0]);
        levels.chunk(self.groups.count, strides[1]) + 1
    }

    fn transform(
        &self,
        stretch: Stretch,
        filters: Taken,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.layer.form;
        let transform = FilterTransform {
            target: sink.machine.target,
            matrix: form.transforms.filter.clone(),
            lanes: self.lanes,
            element: self.element(),
            stored: self.plain.stored,
        };
        let name = form.name("filter", self.layer.conv, self.layer.operands);
        let kernel = sink.program(&name, format!("{transform:?}"), |n| transform.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(self.base, self.filter(stretch.first)),
            Pointer::new(THREAD, stretch.buffer),
            Pointer::new(self.base, self.filters + self.plain.scales()),
            Pointer::new(THREAD, self.taps),
        ]);
        let is_short = self.plain.stored == Stored::Shorts;
        [2, 3].into_iter().for_each(|i| levels.pass_if(i, is_short));
        let panel = self.plain.panel_bytes();
        let level = self.chunks(&mut levels, [[0; 4], [panel, 0, panel, 0]]);
        let total = stretch.channels as u32;
        let count = match filters {
            Taken::All => Extent::Fixed(total),
            Taken::Each(channels) => {
                let to = (channels * self.lanes) as i64 * F32;
                levels.repeat([self.plain.filter_bytes(channels), to, 0, 0]);
                match stretch.channels % channels {
                    0 => Extent::Fixed(channels as u32),
                    _ => Extent::Rest { level, per: channels as u32, total },
                }
            }
        };
        Ok(Item::Call(levels.call(kernel, &[count])))
    }

    fn product(
        &self,
        stretch: Stretch,
        elements: Elements,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.layer.form;
        let product = TileProducts {
            form,
            target: sink.machine.target,
            tiles: self.tiles,
            channels: stretch.channels,
            vectors: self.vectors,
            accumulate: stretch.first > 0,
        };
        let micro = product.micro();
        let every = lines_per_line(form, &micro, self.plain.stored);
        let micro = Micro { ahead: Ahead::Stream { every }, ..micro };
        let name = form.name("product", self.layer.conv, self.layer.operands);
        let kernel = sink.program(&name, format!("{micro:?}"), |n| micro.program(n))?;
        sink.note_tile(kernel, micro.widest());
        let ahead = sink.work(kernel).prefetches as i64 * 64;
        let m = form.product_element(self.tiles);
        let element = [form.value_element(form.tile_count()), self.element(), m, m, ahead];
        let pointers = [
            (ARENA, self.scratch + stretch.first as i64 * F32),
            (THREAD, stretch.buffer),
            (THREAD, self.products),
            (THREAD, self.products),
            (self.base, self.filter(stretch.first + 2 * self.channels)),
        ];
        let first = if let Elements::From(first) = elements { first } else { 0 };
        let at = |i: usize| {
            let (base, offset) = pointers[i];
            Pointer::new(base, offset + first as i64 * element[i])
        };
        let mut levels = Levels::new(std::array::from_fn(at));
        let group = self.tiles as i64 * form.value_tile();
        self.chunks(&mut levels, [[group, 0, 0, 0, 0], [0, 0, 0, 0, self.plain.panel_bytes()]]);
        match elements {
            Elements::Each => levels.repeat(element),
            Elements::From(_) => {
                levels.inner(Extent::Fixed((form.elements() - first) as u32), element)
            }
        }
        levels.pass_if(3, product.accumulate);
        Ok(Item::Call(levels.call(kernel, &[Extent::Fixed(1)])))
    }

    /// The checks which rows of tiles can be computed by tiles.
    fn checks(&self, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let form = self.layer.form;
        let start = self.scratch + values_bytes(form);
        let (advance, tile_rows) = (form.transforms.advance(), form.tiles[0] as i64);
        let call = |class: Class| {
            let before = (class.first * advance) as i64 * form.energy_row();
            let outer = |levels: &mut Levels<2>| {
                let image = energies_image(form);
                self.chunks(levels, [[image * self.images as i64, 0], [0; 2]]);
                let images = Extent::Fixed(self.images as u32);
                levels.inner(images, [image, tile_rows * Word::BYTES]);
            };
            let at = (ARENA, start + before);
            self.layer.check_call(class, at, self.guard, outer, sink)
        };
        form.classes(0, form.tiles[0]).into_iter().map(call).collect()
    }

    /// The output transform, image by image.
    fn outputs(&self, biases: (Base, i64), sink: &mut Sink) -> Result<Item, KernelError> {
        let (form, tiles) = (self.layer.form, self.tiles);
        let mut call = |class: Class, run: &OutputRun| {
            let offset = self.products + run.first as i64 * form.product_block(tiles);
            let first = self.groups.first * self.lanes / 16 + run.first;
            let memory = TileMemory { base: THREAD, offset, first_row: 0, tiles };
            let outer = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                let biases = self.lanes as i64 * F32;
                self.images(levels, [dst, res], form.image_tiles() as i64 * 16 * F32, biases);
            };
            let inner = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                let block = [form.product_block(tiles), 16 * F32, dst.plane, res.plane];
                levels.inner(Extent::Fixed(run.count as u32), block);
            };
            let added = (first, &run.reads);
            let call =
                self.layer.output_call(class, memory, biases, added, (outer, inner), sink)?;
            Ok(self.guard.each_row(class, 0, Word::Zero, vec![call]))
        };
        let classes = form.classes(0, form.tiles[0]);
        let runs = self.groups.runs.iter();
        let calls = runs.flat_map(|run| classes.iter().map(move |class| (*class, run)));
        let items =
            calls.map(|(class, run)| call(class, run)).collect::<Result<_, KernelError>>()?;
        Ok(Item::Repeat { count: self.images as u32, items })
    }

    /// The rows that cannot be computed by tiles, image by image.
    fn directly(&self, sink: &mut Sink) -> Result<Item, KernelError> {
        let (layer, guard, vectors) = (self.layer, self.guard, self.vectors);
        let panels = (self.base, self.panels);
        let direct = Direct { layer, guard, vectors, plain: self.plain, panels };
        let mut items = Vec::new();
        for class in layer.form.classes(0, layer.form.tiles[0]) {
            let outer = |levels: &mut Levels<2>, src: Strides| {
                self.chunks(levels, [[src.image * self.images as i64, 0], [0; 2]]);
                levels.repeat([src.image, 0]);
            };
            let copy = direct.copy(class, outer, sink)?;
            let outer = |levels: &mut Levels<4>, dst: Strides, res: Strides| {
                self.images(levels, [dst, res], 0, self.plain.panel_bytes());
            };
            let products = direct.products(class, &self.groups, outer, |_, _, _| {}, sink)?;
            items.push(guard.each_row(class, 0, Word::NotZero, vec![copy, products]));
        }
        Ok(Item::Repeat { count: self.images as u32, items })
    }

    /// Adds the levels outside an image's rows. The source of the next image is `source` bytes
    /// further on, and the constants of the next group of outputs are `constants` bytes further on.
    fn images(
        &self,
        levels: &mut Levels<4>,
        [dst, res]: [Strides; 2],
        source: i64,
        constants: i64,
    ) {
        let (images, blocks) = (self.images as i64, self.lanes as i64 / 16);
        let outputs = [0, constants, dst.plane * blocks, res.plane * blocks];
        self.chunks(levels, [[0, 0, dst.image * images, res.image * images], outputs]);
        levels.repeat([source, 0, dst.image, res.image]);
    }
}

/// Cache lines of transformed filters that are read for each line of untransformed filters: reading
/// the former prefetches the latter, so that the filters of a later section are in the cache when
/// they are needed.
fn lines_per_line(form: &Tiling, micro: &Micro, stored: Stored) -> usize {
    let turns: usize = micro.tiles.iter().map(|run| run.count).sum();
    let untransformed = (TAPS * TAPS) as i64 * stored.bytes();
    (form.elements() * turns * F32 as usize / untransformed as usize).max(1)
}
