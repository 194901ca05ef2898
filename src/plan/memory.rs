//! How each operator uses the memory of its operands: a table over the operators, for placing
//! values.

use resnetc_ir::op::{Encoding, Phase, Window};
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
    pub(super) windows: Vec<Read>,
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

/// An operand that is read through windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) operand: usize,
    pub(super) window: Window,
    /// Rows and columns of windows, if there are not as many as the result has.
    pub(super) outputs: Option<[usize; 2]>,
}

impl Read {
    /// One window for each pixel of the result.
    fn whole(operand: usize, window: Window) -> Self {
        Read { operand, window, outputs: None }
    }
}

impl Access {
    /// The access of an operator.
    pub(super) fn of(op: &Op) -> Self {
        match op {
            Op::Conv(conv) => {
                let projected = conv.projected_operand().zip(conv.projection);
                Access {
                    in_place: conv.residual_operand().into_iter().collect(),
                    windows: [(0, conv.window)]
                        .into_iter()
                        .chain(projected)
                        .map(|(operand, window)| Read::whole(operand, window))
                        .collect(),
                    ..Access::default()
                }
            }
            Op::QuantizedConv(conv) => Access {
                in_place: conv.residual_operand().into_iter().collect(),
                windows: vec![Read::whole(0, conv.window)],
                ..Access::default()
            },
            Op::OnBytes(on_bytes) => Access::of(&on_bytes.op),
            Op::Unary(_) | Op::Lookup { .. } => Access { in_place: vec![0], ..Access::default() },
            Op::Binary(_) => Access { in_place: vec![0, 1], ..Access::default() },
            Op::Pointwise(expression) => {
                Access { in_place: (0..expression.operand_count()).collect(), ..Access::default() }
            }
            Op::ConvSource(source) => {
                let phases = source.gradient.phases().unwrap_or_default();
                let read = |phase: &Phase| Read {
                    operand: 0,
                    window: phase.window,
                    outputs: Some(phase.size),
                };
                let windows = phases.iter().filter(|phase| phase.is_seen()).map(read).collect();
                let in_place = source.residual_operand().into_iter().collect();
                Access { in_place, windows, ..Access::default() }
            }
            Op::ConvWeights(gradient) => {
                let outputs = Some(gradient.outputs());
                let windows = vec![Read { operand: 1, window: gradient.window, outputs }];
                Access { windows, ..Access::default() }
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
