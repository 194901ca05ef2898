//! What an implementation of convolution promises: a plan for a site, or the reason why there is
//! none.

use std::fmt;
use std::sync::Arc;

use resnetc_ir::op::Conv;

use crate::codegen::region::Piece;

use super::KernelError;
use super::conv::pack::Weights;
use super::conv::{Operands, Projection};
use super::published::{Fact, Offer, Published};
use super::sink::Sink;

/// How one convolution is computed. It is made once a node
/// ([`Algorithm::plan`](super::Algorithm::plan)), and says what the choice between algorithms, the
/// memory plan and lowering ask of it.
pub trait ConvPlan: fmt::Debug + Send + Sync {
    /// Modelled cost: half cycles of a core, as in [`tiling`](super::tiling), for one input channel
    /// and 16 outputs.
    fn cost(&self) -> f64;

    /// Bytes of scratch memory in the arena, for the time of the step.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// What it can publish beside its result.
    fn offers(&self) -> Vec<Offer> {
        Vec::new()
    }

    /// Which fact about an operand it reads where that is published.
    fn reads(&self, _operand: usize) -> Option<Fact> {
        None
    }

    /// Lowers the convolution to the pieces of regions that run one after the other.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    fn lower(&self, step: ConvStep<'_>, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError>;
}

/// A plan that choice, memory plan and lowering share.
pub type SharedPlan = Arc<dyn ConvPlan>;

/// A convolution with everything placed.
pub struct ConvStep<'a> {
    /// The operator.
    pub conv: &'a Conv,
    /// Its weights and its bias.
    pub weights: Weights,
    /// Source, residual and result.
    pub operands: Operands<'a>,
    /// The value that is convolved beside the source.
    pub projection: Option<Projection<'a>>,
    /// Offset in the arena of the scratch memory that [`ConvPlan::scratch_bytes`] asked for.
    pub scratch: i64,
    /// What is published of each operand.
    pub known: &'a [Vec<Published>],
    /// What it publishes of its result: those of its offers that somebody reads.
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
    #[error("{inputs} input and {outputs} output channels, where {least} of each are the least")]
    FewChannels {
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
        /// The least of each.
        least: usize,
    },
    /// Too many input channels for a planar source.
    #[error("{inputs} planar input channels, where {most} are the most")]
    ManyChannels {
        /// Input channels.
        inputs: usize,
        /// The most.
        most: usize,
    },
    /// The result is too small.
    #[error("result of {}x{}, where {least}x{least} is the least", .size[0], .size[1])]
    SmallResult {
        /// Rows and columns of the result.
        size: [usize; 2],
        /// The least of each.
        least: usize,
    },
    /// Rows of the source that are shorter than a vector.
    #[error("rows of {columns} pixels, where {least} are the least")]
    ShortRows {
        /// Pixels of a row.
        columns: usize,
        /// The least.
        least: usize,
    },
    /// A second source is convolved.
    #[error("projection")]
    Projection,
    /// A residual is added.
    #[error("residual")]
    Residual,
    /// The residual covers a part of the result.
    #[error("residual that covers a part of the result")]
    PartialResidual,
    /// Something has no elements.
    #[error("no elements")]
    Empty,
    /// What an output sums is more than 32 bits hold.
    #[error("more weights an output than sums of 32 bits hold")]
    ManyWeights,
    /// Weights of one output that are too far apart to share a unit.
    #[error("weights of an output too far apart")]
    UnevenWeights,
    /// Memory that displacements in the code could not span.
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
        let result = "result of 2x3, where 4x4 is the least";
        assert_eq!(texts, ["stride 2", "stride 2x1", "32 groups", result]);
    }
}
