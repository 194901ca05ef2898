//! Convolution by tile registers: numbers with a fixed point, as three signed bytes each, and six
//! of the nine products.
//!
//! A matrix product of floats by products of small integers is Ozaki's scheme (Ozaki, Ogita, Oishi,
//! Rump, "Error-free transformations of matrix multiplication by using fast routines of matrix
//! multiplication and its applications", Numerical Algorithms 59, 2012; on units for integers:
//! Ootomo, Ozaki, Yokota, "DGEMM on integer matrix multiplication unit", 2024).
//!
//! | module | holds |
//! |---|---|
//! | `number` | numbers with a fixed point |
//! | `plan` | the algorithm among the others: which of the forms a convolution has |
//! | `cost` | what it costs, and how a layer is cut into blocks |
//! | `abs_max` | the abs-max of an image |
//! | `frame`, `stripe`, `panel` | what all forms have in common: operands, chunks of rows, outputs computed together |
//! | `layer`, `seen` | the calls that a convolution consists of, and those that read its source |
//! | `digits`, `split`, `split_rows` | values to their digits |
//! | `narrow` | the same for planar images of few channels |
//! | `spread` | which weights are not to be such numbers |
//! | `product` | the products, as a tile program |
//! | `finish` | bias, shortcut and activation |
//! | `pack` | weights as digits |
//! | `dark`, `magnitudes` | which outputs see nothing but values that are small beside others of their image |
//! | `guard`, `unpack` | the rows of such outputs, computed directly |
//!
//! All values of an image share a scale, `2^-23` of the greatest of them, and so do all weights of
//! an output. A factor is off by less than two units, mostly by half a one; the three products of
//! digits that are left out are below `2^-22` of the product of the greatest. All sums are exact
//! until they are numbers again. An image's abs-max comes from the step that computed it, if that
//! is such a convolution as well: each of its chunks keeps those of its results. Else a region of
//! its own looks for them, whose chunks leave what they find in the step's scratch memory.
//!
//! A chunk is some rows of an image and some outputs. It brings the digits of all pixels that it
//! sees into the thread's own memory, row behind row, so that a tap is nothing but a distance: 16
//! positions from anywhere on are a tile. What such a tile computes between the end of a row and
//! the beginning of the next is never read. Where the window strides, rows and columns that fall on
//! the same remainder are an image of their own, a *phase*.

use resnetc_ir::op::{Conv, Residual, Window};

use crate::codegen::region::Piece;
use crate::codegen::vir::TILE_ROWS;

use super::KernelError;
use super::conv::Operands;
use super::conv::pack::Weights;
use super::conv_plan::Refusal;
use super::sink::{Machine, Sink};

mod abs_max;
mod cost;
mod dark;
mod digits;
mod finish;
mod frame;
mod guard;
mod layer;
mod magnitudes;
mod narrow;
mod number;
mod pack;
mod panel;
pub(super) mod plan;
mod product;

mod seen;
mod split;
mod split_rows;
mod spread;
mod stripe;
mod unpack;

use abs_max::{AbsMax, Publication};
use cost::ChunkCut;
use frame::{Frame, Packed};
use guard::Windows;
use layer::WideLayer;
use magnitudes::MAGNITUDE_BYTES;
pub use narrow::NarrowForm;
use number::DIGITS;
use pack::Panels;
use product::Together;
use stripe::stripes;
use unpack::{Level, Stretch};

/// Channels of a block.
const BLOCK: usize = 16;

/// Blocks whose channels' bytes share a lane.
const GROUP_BLOCKS: usize = 4;

/// Channels whose digits share a row of a tile.
const GROUP: usize = GROUP_BLOCKS * BLOCK;

/// Bytes of one digit of a group of blocks: a row of a tile.
const ROW: i64 = 64;

/// Bytes of a vector of 16 lanes.
const LANES_BYTES: i64 = 64;

/// Bytes of a block of outputs' constants: their weights' scales, and from [`BIAS`] on biases.
const CONSTANTS: i64 = 2 * LANES_BYTES;
const BIAS: i64 = LANES_BYTES;

/// What is where in a thread's memory: from the beginning the values' inverse scale, then their
/// scale, then the sums of what is computed together.
const SCALE: i64 = LANES_BYTES;
const SUMS: i64 = 2 * LANES_BYTES;

/// Bytes of a position: all digits of a group of blocks.
const POSITION: i64 = DIGITS as i64 * ROW;

/// Bytes of a tile.
const TILE: i64 = TILE_ROWS as i64 * ROW;

/// The most bytes that a displacement in the code may span.
const FARTHEST: i64 = 1 << 30;

/// The most products that a sum of 32 bits can take, three for each weight, all as large as can be.
const MOST_WEIGHTS: usize = (1 << 31) / (3 << 14) - 1;

/// Into how many parts an image's blocks of channels are cut at most for its abs-max: so many that
/// all threads have some, and few for those who put them together.
const MOST_PARTS: usize = 8;

