//! A product before it is lowered: its places, its pixels, its weights.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::op::Window;

use crate::kernels::geometry::{Place, Strides};
use crate::kernels::residual::Added;
use crate::kernels::tiling::Pixel;

use super::micro::{Channels, Elements, Sum};
use super::pack::{QUAD, Weights};
use super::panels::Fours;
use super::partial::Summation;
use super::shorts::Stored;

/// The places that a product reads and writes.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    /// The source.
    pub src: &'a Place,
    /// What is added to the result, if anything.
    pub residual: Option<Added<'a>>,
    /// The result.
    pub dst: &'a Place,
}

/// A convolution of another value, without groups, whose sum is added to that of the first.
#[derive(Clone)]
pub struct Projection<'a> {
    /// The value.
    pub src: &'a Place,
    /// The weights; their bias is not used.
    pub weights: Weights,
    /// The window, which gives the pixels that it sees.
    pub window: Window,
}

impl Projection<'_> {
    /// The value's strides between neighbouring pixels of the result.
    pub(super) fn strides(&self) -> Strides {
        let s = self.src.geometry.strides();
        let [down, across] = self.window.strides.map(|stride| stride as i64);
        Strides { row: s.row * down, pixel: s.pixel * across, ..s }
    }
}

/// The output pixels: `images` times `rows` rows of `columns` pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Bytes from one image, row and column to the next, in the source, the result and the
    /// shortcut's operand.
    pub(super) image: Pixel,
    pub(super) row: Pixel,
    pub(super) column: Pixel,
}

/// A product ready to be lowered.
pub(super) struct ConvProduct<'a> {
    pub(super) name: String,
    pub(super) operands: Operands<'a>,
    pub(super) weights: Weights,
    pub(super) groups: usize,
    pub(super) walk: Walk,
    pub(super) window: Window,
    pub(super) src: Strides,
    pub(super) projection: Option<Projection<'a>>,
    pub(super) elements: Elements,
    /// How weights are stored.
    pub(super) stored: Stored,
    /// The factors `[K]` of a product of bytes.
    pub(super) factors: Option<Arc<Tensor>>,
    /// The zero point of a source of bytes.
    pub(super) src_zero: i32,
    pub(super) summation: Summation,
}

impl Walk {
    /// Images of one pixel are better treated as the pixels of one row: tiles then run over images.
    pub(super) fn merged(self) -> Walk {
        if self.rows * self.columns != 1 {
            return self;
        }
        Walk { images: 1, columns: self.images, column: self.image, ..self }
    }

    /// The pixels of a band of `rows` rows.
    pub(super) fn band(&self, rows: usize) -> Vec<Pixel> {
        let at = |p: Pixel, n: usize| Pixel {
            src: p.src * n as i64,
            dst: p.dst * n as i64,
            res: p.res * n as i64,
        };
        let row = |y: usize| {
            (0..self.columns).map(move |x| {
                let (r, c) = (at(self.row, y), at(self.column, x));
                Pixel { src: r.src + c.src, dst: r.dst + c.dst, res: r.res + c.res }
            })
        };
        (0..rows).flat_map(row).collect()
    }
}

impl ConvProduct<'_> {
    /// Whether bytes are multiplied, four channels in a step.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(self.elements, Elements::Bytes(_))
    }

    /// What the four products of a step on bytes are of.
    pub(super) fn fours(&self) -> Fours {
        if self.src.block == 1 { Fours::Taps } else { Fours::Channels }
    }

    /// All input channels that an output sees, in steps of the reduction.
    pub(super) fn channels(&self) -> Channels {
        let (src, inputs) = (self.src, self.weights.inputs);
        let together = match (self.is_bytes(), self.fours()) {
            (true, Fours::Channels) => QUAD,
            _ => 1,
        };
        let (blocks, tail) = (inputs / src.block, inputs % src.block);
        let (block, tail) = (src.block / together, tail.div_ceil(together));
        Channels::Shared { block, blocks, tail, step: src.plane }
    }

    /// The sum over the window of the source.
    pub(super) fn sum(&self, channels: Channels) -> Sum {
        let sum = sum(&self.window, self.src, channels);
        match (self.is_bytes(), self.fours()) {
            (true, Fours::Taps) => {
                let (columns, step) = sum.tap_columns;
                let tap_columns = (columns.div_ceil(QUAD), QUAD as i64 * step);
                Sum { tap_columns, ..sum }
            }
            _ => sum,
        }
    }
}

/// The sum over a window of a source.
pub(in crate::kernels) fn sum(window: &Window, src: Strides, channels: Channels) -> Sum {
    Sum {
        tap_rows: (window.kernel[0], window.dilations[0] as i64 * src.row),
        tap_columns: (window.kernel[1], window.dilations[1] as i64 * src.pixel),
        channels,
    }
}

/// All `inputs` channels of a source.
pub(in crate::kernels) fn shared_channels(src: Strides, inputs: usize) -> Channels {
    let block = src.block;
    Channels::Shared { block, blocks: inputs / block, tail: inputs % block, step: src.plane }
}
