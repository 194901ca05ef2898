//! A convolution in its network: the input from which algorithms make their plans.

use resnetc_ir::op::{Conv, Op, Residual, SourceGradient};
use resnetc_ir::ty::Layout;
use resnetc_ir::{DType, Tensor, TensorType};

use super::sink::Machine;

/// The numbers of threads for which algorithms are judged, however many run them: algorithms round
/// differently, and a result must not depend on the number of threads. With two or more, values
/// have to move between cores.
const JUDGED_THREADS: [usize; 2] = [1, 2];

/// Shapes `[N, C, H, W]` of a convolution's operands and its result.
#[derive(Clone, Copy, Debug)]
pub struct Shapes {
    /// The layout of the source.
    pub layout: Layout,
    /// The source.
    pub src: [usize; 4],
    /// What is added to the result.
    pub residual: Option<[usize; 4]>,
    /// The second value that is convolved, beside the source.
    pub projected: Option<[usize; 4]>,
    /// The result, which is in nchw16c.
    pub dst: [usize; 4],
}

/// A convolution, its operands and the machine that it is for.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The operator.
    pub conv: Conv,
    /// Its constant weights, followed by those of the projection.
    pub weights: &'a [&'a Tensor],
    /// Whether its weights are values, which every run packs.
    pub computed: bool,
    /// The shapes.
    pub shapes: Shapes,
    /// The machine.
    pub machine: Machine,
}

/// The convolution that an operator is: itself, or that of a gradient with turned weights.
pub fn convolution(op: &Op) -> Option<Conv> {
    match op {
        Op::Conv(conv) => Some(*conv),
        Op::ConvSource(SourceGradient { gradient, residual }) => {
            let residual = residual.then_some(Residual::PLAIN);
            Some(Conv { residual, ..Conv::new(gradient.turned()?, 1) })
        }
        _ => None,
    }
}

impl<'a> Site<'a> {
    /// The site of an operator with these operands; `None` if it is not a convolution of f32 into
    /// nchw16c. Without constant weights, they are values.
    pub fn of(
        op: &Op,
        operands: &[&TensorType],
        weights: &'a [&'a Tensor],
        dst: &TensorType,
        machine: Machine,
    ) -> Option<Self> {
        let conv = convolution(op)?;
        let src = operands.first()?;
        (dst.layout == Layout::Blocked && dst.dtype == DType::F32).then_some(())?;
        let shape = |operand: Option<usize>| operands.get(operand?)?.nchw();
        let shapes = Shapes {
            layout: src.layout,
            src: src.nchw()?,
            residual: shape(conv.residual_operand()),
            projected: shape(conv.projected_operand()),
            dst: dst.nchw()?,
        };
        let computed = weights.is_empty();
        Some(Site { conv, weights, computed, shapes, machine })
    }

    /// The sites for which algorithms are judged: the same on a machine, with one image and fixed
    /// numbers of threads.
    pub fn judged(&self, machine: &Machine) -> [Self; JUDGED_THREADS.len()] {
        JUDGED_THREADS.map(|threads| {
            let mut one = *self;
            let Shapes { src, residual, projected, dst, .. } = &mut one.shapes;
            [src, dst].into_iter().chain(residual).chain(projected).for_each(|s| s[0] = 1);
            one.machine = Machine { threads, ..*machine };
            one
        })
    }
}
