//! What operators do with the memory of their operands: a column of the operators, for whoever
//! places values.

use resnetc_ir::Op;
use resnetc_ir::op::Window;

/// How an operator reads and writes memory, beyond reading its operands and writing its result.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The result may be the bytes of the first operand as they stand.
    pub(super) view: bool,
    /// Operands whose place the result may take over, since each of its elements is read before the
    /// one of the result is written there, and never after. The first one is given the result's
    /// border, so that it can.
    pub(super) in_place: Vec<usize>,
    /// Operands that are read by windows, which may reach beyond them: zeros must be there.
    pub(super) windows: Vec<(usize, Window)>,
}

impl Access {
    /// That of an operator.
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
            Op::Unary(_) => Access { in_place: vec![0], ..Access::default() },
            Op::Binary(_) => Access { in_place: vec![0, 1], ..Access::default() },
            Op::Reshape { .. } | Op::Identity | Op::Reorder(_) => {
                Access { view: true, ..Access::default() }
            }
            // Pools know the borders of images themselves. Elements of a conversion may differ in
            // size.
            Op::Input
            | Op::Constant(_)
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
            | Op::Convert { .. } => Access::default(),
        }
    }
}
