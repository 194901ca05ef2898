//! The interface of an implementation of convolution: a plan for a site, or the reason why there is
//! none.

use std::fmt;
use std::sync::Arc;

use resnetc_ir::op::Conv;

use crate::codegen::region::Piece;

use super::KernelError;
use super::conv::filters::Filters;
use super::conv::{Operands, Projection};
use super::published::{Fact, Offer, Published};
use super::sink::Sink;

/// How one convolution is computed. A plan is made once per node
/// ([`Algorithm::plan`](super::Algorithm::plan)), and provides what the choice between algorithms,
/// the memory plan and lowering need.
pub trait ConvPlan: fmt::Debug + Send + Sync {
    /// Modelled cost: half cycles of a core, as in [`tiling`](super::tiling), for one input channel
    /// and 16 outputs.
    fn cost(&self) -> f64;

    /// Bytes of scratch memory in the arena during the step.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// Bytes of the weights that each run packs, if they are not constants; they are in the arena
    /// during the step, behind the scratch memory.
    fn packed_bytes(&self) -> usize {
        0
    }

    /// Bits of a weight in the memory that each run reads.
    fn weight_bits(&self) -> usize {
        8 * size_of::<f32>()
    }

    /// The facts that it can publish beside its result.
    fn offers(&self) -> Vec<Offer> {
        Vec::new()
    }

    /// The fact about an operand that it reads if it is published.
    fn reads(&self, _operand: usize) -> Option<Fact> {
        None
    }

    /// Lowers the convolution to the pieces of regions that run one after another.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    fn lower(&self, step: ConvStep<'_>, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError>;
}

/// A plan that choice, memory plan and lowering share.
pub type SharedPlan = Arc<dyn ConvPlan>;

/// A convolution with all of its operands placed.
pub struct ConvStep<'a> {
    /// The operator.
    pub conv: &'a Conv,
    /// Its weights and its bias.
    pub weights: Filters,
    /// Source, residual and result.
    pub operands: Operands<'a>,
    /// The second value that is convolved, beside the source.
    pub projection: Option<Projection<'a>>,
    /// Offset in the arena of the scratch memory of [`ConvPlan::scratch_bytes`].
    pub scratch: i64,
    /// What is published of each operand.
    pub known: &'a [Vec<Published>],
    /// What it publishes about its result: those of its offers that have readers.
    pub publishes: &'a [Published],
}

impl ConvStep<'_> {
    /// A fact about an operand, if it is published.
    pub fn known(&self, operand: usize, fact: Fact) -> Option<Published> {
        Published::find(self.known.get(operand)?, fact)
    }
}

/// Why an algorithm cannot compute a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The instruction set has no tile registers.
    #[error("no tile registers")]
    NoTiles,
    /// The source is planar.
    #[error("planar source")]
    PlanarSource,
    /// The source is in blocks of channels.
    #[error("blocked source")]
    BlockedSource,
    /// Rows and columns of the window.
    #[error("{}x{} window", .0[0], .0[1])]
    Window([usize; 2]),
    /// Strides of the window.
    #[error("stride {}", pair(.0))]
    Stride([usize; 2]),
    /// Dilations of the window.
    #[error("dilation {}", pair(.0))]
    Dilation([usize; 2]),
    /// Channels are grouped.
    #[error("{0} groups")]
    Groups(usize),
    /// The transforms would cost more than they save.
    #[error("{inputs} input and {outputs} output channels, where the minimum is {least} of each")]
    FewChannels {
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
        /// The minimum of each.
        least: usize,
    },
    /// Too many input channels for a planar source.
    #[error("{inputs} planar input channels, where the maximum is {most}")]
    ManyChannels {
        /// Input channels.
        inputs: usize,
        /// The maximum.
        most: usize,
    },
    /// The result is too small.
    #[error("result of {}x{}, where the minimum is {least}x{least}", .size[0], .size[1])]
    SmallResult {
        /// Rows and columns of the result.
        size: [usize; 2],
        /// The minimum of each.
        least: usize,
    },
    /// Rows of the source that are shorter than a vector.
    #[error("rows of {columns} pixels, where the minimum is {least}")]
    ShortRows {
        /// Pixels of a row.
        columns: usize,
        /// The minimum.
        least: usize,
    },
    /// The weights are no constants.
    #[error("weights that are computed")]
    ComputedWeights,
    /// A second source is convolved.
    #[error("projection")]
    Projection,
    /// A residual is added.
    #[error("residual")]
    Residual,
    /// The residual covers only a part of the result.
    #[error("residual that covers only a part of the result")]
    PartialResidual,
    /// Something has no elements.
    #[error("no elements")]
    Empty,
    /// The sum of an output may overflow 32 bits.
    #[error("too many weights per output for 32-bit sums")]
    ManyWeights,
    /// Transformed filters are floats and more than the weights.
    #[error("transformed filters, which would take more memory than 16-bit weights")]
    TransformedFilters,
    /// The magnitudes of the weights of an output differ too much to share a scale.
    #[error("weights of an output too far apart in magnitude")]
    UnevenWeights,
    /// Memory that is larger than displacements in the code can span.
    #[error("{0} of more than a gigabyte")]
    TooLarge(&'static str),
}

/// `2`, or `2x1` where rows and columns differ.
fn pair(&[rows, columns]: &[usize; 2]) -> String {
    if rows == columns { rows.to_string() } else { format!("{rows}x{columns}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_short() {
        let size = Refusal::SmallResult { size: [2, 3], least: 4 };
        let lines = [Refusal::Stride([2, 2]), Refusal::Stride([2, 1]), Refusal::Groups(32), size];
        let texts = lines.map(|refusal| refusal.to_string());
        let result = "result of 2x3, where the minimum is 4x4";
        assert_eq!(texts, ["stride 2", "stride 2x1", "32 groups", result]);
    }
}
