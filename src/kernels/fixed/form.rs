//! A convolution as tiles see it.

use resnetc_ir::op::{Conv, Residual};

use crate::kernels::conv_plan::Refusal;
use crate::kernels::precision::Precision;

use super::abs_max::AbsMax;
use super::guard::Windows;
use super::magnitudes::MAGNITUDE_BYTES;
use super::number::Format;
use super::pack::Panels;
use super::positions::Positions;
use super::product::Together;
use super::sizes::{
    BLOCK, FARTHEST, GROUP, GROUP_BLOCKS, LANES_BYTES, MOST_PARTS, MOST_WEIGHTS, ROW, SUMS, TILE,
};
use super::unpack::{Level, Stretch};

/// A convolution as tiles see it.
#[derive(Clone, Debug)]
pub struct WideForm {
    /// How many digits numbers have.
    pub(super) format: Format,
    pub(super) images: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) positions: Positions,
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
        precision: Precision,
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
        let form = WideForm {
            format: Format::of(precision),
            images,
            inputs,
            outputs,
            positions: Positions::of(&conv.window, [rows, columns]),
        };
        if form.groups() * GROUP * form.taps() > MOST_WEIGHTS {
            return Err(Refusal::ManyWeights);
        }
        match form.memory(rows).end <= FARTHEST {
            true => Ok(form),
            false => Err(Refusal::TooLarge("digits")),
        }
    }

    /// Groups of blocks of input channels.
    pub(super) fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// The parts of an image whose abs-max is computed separately: those of its whole blocks of
    /// channels, and the last, partial block.
    pub(super) fn parts(&self) -> Vec<ImagePart> {
        let (blocks, rest) = (self.inputs / BLOCK, self.inputs % BLOCK);
        let count = blocks.min(MOST_PARTS);
        let whole = ImagePart { first: 0, count, blocks, live: BLOCK };
        let last = ImagePart { first: blocks, count: 1, blocks: 1, live: rest };
        [whole, last].into_iter().filter(|part| part.count > 0 && part.live > 0).collect()
    }

    /// The abs-max of all parts, from offset 0 on.
    pub(super) fn abs_max(&self) -> AbsMax {
        AbsMax { offset: 0, count: self.parts().iter().map(|part| part.count).sum() }
    }

    /// Bytes of scratch memory: the abs-max of all parts.
    pub(super) fn scratch_bytes(&self) -> usize {
        self.images * self.abs_max().image() as usize
    }

    /// Blocks of 16 outputs.
    pub(super) fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// How weights are packed.
    pub(super) fn panels(&self) -> Panels {
        let (blocks, wide) = (self.blocks(), self.together().blocks);
        Panels { format: self.format, blocks, wide, steps: self.groups() * self.taps() }
    }

    /// What is computed together.
    pub(super) fn together(&self) -> Together {
        Together::of(self.taps())
    }

    /// Taps of the window.
    pub(super) fn taps(&self) -> usize {
        self.positions.taps.len()
    }

    /// The layout of the thread's memory for a chunk of `rows` rows.
    pub(super) fn memory(&self, rows: usize) -> WideMemory {
        let group = self.positions.stored(rows) as i64 * self.format.values.position();
        let phase = self.groups() as i64 * group;
        let together = self.together();
        let digits = SUMS + together.sums_bytes(self.format);
        // All distances are whole positions, and therefore whole cache lines.
        let sums = digits + self.positions.phases.len() as i64 * phase;
        let sum = self.positions.tiles(rows) as i64 * TILE;
        WideMemory { digits, group, phase, sums, sum, end: sums + together.blocks as i64 * sum }
    }

    /// Bytes of the magnitudes of a phase's positions, for a chunk of `rows` rows.
    pub(super) fn magnitudes_phase(&self, rows: usize) -> i64 {
        self.memory(rows).group / self.format.values.position() * MAGNITUDE_BYTES
    }

    /// Where a chunk of `rows` rows has the magnitudes of its positions: in the same order as their
    /// digits.
    pub(super) fn windows(&self, rows: usize) -> Windows {
        let phase = self.magnitudes_phase(rows);
        Windows {
            bytes: self.positions.phases.len() as i64 * phase,
            row: self.positions.pitch as i64 * MAGNITUDE_BYTES,
            columns: self.positions.size[1],
            taps: self.positions.places([phase, MAGNITUDE_BYTES]),
        }
    }

    /// Where the weights of a panel are, and where they go as numbers: by block of channels, then
    /// by tap.
    pub(super) fn stretches(&self, blocks: usize) -> Vec<Stretch> {
        let (taps, step) = (self.taps(), (self.format.weights.digits() * blocks) as i64 * TILE);
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
}

/// `count` parts, equal in size, of the `blocks` blocks of channels from block `first` on, each
/// block with `live` channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImagePart {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) blocks: usize,
    pub(super) live: usize,
}

/// Byte distances in the memory of a thread: digits as `[phase][group][position][digit]`, and the
/// results of some blocks of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WideMemory {
    /// Offset of the digits.
    pub(super) digits: i64,
    pub(super) group: i64,
    pub(super) phase: i64,
    /// Offset of the results.
    pub(super) sums: i64,
    /// Bytes from one block of outputs to the next.
    pub(super) sum: i64,
    pub(super) end: i64,
}
