//! Sums over 16-bit weights that serve many pixels: a stretch of the panel is converted to floats,
//! into the thread's memory, and multiplied with all pixels before the next one is converted. So a
//! weight is converted once for all tiles, and read by them from the nearest cache. Between two
//! stretches the sums are where the result will be.

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::{Arith, Builder, Cache, Count, OverBudget, Program, Target};
use crate::kernels::KernelError;
use crate::kernels::epilogue::Epilogue;
use crate::kernels::geometry::F32;
use crate::kernels::residual::Reads;
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD, WEIGHTS};
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, runs};

use super::ahead::Ahead;
use super::choose::{self, TileChoice};
use super::elements::Elements;
use super::micro::{Channels, Micro, Shortcut, Start, Sum};
use super::product::ConvProduct;
use super::sets::TileSet;
use super::shorts::Stored;
use super::start;

/// The maximum number of steps of a stretch with several blocks of channels. It does not depend on
/// the number of outputs, because it determines where sums are rounded.
const MOST_STEPS: usize = 128;

/// Bytes that a prefetch brings.
const LINE: usize = 64;

/// Consecutive blocks of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// The first block.
    first: usize,
    /// Whole blocks, and channels after them.
    blocks: usize,
    tail: usize,
    /// Whether it ends the sum.
    is_last: bool,
}

/// All stretches of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretches {
    first: Stretch,
    /// Those in between, all of the same size: the first of them, and their number.
    between: Option<(Stretch, usize)>,
    last: Option<Stretch>,
}

impl Stretches {
    /// Cuts `blocks` blocks of `steps` steps each and the `tail` channels after them.
    fn of(blocks: usize, tail: usize, steps: usize) -> Self {
        let per = (MOST_STEPS / steps.max(1)).clamp(1, blocks.max(1));
        let rest = blocks % per;
        let count = blocks / per + usize::from(rest > 0 || tail > 0);
        let stretch = |i: usize| {
            let first = i * per;
            let is_last = i + 1 == count;
            let tail = if is_last { tail } else { 0 };
            Stretch { first, blocks: per.min(blocks - first), tail, is_last }
        };
        Stretches {
            first: stretch(0),
            between: (count > 2).then(|| (stretch(1), count - 2)),
            last: (count > 1).then(|| stretch(count - 1)),
        }
    }
}

/// The conversion of some steps of a panel. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Widen {
    target: Target,
    /// Vectors of outputs.
    vectors: usize,
    /// How far ahead weights are prefetched, in bytes, if products do not do that.
    ahead: Option<i64>,
}

impl Widen {
    /// Arguments: the panel, the first step's weights, the place of the biases and then the weights
    /// as floats, the number of steps.
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 4);
        let (panel, src, dst, steps) = (b.arg(0), b.arg(1), b.arg(2), b.arg(3));
        let (scales, value) = (b.vectors(self.vectors), b.vector());
        let vector = self.target.vector_bytes();
        let all = self.vectors as i64 * vector;
        let shorts = vector / F32 * Stored::Shorts.bytes();
        for (v, &scale) in (0..).zip(&scales) {
            b.load(value, panel.at(v * vector));
            b.store(dst.at(v * vector), value);
            b.load(scale, panel.at(all + v * vector));
        }
        b.advance(dst, all);
        b.repeat(Count::Register(steps), |b| {
            for (v, &scale) in (0..).zip(&scales) {
                Stored::Shorts.load(b, value, src.at(v * shorts));
                b.arith(Arith::Mul, value, value, scale);
                b.store(dst.at(v * vector), value);
            }
            let bytes = self.vectors as i64 * shorts;
            for line in (0..bytes).step_by(LINE) {
                if let Some(ahead) = self.ahead {
                    b.prefetch(src.at(ahead + line), Cache::Second);
                }
            }
            b.advance(src, bytes);
            b.advance(dst, all);
        });
        b.finish()
    }
}

/// Where the calls of a piece are.
struct Grid {
    /// Bands of rows, and chunks into which they are cut.
    bands: [usize; 2],
    /// Chunks into which tiles are cut, and tiles of a chunk.
    tiles: [usize; 2],
    /// Offset of the first panel.
    panels: i64,
}

