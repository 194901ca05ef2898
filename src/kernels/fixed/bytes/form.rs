//! A convolution of bytes as tiles see it.

use resnetc_ir::op::Window;
use resnetc_ir::ty::Layout;

use crate::kernels::conv_plan::Refusal;

use super::super::positions::Positions;
use super::super::sizes::{BLOCK, FARTHEST, GROUP, GROUP_BLOCKS, ROW, TILE};

/// Blocks of outputs that are computed together; as many tiles of positions are. The four sums take
/// turns, so that a product does not wait for the one before it, and leave four tiles for factors.
pub(super) const TOGETHER: usize = 2;

/// A convolution as tiles see it.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Form {
    pub(super) images: usize,
    /// Groups of channels, and the channels of a group.
    pub(super) groups: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) positions: Positions,
}

/// Bytes of a thread's memory: values as `[phase][64 channels][position]`, then the sums of a panel
/// as `[block of outputs][position]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// From one step of 64 channels to the next, and from one phase to the next.
    pub(super) step: i64,
    pub(super) phase: i64,
    /// Offset of the sums.
    pub(super) sums: i64,
    /// Bytes of the sums of a block of outputs.
    pub(super) block: i64,
    pub(super) end: i64,
}

impl Form {
    /// The form of a convolution whose source and result have these shapes `[N, C, H, W]`.
    ///
    /// # Errors
    /// The reason, if there is none.
    pub(super) fn of(
        window: &Window,
        groups: usize,
        layout: Layout,
        [src, dst]: [[usize; 4]; 2],
    ) -> Result<Self, Refusal> {
        if layout != Layout::Blocked {
            return Err(Refusal::PlanarSource);
        }
        if src.contains(&0) || dst.contains(&0) {
            return Err(Refusal::Empty);
        }
        let [inputs, outputs] = [src[1], dst[1]].map(|channels| channels / groups.max(1));
        let whole = [inputs, outputs].iter().all(|channels| channels.is_multiple_of(BLOCK));
        if groups != 1 && !whole {
            return Err(Refusal::Groups(groups));
        }
        let positions = Positions::of(window, [dst[2], dst[3]]);
        let form = Form { images: dst[0], groups, inputs, outputs, positions };
        match form.memory(1).end <= FARTHEST && form.block_bytes() <= FARTHEST {
            true => Ok(form),
            false => Err(Refusal::TooLarge("values")),
        }
    }

    /// Blocks of input channels of a group.
    pub(super) fn planes(&self) -> usize {
        self.inputs.div_ceil(BLOCK)
    }

    /// Blocks of outputs of a group.
    pub(super) fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Steps of 64 input channels.
    pub(super) fn steps(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// The steps that are copied alike: the first of them, their number, and their blocks.
    pub(super) fn runs(&self) -> Vec<(usize, usize, usize)> {
        let (whole, rest) = (self.planes() / GROUP_BLOCKS, self.planes() % GROUP_BLOCKS);
        let runs = [(0, whole, GROUP_BLOCKS), (whole, 1, rest)];
        runs.into_iter().filter(|(_, count, blocks)| *count > 0 && *blocks > 0).collect()
    }

    /// Taps of the window.
    pub(super) fn taps(&self) -> usize {
        self.positions.taps.len()
    }

    /// Bytes of the weights of a block of outputs.
    pub(super) fn block_bytes(&self) -> i64 {
        (self.steps() * self.taps()) as i64 * TILE
    }

    /// For each tap, the distance of its values from the first ones, in bytes.
    pub(super) fn places(&self, rows: usize) -> Vec<i64> {
        self.positions.places([self.memory(rows).phase, ROW])
    }

    /// The thread's memory for a chunk of `rows` rows.
    pub(super) fn memory(&self, rows: usize) -> Memory {
        let step = self.positions.stored(rows) as i64 * ROW;
        let phase = self.steps() as i64 * step;
        let sums = self.positions.phases.len() as i64 * phase;
        let block = self.positions.tiles(rows) as i64 * TILE;
        Memory { step, phase, sums, block, end: sums + TOGETHER as i64 * block }
    }
}