/// WideMemory in the arena that is not an operand's or the result's, as offsets.
#[derive(Clone, Copy, Debug)]
struct Shared {
    /// For the step alone.
    scratch: i64,
    /// The published abs-max of the source, and of the projected value.
    source: Option<AbsMax>,
    projected: Option<AbsMax>,
    /// Where the result's is to be published.
    own: Option<i64>,
}

/// Pixels of the source whose row and column leave the same remainders when divided by the strides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Phase {
    /// The remainders.
    remainder: [usize; 2],
    /// Rows and columns past the last output's that taps see.
    beyond: [usize; 2],
}

/// What a tap of the window sees: `(row, column)` of `phase` for the output of that row and column,
/// so much further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tap {
    phase: usize,
    distance: [usize; 2],
}

/// A convolution as tiles see it.
#[derive(Clone, Debug)]
pub struct WideForm {
    images: usize,
    inputs: usize,
    outputs: usize,
    /// Rows and columns of the result.
    size: [usize; 2],
    strides: [usize; 2],
    phases: Vec<Phase>,
    taps: Vec<Tap>,
    /// Positions from a row to the next.
    pitch: usize,
}

impl WideForm {
    /// The form of a convolution of these shapes, if there is one; else why not.
    ///
    /// # Errors
    /// The reason for which only other algorithms remain.
    pub fn of(
        conv: &Conv,
        src: [usize; 4],
        residual: Option<[usize; 4]>,
        dst: [usize; 4],
    ) -> Result<WideForm, Refusal> {
        let [_, inputs, ..] = src;
        let [images, outputs, rows, columns] = dst;
        if conv.groups != 1 {
            return Err(Refusal::Groups(conv.groups));
        }
        if conv.residual.is_some_and(|r| r != Residual::PLAIN || residual != Some(dst)) {
            return Err(Refusal::PartialResidual);
        }
        if rows == 0 || columns == 0 || images == 0 || inputs == 0 || outputs == 0 {
            return Err(Refusal::Empty);
        }
        let (phases, taps) = phases(&conv.window);
        let across = phases.iter().map(|p| p.beyond[1]).max().unwrap_or(0);
        let form = WideForm {
            images,
            inputs,
            outputs,
            size: [rows, columns],
            strides: conv.window.strides,
            phases,
            taps,
            pitch: columns + across,
        };
        if form.groups() * GROUP * form.taps.len() > MOST_WEIGHTS {
            return Err(Refusal::ManyWeights);
        }
        match form.memory(rows).end <= FARTHEST {
            true => Ok(form),
            false => Err(Refusal::TooLarge("digits")),
        }
    }

    /// Groups of blocks of input channels.
    fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// Parts of an image whose abs-max is taken one by one: of its whole blocks of channels, and
    /// the last one.
    fn parts(&self) -> Vec<ImagePart> {
        let (blocks, rest) = (self.inputs / BLOCK, self.inputs % BLOCK);
        let count = blocks.min(MOST_PARTS);
        let whole = ImagePart { first: 0, count, blocks, live: BLOCK };
        let last = ImagePart { first: blocks, count: 1, blocks: 1, live: rest };
        [whole, last].into_iter().filter(|part| part.count > 0 && part.live > 0).collect()
    }

    /// The abs-max of all parts, from offset 0 on.
    fn abs_max(&self) -> AbsMax {
        AbsMax { offset: 0, count: self.parts().iter().map(|part| part.count).sum() }
    }

    /// Bytes of scratch memory: the abs-max of all parts.
    fn scratch_bytes(&self) -> usize {
        self.images * self.abs_max().image() as usize
    }

    /// Where chunks that are cut so publish the abs-max of their results.
    fn published(&self, cut: &ChunkCut, offset: Option<i64>) -> Publication {
        Publication { offset, stripes: self.size[0].div_ceil(cut.rows), parts: cut.parts }
    }

    /// Bytes of what all chunks publish.
    fn published_bytes(&self, machine: &Machine) -> usize {
        self.published(&self.cut(machine), None).bytes(self.images, self.outputs)
    }

    /// Blocks of 16 outputs.
    fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// How weights are packed.
    fn panels(&self) -> Panels {
        let (blocks, wide) = (self.blocks(), self.together().blocks);
        Panels { blocks, wide, steps: self.groups() * self.taps.len() }
    }

    /// What is computed together.
    fn together(&self) -> Together {
        Together::of(self.taps.len())
    }

    /// Positions from the first output of `rows` rows to the last.
    fn positions(&self, rows: usize) -> usize {
        (rows - 1) * self.pitch + self.size[1]
    }

    /// Tiles of 16 positions.
    fn tiles(&self, rows: usize) -> usize {
        self.positions(rows).div_ceil(TILE_ROWS)
    }

    /// How far a tap is from its phase's first position.
    fn distance(&self, tap: &Tap) -> usize {
        tap.distance[0] * self.pitch + tap.distance[1]
    }

