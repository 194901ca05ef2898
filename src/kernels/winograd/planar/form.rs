//! The convolution cut into tiles, and what each point of the transforms sums.

use resnetc_ir::op::Conv;
use resnetc_ir::ty::Layout;

use crate::kernels::conv_plan::Refusal;
use crate::kernels::site::Shapes;

use super::super::matrices::Transforms;
use super::super::{SMALLEST_RESULT, Tiling};

/// Inputs from one output's window to the next along an axis, and so the phases along it.
pub(super) const STRIDE: usize = 2;

/// Pixels from a tile's first column to that of the next: the strips of a row of pixels.
pub(super) const ADVANCE: usize = 8;

/// The maximum number of channels: with more, blocks of channels fill vectors.
const MOST_CHANNELS: usize = 4;

/// The extents of windows for which transforms exist.
const KERNELS: std::ops::RangeInclusive<usize> = 5..=8;

/// A convolution of stride 2 over a planar source.
#[derive(Clone, Debug)]
pub(super) struct Phased {
    /// The convolution of stride 1 over the phases of all channels.
    pub(super) tiling: Tiling,
    /// Channels of the source.
    pub(super) channels: usize,
    /// Rows and columns of the window.
    pub(super) kernel: [usize; 2],
}

/// Neighbouring points of an axis whose products sum the same phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Points {
    pub(super) first: usize,
    pub(super) count: usize,
    /// How many phases.
    pub(super) phases: usize,
}

impl Phased {
    /// How a convolution is cut into tiles.
    ///
    /// # Errors
    /// The reason, if it cannot be.
    pub(super) fn of(conv: &Conv, shapes: &Shapes) -> Result<Self, Refusal> {
        let Shapes { layout, src, dst, .. } = *shapes;
        let [_, channels, ..] = src;
        let [images, outputs, rows, columns] = dst;
        let window = conv.window;
        if layout != Layout::Planar {
            return Err(Refusal::BlockedSource);
        }
        let [down, across] = window.kernel.map(|extent| extent.div_ceil(STRIDE));
        if down != across || !window.kernel.iter().all(|extent| KERNELS.contains(extent)) {
            return Err(Refusal::Window(window.kernel));
        }
        if window.strides != [STRIDE; 2] {
            return Err(Refusal::Stride(window.strides));
        }
        if window.dilations != [1; 2] {
            return Err(Refusal::Dilation(window.dilations));
        }
        if conv.groups != 1 {
            return Err(Refusal::Groups(conv.groups));
        }
        if channels > MOST_CHANNELS {
            return Err(Refusal::ManyChannels { inputs: channels, most: MOST_CHANNELS });
        }
        if rows < SMALLEST_RESULT || columns < SMALLEST_RESULT {
            return Err(Refusal::SmallResult { size: [rows, columns], least: SMALLEST_RESULT });
        }
        let transforms = match down {
            4 => Transforms::f4_of_four_taps(),
            _ => Transforms::f4(),
        };
        let size = [rows, columns];
        let tiles = size.map(|n| n.div_ceil(transforms.outputs));
        let inputs = STRIDE * STRIDE * channels;
        let tiling = Tiling { transforms, images, inputs, outputs, size, tiles };
        Ok(Phased { tiling, channels, kernel: window.kernel })
    }

    /// Points along an axis.
    pub(super) fn points(&self) -> usize {
        self.tiling.transforms.inputs()
    }

    /// Pixels along an axis that the windows of some neighbouring outputs see.
    pub(super) fn seen(&self, axis: usize, outputs: usize) -> usize {
        (outputs - 1) * STRIDE + self.kernel[axis]
    }

    /// Points along an axis at which a phase's products are not all zero. The last point, infinity,
    /// is the filter's last tap, which odd phases lack if the window's extent is odd.
    pub(super) fn points_of(&self, axis: usize, phase: usize) -> usize {
        let taps = (self.kernel[axis] - phase).div_ceil(STRIDE);
        self.points() - usize::from(taps < self.tiling.transforms.taps())
    }

    /// The phases that a point along an axis sums: the even one alone, or both.
    pub(super) fn phases_at(&self, axis: usize, point: usize) -> usize {
        (0..STRIDE).filter(|&phase| point < self.points_of(axis, phase)).count()
    }

    /// The points along an axis, by the phases that they sum.
    pub(super) fn ranges(&self, axis: usize) -> Vec<Points> {
        let mut ranges: Vec<Points> = Vec::new();
        for first in 0..self.points() {
            let phases = self.phases_at(axis, first);
            match ranges.last_mut() {
                Some(last) if last.phases == phases => last.count += 1,
                _ => ranges.push(Points { first, count: 1, phases }),
            }
        }
        ranges
    }
}
