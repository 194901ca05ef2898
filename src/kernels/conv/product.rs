//! A product before it is lowered: its places, its pixels, its weights.

use resnetc_ir::op::Window;

use crate::kernels::geometry::{Place, Strides};
use crate::kernels::residual::Added;
use crate::kernels::summation::Summation;

use super::dots::{Along, Dot};
use super::elements::Elements;
use super::filters::Filters;
use super::heads::Heads;
use super::micro::{Channels, Sum};
use super::shorts::Stored;
use super::walk::Walk;
use super::wide::WideSource;

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
    pub weights: Filters,
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

/// What a product of bytes needs beside places and weights.
#[derive(Clone)]
pub(super) struct ByteProduct<'a> {
    /// What is known of each output.
    pub(super) heads: Heads,
    /// Where the scale and the zero point of the source are, if they are measured.
    pub(super) encoding: Option<&'a Place>,
    /// The source as the kernel reads it, where that is not its place.
    pub(super) wide: Option<WideSource>,
}

/// A product ready to be lowered.
pub(super) struct ConvProduct<'a> {
    pub(super) name: String,
    pub(super) operands: Operands<'a>,
    pub(super) weights: Filters,
    pub(super) groups: usize,
    pub(super) walk: Walk,
    pub(super) window: Window,
    /// Strides of the source as the kernel reads it.
    pub(super) src: Strides,
    pub(super) projection: Option<Projection<'a>>,
    pub(super) elements: Elements,
    /// How weights are stored.
    pub(super) stored: Stored,
    /// What a product of bytes needs beside.
    pub(super) bytes: Option<ByteProduct<'a>>,
    pub(super) summation: Summation,
}

impl ConvProduct<'_> {
    /// Whether bytes are multiplied.
    pub(super) fn is_bytes(&self) -> bool {
        self.dot().is_some()
    }

    /// How bytes are multiplied, if they are.
    pub(super) fn dot(&self) -> Option<Dot> {
        match self.elements {
            Elements::Floats(_) => None,
            Elements::Bytes(dot, _) | Elements::Sums(dot) => Some(dot),
        }
    }

    /// The source as it is multiplied, where that is a copy.
    pub(super) fn wide(&self) -> Option<&WideSource> {
        self.bytes.as_ref()?.wide.as_ref()
    }

    /// What the products of a step on bytes are of.
    pub(super) fn along(&self) -> Along {
        if self.src.block == 1 { Along::Taps } else { Along::Channels }
    }

    /// All input channels that an output sees, in steps of the reduction.
    pub(super) fn channels(&self) -> Channels {
        let (src, inputs) = (self.src, self.weights.inputs);
        let together = match (self.dot(), self.along()) {
            (Some(dot), Along::Channels) => dot.together(),
            _ => 1,
        };
        let (blocks, tail) = (inputs / src.block, inputs % src.block);
        let (block, tail) = (src.block / together, tail.div_ceil(together));
        Channels::Shared { block, blocks, tail, step: src.plane }
    }

    /// The sum over the window of the source.
    pub(super) fn sum(&self, channels: Channels) -> Sum {
        let sum = sum(&self.window, self.src, channels);
        match (self.dot(), self.along()) {
            (Some(dot), Along::Taps) => {
                let (columns, step) = sum.tap_columns;
                let together = dot.together();
                let tap_columns = (columns.div_ceil(together), together as i64 * step);
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
