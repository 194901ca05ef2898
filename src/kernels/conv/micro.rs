//! The inner kernel of every convolution and matrix product with constant weights: register tiles
//! of pixels times output channels, reduced over taps and input channels without leaving the
//! registers. A projection is a second such sum, over another source, in the same accumulators.

use std::ops::Range;

use crate::codegen::vir::{Builder, Count, Inst, Mem, OverBudget, P, Program, Target, V};
use crate::kernels::epilogue::Growing;
use crate::kernels::geometry::F32;
use crate::kernels::residual::Read;
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, TileRun};

use super::ahead::{Ahead, Panels};
use super::budget::UNROLL_LIMIT;
use super::elements::Elements;
use super::heads::{Head, HeadPlace};
use super::partial::{Parts, Saved};
use super::shorts::{self, Stored};
use super::step::{self, Step};

/// Which input channels an output lane sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Every lane sees the same channels: `blocks` blocks of `block` channels, `step` bytes apart,
    /// then `tail` channels of one more block. Channels of a block are consecutive values.
    Shared {
        /// Channels of a block: 16, or 1 in a planar source.
        block: usize,
        /// Whole blocks.
        blocks: usize,
        /// Channels after the last whole block.
        tail: usize,
        /// Bytes between blocks.
        step: i64,
    },
    /// Each lane sees the `count` channels of its own group: `channels[i][lane]` is the byte offset
    /// of channel `i`.
    PerLane {
        /// Byte offsets: one row per channel of the group, one column per lane of the tile.
        channels: Vec<Vec<i64>>,
    },
}

/// A sum of products: over the taps of a kernel and the channels of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// Kernel rows and the bytes between two of them in the source.
    pub tap_rows: (usize, i64),
    /// Kernel columns and the bytes between two of them.
    pub tap_columns: (usize, i64),
    /// Input channels.
    pub channels: Channels,
}

/// What is added to a sum before the activation.
#[derive(Clone, Debug, PartialEq)]
pub enum Shortcut {
    /// Nothing.
    None,
    /// A value: the reads that each vector of the tile adds.
    Residual(Vec<Vec<Read>>),
    /// A value that the end of a sum of products of bytes adds, with as many channels as the
    /// result; the bytes from one channel block to the next.
    Whole(i64),
    /// Another sum, whose channels are shared.
    Projection(Sum),
}

/// What the accumulators start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The biases at the head of the panel.
    Bias,
    /// Zero; the panel holds nothing but weights.
    Zero,
}

/// Everything that determines the code.
///
/// Arguments of the program: source, panel, result, the shortcut's operand if there is one, the
/// stream to prefetch if there is one, the source's scale and zero point if they are measured,
/// number of bands. The panel holds the biases of the tile's lanes, then their weights in the order
/// in which they are used, those of a projection last (see [`super::pack`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Micro {
    /// The machine.
    pub target: Target,
    /// Vectors of output channels in a tile.
    pub vectors: usize,
    /// Bytes from one channel block of the result to the next.
    pub dst_block: i64,
    /// What the accumulators start from.
    pub start: Start,
    /// The sum.
    pub sum: Sum,
    /// How weights are stored.
    pub stored: Stored,
    /// What is added to it.
    pub shortcut: Shortcut,
    /// The tiles of one band.
    pub tiles: Vec<TileRun>,
    /// Bytes from one band to the next: source, result, the shortcut's operand.
    pub band: [i64; 3],
    /// What is multiplied, and how the sums end.
    pub elements: Elements,
    /// How the sum is added up.
    pub summation: Summation,
    /// Whether and how weights are prefetched.
    pub ahead: Ahead,
}

/// What the sums of a tile have in common.
struct Reduction<'a> {
    acc: &'a [Vec<V>],
    panels: Panels,
    /// Where partial sums are saved, if the sum is computed in parts.
    saved: Option<&'a Saved>,
}

/// Pointers of a tile; `res` is the shortcut's operand.
#[derive(Clone, Copy)]
struct At {
    src: P,
    dst: P,
    res: P,
    /// Displacements of the tile's first pixel from these pointers.
    src_offset: i64,
    dst_offset: i64,
    res_offset: i64,
}

impl Sum {
    /// Steps of the reduction.
    pub fn depth(&self) -> usize {
        let channels = match &self.channels {
            Channels::Shared { block, blocks, tail, .. } => block * blocks + tail,
            Channels::PerLane { channels } => channels.len(),
        };
        channels * self.tap_rows.0 * self.tap_columns.0
    }
}