    /// Where a chunk of `rows` rows has what in its thread's memory.
    fn memory(&self, rows: usize) -> WideMemory {
        let farthest = self.taps.iter().map(|tap| self.distance(tap)).max().unwrap_or(0);
        let group = (self.tiles(rows) * TILE_ROWS + farthest) as i64 * POSITION;
        let phase = self.groups() as i64 * group;
        let together = self.together();
        let digits = SUMS + together.sums_bytes();
        // All distances are whole positions, and so whole cache lines.
        let sums = digits + self.phases.len() as i64 * phase;
        let sum = self.tiles(rows) as i64 * TILE;
        WideMemory { digits, group, phase, sums, sum, end: sums + together.blocks as i64 * sum }
    }

    /// Bytes of the magnitudes of a phase's positions, for a chunk of `rows` rows.
    fn magnitudes_phase(&self, rows: usize) -> i64 {
        self.memory(rows).group / POSITION * MAGNITUDE_BYTES
    }

    /// Where a chunk of `rows` rows has the magnitudes of its positions: each as far from the first
    /// as its digits are.
    fn windows(&self, rows: usize) -> Windows {
        let phase = self.magnitudes_phase(rows);
        let place =
            |tap: &Tap| tap.phase as i64 * phase + self.distance(tap) as i64 * MAGNITUDE_BYTES;
        Windows {
            bytes: self.phases.len() as i64 * phase,
            row: self.pitch as i64 * MAGNITUDE_BYTES,
            columns: self.size[1],
            taps: self.taps.iter().map(place).collect(),
        }
    }

    /// Where the weights of a panel are, and where they go as numbers: block by block of channels,
    /// tap by tap.
    fn stretches(&self, blocks: usize) -> Vec<Stretch> {
        let (taps, step) = (self.taps.len(), (DIGITS * blocks) as i64 * TILE);
        let (number, group) = (blocks as i64 * LANES_BYTES, taps as i64 * step);
        let block = (taps * BLOCK) as i64 * number;
        let stretch = |first: usize, count: usize, channels: usize| Stretch {
            byte: (first % GROUP_BLOCKS) as u8,
            from: (first / GROUP_BLOCKS) as i64 * group,
            to: first as i64 * block,
            levels: [
                Level { count, from: group, to: GROUP_BLOCKS as i64 * block },
                Level { count: taps, from: step, to: channels as i64 * number },
                Level { count: channels, from: ROW, to: number },
            ],
        };
        let (whole, rest) = (self.inputs / BLOCK, self.inputs % BLOCK);
        let of_byte = |byte: usize| stretch(byte, (whole - byte).div_ceil(GROUP_BLOCKS), BLOCK);
        let stretches = (0..whole.min(GROUP_BLOCKS)).map(of_byte);
        stretches.chain((rest > 0).then(|| stretch(whole, 1, rest))).collect()
    }

    /// Lowers the convolution to one region, or two if the abs-max of its source is not published.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        shared: Shared,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let cut = self.cut(&sink.machine);
        let panels = self.panels();
        let (taps, inputs) = (self.taps.len(), self.inputs);
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
        let stripes = stripes(self.size[0], cut.rows);
        let stripes = stripes.into_iter().map(|stripe| layer.piece(stripe, sink));
        regions.push(stripes.collect::<Result<_, _>>()?);
        Ok(regions)
    }
}

/// `count` parts of as many blocks of channels each, of `blocks` from block `first` on, with `live`
/// channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ImagePart {
    first: usize,
    count: usize,
    blocks: usize,
    live: usize,
}

/// Byte distances in the memory of a thread: digits as `[phase][group][position][digit]`, and the
/// results of some blocks of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WideMemory {
    /// Where digits are.
    digits: i64,
    group: i64,
    phase: i64,
    /// Where the results are.
    sums: i64,
    /// From a block of outputs to the next.
    sum: i64,
    end: i64,
}

/// The phases of a window, and what its taps see, row by row.
fn phases(window: &Window) -> (Vec<Phase>, Vec<Tap>) {
    let (mut phases, mut taps): (Vec<Phase>, _) = (Vec::new(), Vec::new());
    for y in 0..window.kernel[0] {
        for x in 0..window.kernel[1] {
            let far = [y * window.dilations[0], x * window.dilations[1]];
            let remainder = std::array::from_fn(|axis| far[axis] % window.strides[axis]);
            let distance = std::array::from_fn(|axis| far[axis] / window.strides[axis]);
            let known = phases.iter().position(|p| p.remainder == remainder);
            let phase = known.unwrap_or_else(|| {
                phases.push(Phase { remainder, beyond: [0; 2] });
                phases.len() - 1
            });
            let beyond = phases[phase].beyond;
            phases[phase].beyond = std::array::from_fn(|axis| beyond[axis].max(distance[axis]));
            taps.push(Tap { phase, distance });
        }
    }
    (phases, taps)
}