impl ConvProduct<'_> {
    /// Whether the panels of some tiles are converted in stretches.
    pub(super) fn is_widened(&self, micro: &Micro) -> bool {
        micro.stored == Stored::Shorts
            && self.summation == Summation::Chain
            && self.projection.is_none()
            && micro.lanes().is_multiple_of(16)
    }

    /// The piece of some tiles, whose kernel would be `full` if panels were not converted.
    pub(super) fn widened_piece(
        &self,
        choice: &TileChoice,
        full: &Micro,
        set: &TileSet,
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let Channels::Shared { block, blocks, tail, .. } = full.sum.channels else {
            return Ok(Piece { chunks: Vec::new(), items: Vec::new() });
        };
        let taps = full.sum.tap_rows.0 * full.sum.tap_columns.0;
        let stretches = Stretches::of(blocks, tail, block * taps);
        let bands = self.walk.rows / choice.band_rows;
        let cut = choose::cut(self, choice, full, set.count, bands, &sink.machine);
        let divides = |&parts: &usize| set.count.is_multiple_of(parts);
        let parts = (cut.tiles..=set.count).find(divides).unwrap_or(set.count);
        let grid = Grid {
            bands: [bands, cut.bands],
            tiles: [parts, set.count / parts],
            panels: self.pack(full, set, sink)?.start().1,
        };
        let Stretches { first, between, last } = stretches;
        let mut chunks = Vec::new();
        let mut calls = |stretch: Stretch, repeats: bool, sink: &mut Sink| {
            let layer = Widened { product: self, choice, full, set, grid: &grid, stretch };
            let (widen, product) = (layer.widen(repeats, sink)?, layer.multiply(repeats, sink)?);
            chunks.clone_from(&product.chunks);
            Ok::<_, KernelError>(widen.items.into_iter().chain(product.items).collect::<Vec<_>>())
        };
        let mut items = calls(first, false, sink)?;
        if let Some((stretch, count)) = between {
            let items_between = calls(stretch, true, sink)?;
            items.push(Item::Repeat { count: count as u32, items: items_between });
        }
        if let Some(stretch) = last {
            items.extend(calls(stretch, false, sink)?);
        }
        Ok(Piece { chunks, items: vec![Item::Repeat { count: grid.tiles[1] as u32, items }] })
    }
}

/// A stretch of the sums of some tiles.
struct Widened<'a> {
    product: &'a ConvProduct<'a>,
    choice: &'a TileChoice,
    full: &'a Micro,
    set: &'a TileSet,
    grid: &'a Grid,
    stretch: Stretch,
}