impl Micro {
    /// Lanes of a tile.
    pub fn lanes(&self) -> usize {
        self.vectors * self.target.lanes
    }

    /// Whether the shortcut reads a value.
    pub fn has_shortcut(&self) -> bool {
        self.shortcut != Shortcut::None
    }

    /// Steps of the reduction, including those of a projection.
    pub fn depth(&self) -> usize {
        let projection = match &self.shortcut {
            Shortcut::Projection(sum) => sum.depth(),
            Shortcut::None | Shortcut::Residual(_) | Shortcut::Whole(_) => 0,
        };
        self.sum.depth() + projection
    }

    /// Whether the source's scale and zero point are an argument.
    pub fn is_measured(&self) -> bool {
        matches!(&self.elements, Elements::Bytes(_, rounding) if rounding.head == Head::Measured)
    }

    /// Whether the sum is computed in parts. Lanes that see channels of their own see only a few.
    fn is_in_parts(&self) -> bool {
        let projection = match &self.shortcut {
            Shortcut::Projection(sum) => Some(sum),
            Shortcut::None | Shortcut::Residual(_) | Shortcut::Whole(_) => None,
        };
        let mut sums = [&self.sum].into_iter().chain(projection);
        self.summation.is_in_parts(self.depth())
            && sums.all(|s| matches!(s.channels, Channels::Shared { .. }))
    }

    /// Bytes of the panel of one tile: bias and weights.
    pub fn panel_bytes(&self) -> i64 {
        self.head_bytes() + self.depth() as i64 * self.step_bytes()
    }

    /// Bytes at the head of the panel: biases, and factors or scales.
    fn head_bytes(&self) -> i64 {
        match (self.start, &self.elements) {
            (Start::Bias, Elements::Floats(_)) => self.stored.head_bytes(self.lanes()),
            (Start::Bias, Elements::Bytes(_, rounding)) => {
                (rounding.head.words() * self.lanes()) as i64 * F32
            }
            (Start::Zero, _) | (_, Elements::Sums(_)) => 0,
        }
    }

    /// Bytes of the weights of a step.
    pub(super) fn step_bytes(&self) -> i64 {
        self.lanes() as i64 * self.stored.bytes()
    }

    /// The program.
    ///
    /// # Errors
    /// If a tile does not fit the target's registers.
    pub fn program(&self, name: String) -> Result<Program, OverBudget> {
        match self.build(name.clone()) {
            // Deep loop nests leave no address register for prefetching.
            Err(OverBudget::Pointers(_)) if matches!(self.ahead, Ahead::NextPanel { .. }) => {
                Micro { ahead: Ahead::Not, ..self.clone() }.build(name)
            }
            result => result,
        }
    }

    /// Accumulators of the widest tile: pixels and vectors.
    pub fn widest(&self) -> [usize; 2] {
        [self.tiles.iter().map(|run| run.pixels.len()).max().unwrap_or(0), self.vectors]
    }

