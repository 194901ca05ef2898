//! How each operator uses the memory of its operands: a table over the operators, for placing
//! values.

use resnetc_ir::op::{Encoding, Window};
use resnetc_ir::{Graph, NodeId, Op};

use crate::kernels::geometry::Zero;

/// How an operator reads and writes memory, beyond reading its operands and writing its result.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The result may be the bytes of the first operand, unchanged.
    pub(super) view: bool,
    /// Operands whose place the result may reuse: each of their elements is read before the
    /// result's element is written there, and never after. The first of them gets the result's
    /// border, so that the result can.
    pub(super) in_place: Vec<usize>,
    /// Operands that are read through windows, which may reach beyond them: what stands for zero
    /// must be stored there.
    pub(super) windows: Vec<(usize, Window)>,
}

/// What stands for zero around the operands that a node reads through windows.
pub(super) fn zero(graph: &Graph, node: NodeId) -> Zero {
    let Op::QuantizedConv(conv) = graph.node(node).op else { return Zero::default() };
    let operand = || graph.operand(node, conv.encoding_operand()?);
    match conv.src {
        // As stored: the low byte of a signed one.
        Encoding::Known(zero) => Zero::Byte(zero as u8),
        Encoding::Measured => operand().map_or(Zero::default(), Zero::Measured),
    }
}

/// Rows and columns of windows that an operator reads an operand through.
pub(super) fn windows(graph: &Graph, node: NodeId) -> Option<[usize; 2]> {
    let counted = match graph.node(node).op {
        // The result is for the weights of the convolution that had this many outputs.
        Op::ConvWeights(_) => graph.operand(node, 0)?,
        _ => node,
    };
    let [.., rows, columns] = graph.node(counted).ty.nchw()?;
    Some([rows, columns])
}

impl Access {
    /// The access of an operator.
    pub(super) fn of(op: &Op) -> Self {
        match op {
            Op::Conv(conv) => {
                let projected = conv.projected_operand().zip(conv.projection);
                Access {
                    in_place: conv.residual_operand().into_iter().collect(),
                    windows: [(0, conv.window)].into_iter().chain(projected).collect(),
                    ..Access::default()
                }
            }
            Op::QuantizedConv(conv) => Access {
                in_place: conv.residual_operand().into_iter().collect(),
                windows: vec![(0, conv.window)],
                ..Access::default()
            },
            Op::OnBytes(on_bytes) => Access::of(&on_bytes.op),
            Op::Unary(_) | Op::Lookup { .. } => Access { in_place: vec![0], ..Access::default() },
            Op::Binary(_) => Access { in_place: vec![0, 1], ..Access::default() },
            Op::Pointwise(expression) => {
                Access { in_place: (0..expression.operand_count()).collect(), ..Access::default() }
            }
            Op::ConvSource(gradient) => {
                let windows = gradient.turned().map(|window| (0, window)).into_iter().collect();
                Access { windows, ..Access::default() }
            }
            Op::ConvWeights(gradient) => {
                Access { windows: vec![(1, gradient.window)], ..Access::default() }
            }
            Op::Reshape { .. } | Op::Identity | Op::Reorder(_) => {
                Access { view: true, ..Access::default() }
            }
            // Pools handle the borders of images themselves. A conversion may change the size of
            // elements.
            Op::Input
            | Op::Constant(_)
            | Op::MaxPoolSource(_)
            | Op::CrossEntropy
            | Op::ChannelSums(_)
            | Op::Moments
            | Op::BatchNorm { .. }
            | Op::Where
            | Op::MaxPool(_)
            | Op::AveragePool { .. }
            | Op::GlobalAveragePool
            | Op::ReduceMean { .. }
            | Op::ReduceMax { .. }
            | Op::TopK(_)
            | Op::Gemm(_)
            | Op::MatMul
            | Op::Softmax { .. }
            | Op::Pad { .. }
            | Op::Slice(_)
            | Op::Gather { .. }
            | Op::Interpolate(_)
            | Op::Concat { .. }
            | Op::Transpose { .. }
            | Op::Convert { .. }
            | Op::Quantize(_)
            | Op::Measure
            | Op::QuantizeMeasured
            | Op::Dequantize(_) => Access::default(),
        }
    }
}