impl Widened<'_> {
    /// The sum over the stretch.
    fn sum(&self) -> Sum {
        let channels = match self.full.sum.channels {
            Channels::Shared { block, step, .. } => {
                let Stretch { blocks, tail, .. } = self.stretch;
                Channels::Shared { block, blocks, tail, step }
            }
            ref other => other.clone(),
        };
        Sum { channels, ..self.full.sum.clone() }
    }

    /// Steps of a block of channels.
    fn block_steps(&self) -> usize {
        let Channels::Shared { block, .. } = self.full.sum.channels else { return 0 };
        block * self.full.sum.tap_rows.0 * self.full.sum.tap_columns.0
    }

    /// Offset of the 16-bit weights of a block of channels.
    fn shorts(&self, block: usize) -> i64 {
        let lanes = self.full.lanes();
        let before = (block * self.block_steps() * lanes) as i64 * Stored::Shorts.bytes();
        self.grid.panels + Stored::Shorts.head_bytes(lanes) + before
    }

    /// Adds the levels outside the calls, and returns the number of bands of a chunk.
    fn levels<const N: usize>(
        &self,
        levels: &mut Levels<N>,
        image: [i64; N],
        row: [i64; N],
        tile: [i64; N],
        stretch: Option<[i64; N]>,
    ) -> Extent {
        let Grid { bands: [bands, cuts], tiles: [parts, per], .. } = *self.grid;
        levels.chunk(self.product.walk.images, image);
        let band = row.map(|bytes| bytes * self.choice.band_rows as i64);
        let bands = levels.split(bands, cuts, band);
        levels.chunk(parts, tile.map(|bytes| bytes * per as i64));
        levels.repeat(tile);
        if let Some(stretch) = stretch {
            levels.repeat(stretch);
        }
        bands.extent()
    }

    /// The conversion of the stretch.
    fn widen(&self, repeats: bool, sink: &mut Sink) -> Result<Piece, KernelError> {
        let steps = self.sum().depth();
        let own = self.shorts(self.stretch.blocks) - self.shorts(0);
        let ahead = (self.micro().ahead == Ahead::Not).then_some(own);
        let widen = Widen { target: sink.machine.target, vectors: self.full.vectors, ahead };
        let name = format!("weights {}", self.product.name);
        let kernel = sink.program(&name, format!("{widen:?}"), |name| widen.program(name))?;
        sink.reserve((1 + steps) * self.full.lanes() * F32 as usize);
        let Stretch { first, blocks, .. } = self.stretch;
        let mut levels = Levels::new([
            Pointer::new(WEIGHTS, self.grid.panels),
            Pointer::new(WEIGHTS, self.shorts(first)),
            Pointer::new(THREAD, 0),
        ]);
        let (panel, next) = (self.full.panel_bytes(), self.shorts(blocks) - self.shorts(0));
        let next = repeats.then_some([0, next, 0]);
        self.levels(&mut levels, [0; 3], [0; 3], [panel, panel, 0], next);
        Ok(levels.piece(kernel, &[Extent::Fixed(steps as u32)]))
    }

    /// The kernel of the stretch.
    fn micro(&self) -> Micro {
        let (full, is_first) = (self.full, self.stretch.first == 0);
        let walk = &self.product.walk;
        let added_up = |pixel: Pixel| Pixel { res: pixel.dst, ..pixel };
        let [source, result, _] = full.band;
        let (start, shortcut, tiles, band) = match is_first {
            true => (Start::Bias, full.shortcut.clone(), full.tiles.clone(), full.band),
            false => {
                let reads = Reads::whole(full.vectors, full.dst_block, full.target);
                let pixels = walk.band(self.choice.band_rows).into_iter().map(added_up);
                let tiles = runs(&pixels.collect::<Vec<_>>(), &self.choice.widths);
                let band = [source, result, result];
                (Start::Zero, Shortcut::Residual(reads.vectors), tiles, band)
            }
        };
        let elements = match self.stretch.is_last {
            true => full.elements.clone(),
            false => Elements::Floats(Epilogue::default()),
        };
        let passes = self.choice.widths.len() * self.grid.bands[0].div_ceil(self.grid.bands[1]);
        // Floats are read for each tile, and half as many bytes are prefetched.
        let ahead = Ahead::Stream { every: 2 * passes };
        let micro = Micro {
            start,
            sum: self.sum(),
            stored: Stored::Floats,
            shortcut,
            tiles,
            band,
            elements,
            ahead,
            ..full.clone()
        };
        // Deep loop nests leave no address register for prefetching.
        match micro.program(String::new()) {
            Err(OverBudget::Pointers(_)) => Micro { ahead: Ahead::Not, ..micro },
            _ => micro,
        }
    }

    /// The products of the stretch with all pixels.
    fn multiply(&self, repeats: bool, sink: &mut Sink) -> Result<Piece, KernelError> {
        let (product, full, set) = (self.product, self.full, self.set);
        let micro = self.micro();
        let kernel =
            sink.program(&product.name, format!("{micro:?}"), |name| micro.program(name))?;
        sink.note_tile(kernel, micro.widest());
        let Channels::Shared { step, .. } = full.sum.channels else {
            return Ok(Piece { chunks: Vec::new(), items: Vec::new() });
        };
        let Stretch { first, blocks, .. } = self.stretch;
        let (src, dst) = (product.operands.src, product.operands.dst);
        let channel = dst.geometry.strides().channel(set.first_output);
        let result = Pointer::new(dst.base, dst.origin() + channel);
        let added = product.operands.residual.filter(|_| first == 0);
        let head = if first == 0 { 0 } else { full.lanes() as i64 * F32 };
        let corner = start(src.origin(), product.src, &product.window) + set.src;
        let mut levels = Levels::new([
            Pointer::new(src.base, corner + first as i64 * step),
            Pointer::new(THREAD, head),
            result.clone(),
            match added {
                Some(added) => {
                    let place = added.place;
                    Pointer::new(place.base, place.origin() + set.reads.start)
                }
                None => result,
            },
            Pointer::new(WEIGHTS, self.shorts(first + blocks)),
        ]);
        let (image, row) = (product.walk.image, product.walk.row);
        let of = |pixel: Pixel| {
            let res = if first == 0 { pixel.res } else { pixel.dst };
            [pixel.src, 0, pixel.dst, res, 0]
        };
        let blocks_of_tile = (full.lanes() / 16) as i64;
        let result_step = full.dst_block * blocks_of_tile;
        let res_step = match (first, added) {
            (0, Some(added)) => added.strides().plane * blocks_of_tile,
            (0, None) => 0,
            _ => result_step,
        };
        let tile = [set.src_step, 0, result_step, res_step, full.panel_bytes()];
        let next = self.shorts(blocks) - self.shorts(0);
        let next = repeats.then_some([blocks as i64 * step, 0, 0, 0, next]);
        let bands = self.levels(&mut levels, of(image), of(row), tile, next);
        levels.pass_if(3, micro.has_shortcut());
        levels.pass_if(4, micro.ahead != Ahead::Not);
        Ok(levels.piece(kernel, &[bands]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stretches_are_all_channels(blocks in 0usize..40, tail in 0usize..16, steps in 1usize..200) {
            prop_assume!(blocks + tail > 0);
            let Stretches { first, between, last } = Stretches::of(blocks, tail, steps);
            let between = between.into_iter().flat_map(|(stretch, count)| {
                (0..count).map(move |i| Stretch { first: stretch.first + i * stretch.blocks, ..stretch })
            });
            let all: Vec<Stretch> = [first].into_iter().chain(between).chain(last).collect();
            let (mut next, mut channels) = (0, 0);
            for (i, stretch) in all.iter().enumerate() {
                prop_assert_eq!(stretch.first, next);
                prop_assert_eq!(stretch.is_last, i + 1 == all.len());
                prop_assert!(stretch.blocks <= 1 || stretch.blocks * steps <= MOST_STEPS);
                next += stretch.blocks;
                channels += stretch.tail;
            }
            prop_assert_eq!((next, channels), (blocks, tail));
        }
    }
}
