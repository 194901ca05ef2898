//! Convolution with tile registers: fixed-point numbers of three signed bytes each, and six of the
//! nine products of these bytes.
//!
//! Computing a matrix product of floats from products of small integers is Ozaki's scheme (Ozaki,
//! Ogita, Oishi, Rump, "Error-free transformations of matrix multiplication by using fast routines
//! of matrix multiplication and its applications", Numerical Algorithms 59, 2012; on integer units:
//! Ootomo, Ozaki, Yokota, "DGEMM on integer matrix multiplication unit", 2024).
//!
//! | module | holds |
//! |---|---|
//! | `number` | fixed-point numbers |
//! | `plan` | the plan of the algorithm: which of the forms a convolution has |
//! | `cost` | what it costs, and how a layer is cut into blocks |
//! | `abs_max` | the abs-max of an image |
//! | `frame`, `stripe`, `panel` | what all forms have in common: operands, chunks of rows, outputs computed together |
//! | `layer`, `seen` | the calls that a convolution consists of, and those that read its source |
//! | `digits`, `split`, `split_rows` | splitting values into digits |
//! | `narrow` | the same for planar images of few channels |
//! | `spread` | which weights are unsuited to fixed point |
//! | `product` | the products, as a tile program |
//! | `finish` | bias, shortcut and activation |
//! | `pack` | weights as digits |
//! | `dark`, `magnitudes` | which outputs see only values that are small relative to others of their image |
//! | `guard`, `unpack` | the rows of such outputs, computed directly |
//!
//! All values of an image share a scale, `2^-23` of the largest of them, and so do all weights of
//! an output. The error of a factor is less than two units, mostly half a unit; the three omitted
//! products of digits are below `2^-22` of the product of the largest factors. All sums are exact
//! until they are converted back to floats. An image's abs-max comes from the step that computed
//! the image, if that is a fixed-point convolution as well: each of its chunks publishes that of
//! its results. Otherwise a separate region computes it, whose chunks store what they find in the
//! step's scratch memory.
//!
//! A chunk is some rows of an image and some outputs. It stores the digits of all pixels that it
//! sees in the thread's private memory, row after row, so that a tap is just a distance: 16
//! consecutive positions from any start are a tile. What such a tile computes between the end of a
//! row and the beginning of the next is never read. If the window strides, rows and columns with
//! the same remainder form a separate image, a *phase*.

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

/// Bytes of the constants of a block of outputs: their weights' scales, and from [`BIAS`] on their
/// biases.
const CONSTANTS: i64 = 2 * LANES_BYTES;
const BIAS: i64 = LANES_BYTES;

/// Offsets in a thread's memory: it begins with the values' inverse scale, followed by their scale,
/// then by the sums of what is computed together.
const SCALE: i64 = LANES_BYTES;
const SUMS: i64 = 2 * LANES_BYTES;

/// Bytes of a position: all digits of a group of blocks.
const POSITION: i64 = DIGITS as i64 * ROW;

/// Bytes of a tile.
const TILE: i64 = TILE_ROWS as i64 * ROW;

/// The maximum number of bytes that a displacement in the code may span.
const FARTHEST: i64 = 1 << 30;

/// The maximum number of weights per output such that 32-bit sums do not overflow, with three
/// products for each weight, all of maximum magnitude.
const MOST_WEIGHTS: usize = (1 << 31) / (3 << 14) - 1;

/// The maximum number of parts into which an image's blocks of channels are cut for its abs-max:
/// enough that all threads have some, and few enough to combine cheaply.
const MOST_PARTS: usize = 8;

/// Memory in the arena beside the operands and the result, as offsets.
#[derive(Clone, Copy, Debug)]
struct Shared {
    /// The step's scratch memory.
    scratch: i64,
    /// The published abs-max of the source, and of the projected value.
    source: Option<AbsMax>,
    projected: Option<AbsMax>,
    /// Where the result's abs-max is published.
    own: Option<i64>,
}

/// Pixels of the source whose rows and columns have the same remainders modulo the strides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Phase {
    /// The remainders.
    remainder: [usize; 2],
    /// Number of rows and columns beyond the last output's that taps see.
    beyond: [usize; 2],
}

/// What a tap of the window sees: for the output at `(row, column)`, the pixel of `phase` that is
/// `distance` further.
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
    /// Positions from one row to the next.
    pitch: usize,
}

impl WideForm {
    /// The form of a convolution of these shapes.
    ///
    /// # Errors
    /// The reason, if there is none and only other algorithms remain.
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

    /// The parts of an image whose abs-max is computed separately: those of its whole blocks of
    /// channels, and the last, partial block.
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

    /// Where chunks of this cut publish the abs-max of their results.
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

    /// Number of positions from the first output of `rows` rows to the last.
    fn positions(&self, rows: usize) -> usize {
        (rows - 1) * self.pitch + self.size[1]
    }

    /// Number of tiles of 16 positions.
    fn tiles(&self, rows: usize) -> usize {
        self.positions(rows).div_ceil(TILE_ROWS)
    }

    /// Distance of a tap from its phase's first position, in positions.
    fn distance(&self, tap: &Tap) -> usize {
        tap.distance[0] * self.pitch + tap.distance[1]
    }

    /// The layout of the thread's memory for a chunk of `rows` rows.
    fn memory(&self, rows: usize) -> WideMemory {
        let farthest = self.taps.iter().map(|tap| self.distance(tap)).max().unwrap_or(0);
        let group = (self.tiles(rows) * TILE_ROWS + farthest) as i64 * POSITION;
        let phase = self.groups() as i64 * group;
        let together = self.together();
        let digits = SUMS + together.sums_bytes();
        // All distances are whole positions, and therefore whole cache lines.
        let sums = digits + self.phases.len() as i64 * phase;
        let sum = self.tiles(rows) as i64 * TILE;
        WideMemory { digits, group, phase, sums, sum, end: sums + together.blocks as i64 * sum }
    }

    /// Bytes of the magnitudes of a phase's positions, for a chunk of `rows` rows.
    fn magnitudes_phase(&self, rows: usize) -> i64 {
        self.memory(rows).group / POSITION * MAGNITUDE_BYTES
    }

    /// Where a chunk of `rows` rows has the magnitudes of its positions: in the same order as their
    /// digits.
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

    /// Where the weights of a panel are, and where they go as numbers: by block of channels, then
    /// by tap.
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

/// `count` parts, equal in size, of the `blocks` blocks of channels from block `first` on, each
/// block with `live` channels.
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
    /// Offset of the digits.
    digits: i64,
    group: i64,
    phase: i64,
    /// Offset of the results.
    sums: i64,
    /// Bytes from one block of outputs to the next.
    sum: i64,
    end: i64,
}

/// The phases of a window, and its taps, row by row.
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