    fn build(&self, name: String) -> Result<Program, OverBudget> {
        let shortcut = usize::from(self.has_shortcut());
        let stream = usize::from(matches!(self.ahead, Ahead::Stream { .. }));
        let measured = usize::from(self.is_measured());
        let mut b = Builder::new(name, self.target, 4 + shortcut + stream + measured);
        let (src, panel, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let res = if self.has_shortcut() { b.arg(3) } else { dst };
        let bands = b.arg(3 + shortcut + stream + measured);
        let next = match self.ahead {
            Ahead::Not | Ahead::Here => panel,
            Ahead::Stream { .. } => b.arg(3 + shortcut),
            Ahead::NextPanel { .. } => {
                let next = b.pointer(panel);
                b.advance(next, self.panel_bytes());
                next
            }
        };
        let panels = Panels { weights: panel, next, ahead: self.ahead };
        b.repeat(Count::Register(bands), |b| {
            for run in &self.tiles {
                self.run(
                    b,
                    run,
                    panels,
                    At { src, dst, res, src_offset: 0, dst_offset: 0, res_offset: 0 },
                );
            }
            b.advance(src, self.band[0]);
            b.advance(dst, self.band[1]);
            if self.has_shortcut() {
                b.advance(res, self.band[2]);
            }
        });
        b.finish()
    }

    fn run(&self, b: &mut Builder, run: &TileRun, panels: Panels, row: At) {
        let start = run.start;
        if run.count == 1 {
            let at =
                At { src_offset: start.src, dst_offset: start.dst, res_offset: start.res, ..row };
            return self.tile(b, run, panels, at);
        }
        let at = At { src: b.pointer(row.src), dst: b.pointer(row.dst), ..row };
        let at = if self.has_shortcut() { At { res: b.pointer(row.res), ..at } } else { at };
        let advance = |b: &mut Builder, src: i64, dst: i64, res: i64| {
            b.advance(at.src, src);
            b.advance(at.dst, dst);
            if self.has_shortcut() {
                b.advance(at.res, res);
            }
        };
        advance(b, start.src, start.dst, start.res);
        b.repeat(Count::Fixed(run.count as u32), |b| {
            self.tile(b, run, panels, at);
            advance(b, run.step.src, run.step.dst, run.step.res);
        });
        b.release_pointer(at.src);
        b.release_pointer(at.dst);
        if self.has_shortcut() {
            b.release_pointer(at.res);
        }
    }

    fn tile(&self, b: &mut Builder, run: &TileRun, panels: Panels, at: At) {
        let panel = panels.weights;
        let width = run.pixels.len();
        let acc: Vec<Vec<V>> = (0..width).map(|_| b.vectors(self.vectors)).collect();
        let sums: Vec<V> = acc.iter().flatten().copied().collect();
        // Parts are saved where the result will be, which may be where the residual is.
        let places = self.places(run, at, panel);
        let saved = self.is_in_parts().then_some(&places);
        let scaled = self.stored == Stored::Shorts && saved.is_none();
        self.start(b, &acc, panel, scaled);
        if let Some(saved) = saved {
            self.add_residual(b, run, &acc, at);
            saved.store(b, &sums);
        }
        let src = b.pointer(at.src);
        let weights = b.pointer(panel);
        b.advance(src, at.src_offset);
        b.advance(weights, self.head_bytes());
        let panels = Panels { weights, ..panels };
        let tile = Reduction { acc: &acc, panels, saved };
        let pixels: Vec<i64> = run.pixels.iter().map(|p| p.src).collect();
        self.reduce(b, &self.sum, &tile, &pixels, src);
        b.release_pointer(src);
        if let Shortcut::Projection(sum) = &self.shortcut {
            let src = b.pointer(at.res);
            b.advance(src, at.res_offset);
            let pixels: Vec<i64> = run.pixels.iter().map(|p| p.res).collect();
            self.reduce(b, sum, &tile, &pixels, src);
            b.release_pointer(src);
        }
        b.release_pointer(weights);
        if scaled {
            let head = |v| [self.factor(panel, v), self.bias(panel, v)];
            let head: Vec<[Mem; 2]> = (0..self.vectors).map(head).collect();
            shorts::scale(b, &acc, &head);
        }
        if saved.is_none() {
            self.add_residual(b, run, &acc, at);
        }
        match &self.elements {
            Elements::Floats(epilogue) => {
                epilogue.finish(b, &Growing::NOTHING, &sums, |_, _, _| {});
                places.store(b, &sums);
            }
            Elements::Sums(_) => places.store(b, &sums),
            Elements::Bytes(_, rounding) => {
                let residuals = self.residuals(run, at, rounding.residual_bytes());
                rounding.finish(b, &acc, self.head(b, panel), &residuals, &places.places);
            }
        }
        b.release(sums);
    }

    /// Where the words of a tile's outputs are.
    fn head(&self, b: &Builder, panel: P) -> HeadPlace {
        let lanes = self.lanes() as i64;
        let encoding = match self.is_measured() {
            true => b.arg(3 + usize::from(self.has_shortcut())),
            false => panel,
        };
        let vector = self.target.vector_bytes();
        let shift = match &self.elements {
            Elements::Bytes(dot, _) => dot.shift(),
            Elements::Floats(_) | Elements::Sums(_) => 0,
        };
        HeadPlace { first: panel.at(0), word: lanes * F32, vector, encoding, shift }
    }

    /// Where the elements of the residual are, of so many bytes, that are added to each sum.
    fn residuals(&self, run: &TileRun, at: At, bytes: i64) -> Vec<Mem> {
        let Shortcut::Whole(block) = self.shortcut else { return Vec::new() };
        let lane = |v| self.lane_offset(v, block, bytes);
        let place = |pixel: &Pixel, v| at.res.at(at.res_offset + pixel.res + lane(v));
        let of_pixel =
            |pixel: &Pixel| (0..self.vectors).map(|v| place(pixel, v)).collect::<Vec<_>>();
        run.pixels.iter().flat_map(of_pixel).collect()
    }

    /// Where the biases of vector `v` are.
    fn bias(&self, panel: P, v: usize) -> Mem {
        panel.at((v * self.target.lanes) as i64 * F32)
    }

    /// Where the factors or scales of vector `v` are.
    fn factor(&self, panel: P, v: usize) -> Mem {
        self.bias(panel, self.vectors + v)
    }

    /// Sets the accumulators; to 0 if biases are added later.
    fn start(&self, b: &mut Builder, acc: &[Vec<V>], panel: P, later: bool) {
        if self.start == Start::Zero || later {
            return acc.iter().flatten().for_each(|&register| b.constant(register, 0.0));
        }
        let head = self.head(b, panel);
        let zero = match &self.elements {
            Elements::Bytes(_, rounding) => rounding.head.zero(b, head),
            Elements::Floats(_) | Elements::Sums(_) => None,
        };
        for v in 0..self.vectors {
            Head::start(b, acc[0][v], v, head, zero);
            for pixel in &acc[1..] {
                b.push(Inst::Copy { dst: pixel[v], src: acc[0][v] });
            }
        }
        b.release(zero);
    }

    fn reduce(&self, b: &mut Builder, sum: &Sum, tile: &Reduction<'_>, pixels: &[i64], src: P) {
        let &Reduction { acc, panels, saved } = tile;
        let (block, blocks, tail, step) = match &sum.channels {
            Channels::Shared { block, blocks, tail, step } => (*block, *blocks, *tail, *step),
            Channels::PerLane { channels } => {
                return self.own_sum(b, sum, channels, acc, pixels, src, panels);
            }
        };
        let several = |b: &mut Builder, blocks: usize, channels: usize| {
            b.repeat(Count::Fixed(blocks as u32), |b| {
                self.taps(b, sum, src, panels, channels, acc, |b, source, channels, weights| {
                    let (elements, stored) = (&self.elements, self.stored);
                    let channel = self.step_bytes();
                    Step { elements, stored, acc, source, pixels, weights, channel }
                        .add(b, channels);
                });
                b.advance(src, step);
            });
        };
        let Some(saved) = saved else {
            several(b, blocks, block);
            several(b, usize::from(tail > 0), tail);
            return;
        };
        let sums: Vec<V> = acc.iter().flatten().copied().collect();
        let parts = Parts::of(blocks, block * sum.tap_rows.0 * sum.tap_columns.0);
        b.repeat(Count::Fixed(parts.whole as u32), |b| {
            saved.part(b, &sums, |b| several(b, parts.blocks, block));
        });
        if parts.rest > 0 || tail > 0 {
            saved.part(b, &sums, |b| {
                several(b, parts.rest, block);
                several(b, usize::from(tail > 0), tail);
            });
        }
    }

    /// The loop nest over the kernel's rows and columns; calls `add(source, channels, weights)` for
    /// each column and group of channels, with the places of channel 0. Leaves `src` unchanged and
    /// the weights pointer after the weights that were read.
    #[allow(clippy::too_many_arguments)]
    fn taps(
        &self,
        b: &mut Builder,
        sum: &Sum,
        src: P,
        panels: Panels,
        channels: usize,
        acc: &[Vec<V>],
        add: impl Fn(&mut Builder, Mem, Range<usize>, Mem),
    ) {
        let (rows, row_step) = sum.tap_rows;
        let (columns, column_step) = sum.tap_columns;
        let per_step = acc.len() * (self.vectors + 1) + self.vectors;
        let unrolled = if columns * channels * per_step > UNROLL_LIMIT { 1 } else { columns };
        let turn_bytes = (unrolled * channels) as i64 * self.step_bytes();
        let body = |b: &mut Builder| {
            for column in 0..unrolled {
                let source = src.at(column as i64 * column_step);
                let weights = panels.weights.at((column * channels) as i64 * self.step_bytes());
                for group in step::groups(channels, self.target) {
                    for channel in group.clone() {
                        let index = column * channels + channel;
                        panels.fetch(b, self.step_bytes(), index, unrolled * channels);
                    }
                    add(b, source, group, weights);
                }
            }
            b.advance(panels.weights, turn_bytes);
        };
        b.repeat(Count::Fixed(rows as u32), |b| {
            let turns = columns / unrolled;
            b.repeat(Count::Fixed(turns as u32), |b| {
                body(b);
                if turns > 1 {
                    b.advance(src, column_step);
                }
            });
            let back = if turns > 1 { columns as i64 * column_step } else { 0 };
            b.advance(src, row_step - back);
        });
        b.advance(src, -(rows as i64 * row_step));
    }

    fn add_residual(&self, b: &mut Builder, run: &TileRun, acc: &[Vec<V>], at: At) {
        let Shortcut::Residual(vectors) = &self.shortcut else { return };
        for (pixel, place) in acc.iter().zip(&run.pixels) {
            let from = at.res.at(at.res_offset + place.res);
            for (&sum, reads) in pixel.iter().zip(vectors) {
                reads.iter().for_each(|read| read.add(b, sum, from));
            }
        }
    }

    /// Where the tile's results are stored, and where parts of them are until then.
    fn places(&self, run: &TileRun, at: At, panel: P) -> Saved {
        let place = |pixel: &Pixel, v: usize| {
            let lane = self.lane_offset(v, self.dst_block, self.elements.result_bytes());
            at.dst.at(at.dst_offset + pixel.dst + lane)
        };
        let of_pixel =
            |pixel: &Pixel| (0..self.vectors).map(|v| place(pixel, v)).collect::<Vec<_>>();
        let scales = match self.stored {
            Stored::Floats => Vec::new(),
            Stored::Shorts => (0..self.vectors).map(|v| self.factor(panel, v)).collect(),
        };
        Saved { places: run.pixels.iter().flat_map(of_pixel).collect(), scales }
    }

    /// Offset of the tile's vector `v` from its first lane, in a blocked value with elements of
    /// `bytes`.
    fn lane_offset(&self, v: usize, block_step: i64, bytes: i64) -> i64 {
        let lane = v * self.target.lanes;
        (lane / 16) as i64 * block_step + (lane % 16) as i64 * bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::ahead::MOST_PASSES;
    use super::*;
    use crate::kernels::epilogue::Epilogue;
    use crate::kernels::tiling::runs;

    fn pointwise(channels: usize, tiles: usize) -> Micro {
        let pixels: Vec<Pixel> =
            (0..6 * tiles as i64).map(|i| Pixel { src: 64 * i, dst: 64 * i, res: 0 }).collect();
        let channels = Channels::Shared { block: 16, blocks: channels / 16, tail: 0, step: 4096 };
        Micro {
            target: Target::AVX2,
            vectors: 2,
            start: Start::Bias,
            dst_block: 0,
            sum: Sum { tap_rows: (1, 0), tap_columns: (1, 0), channels },
            stored: Stored::Floats,
            shortcut: Shortcut::None,
            tiles: runs(&pixels, &vec![6; tiles]),
            band: [0; 3],
            elements: Elements::Floats(Epilogue::default()),
            summation: Summation::Chain,
            ahead: Ahead::of(tiles),
        }
    }

    /// Prefetches that a call with one band executes.
    fn prefetches(body: &[Inst]) -> usize {
        body.iter()
            .map(|inst| match inst {
                Inst::Prefetch { .. } => 1,
                Inst::Loop { count: Count::Fixed(n), body } => *n as usize * prefetches(body),
                Inst::Loop { count: Count::Register(_), body } => prefetches(body),
                _ => 0,
            })
            .sum()
    }

    /// Each tile prefetches its own panel; together they prefetch the next one, with at most one
    /// line per block too many.
    #[test]
    fn the_next_panel_is_fetched_once() {
        for (channels, tiles) in [(64, 2), (2048, 9), (512, 33), (64, 64)] {
            let program = pointwise(channels, tiles).program("p".into()).expect("it fits");
            let next = prefetches(&program.body) - channels * tiles;
            let blocks = tiles * channels / 16;
            assert!((channels..channels + blocks).contains(&next), "{channels} {tiles}: {next}");
        }
        // One tile reads the next panel as it reads on in its own.
        let program = pointwise(64, 1).program("p".into()).expect("it fits");
        assert_eq!(prefetches(&program.body), 64);
        let program = pointwise(64, MOST_PASSES + 1).program("p".into()).expect("it fits");
        assert_eq!(prefetches(&program.body), 0);
    }
}
