//! What convolutions of blocked values and of planar images have in common: operands, abs-max,
//! packed weights, and the cut into chunks.

use resnetc_ir::op::Conv;

use crate::codegen::region::Item;
use crate::kernels::KernelError;
use crate::kernels::conv::{Operands, problem};
use crate::kernels::epilogue::Epilogue;
use crate::kernels::geometry::Place;
use crate::kernels::published::Fact;
use crate::kernels::sink::{ARENA, Levels, Pointer, Sink, THREAD};

use super::abs_max::{AbsMax, Publication};
use super::finish::Finishing;
use super::sizes::CONSTANTS;
use super::stripe::Stripe;

/// Where packed weights are: the constants of all blocks of outputs, followed by their panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    pub(super) constants: i64,
    /// Blocks of 16 outputs.
    pub(super) blocks: usize,
    /// Bytes of a block's panel.
    pub(super) block: i64,
}

impl Packed {
    /// The first panel.
    pub(super) fn panels(&self) -> i64 {
        self.constants + self.blocks as i64 * CONSTANTS
    }
}

/// A convolution in its network.
pub(super) struct Frame<'a> {
    pub(super) conv: &'a Conv,
    pub(super) operands: Operands<'a>,
    /// The source's abs-max.
    pub(super) source: AbsMax,
    /// Where the result's abs-max is published.
    pub(super) published: Publication,
    /// Images, rows of the result of a chunk, and parts of the outputs.
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) parts: usize,
    /// The blocks of outputs of the widest panel.
    pub(super) wide: usize,
    pub(super) packed: Packed,
}

impl Frame<'_> {
    /// The name of a step's kernel.
    pub(super) fn name(&self, step: &str) -> String {
        let [_, outputs, ..] = self.operands.dst.geometry.nchw();
        format!("fixed point {step} {}", problem(self.operands.src, outputs, self.conv))
    }

    /// Adds the chunk levels, with the strides of images, of rows of the result, and of parts of
    /// the outputs.
    pub(super) fn chunks<const N: usize>(
        &self,
        levels: &mut Levels<N>,
        stripe: Stripe,
        image: [i64; N],
        row: [i64; N],
        part: [i64; N],
    ) {
        levels.chunk(self.images, image);
        levels.chunk(stripe.count, row.map(|bytes| bytes * stripe.rows as i64));
        levels.chunk(self.parts, part);
    }

    /// Where the first chunk of a stripe publishes its results' abs-max.
    pub(super) fn published_at(&self, stripe: Stripe) -> Pointer {
        self.published.of_stripe(stripe.first / self.rows)
    }

    /// Whether it publishes anything.
    pub(super) fn publishes(&self) -> bool {
        self.published.offset.is_some()
    }

    /// The call that computes the inverse scale and the scale of an image's values.
    pub(super) fn scale(&self, stripe: Stripe, sink: &mut Sink) -> Result<Item, KernelError> {
        let kernel = self.source.scale(&self.name("scale"), self.publishes(), sink)?;
        let mut levels = Levels::new([
            Pointer::new(ARENA, self.source.offset),
            Pointer::new(THREAD, 0),
            self.published_at(stripe),
        ]);
        let published = self.published.strides();
        levels.chunk(self.images, [self.source.image(), 0, published[0]]);
        levels.chunk(stripe.count, [0, 0, published[1]]);
        levels.chunk(self.parts, [0, 0, published[2]]);
        levels.pass_if(2, self.publishes());
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The shortcut, or the result if there is none.
    pub(super) fn shortcut(&self) -> &Place {
        self.operands.residual.map_or(self.operands.dst, |added| added.place)
    }

    /// How sums end.
    pub(super) fn finishing(&self) -> Finishing {
        let publishes = self.publishes().then_some(Fact::AbsMax);
        Finishing {
            residual: self.operands.residual.is_some(),
            epilogue: Epilogue { activation: self.conv.activation, publishes },
        }
    }
}

/// Memory in the arena beside the operands and the result, as offsets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// The step's scratch memory.
    pub(super) scratch: i64,
    /// The published abs-max of the source, and of the projected value.
    pub(super) source: Option<AbsMax>,
    pub(super) projected: Option<AbsMax>,
    /// Where the result's abs-max is published.
    pub(super) own: Option<i64>,
}
