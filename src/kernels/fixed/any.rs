//! Any convolution that tiles can compute.

use resnetc_ir::op::{Conv, Residual};
use resnetc_ir::ty::Layout;

use crate::codegen::region::Piece;
use crate::kernels::KernelError;
use crate::kernels::conv::pack::Weights;
use crate::kernels::conv::{Operands, Projection};
use crate::kernels::residual::Added;
use crate::kernels::sink::{Machine, Sink};

use super::{Form, Narrow, Shared};

/// Shapes and layouts of a convolution's operands.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Shapes {
    /// The source's layout.
    pub(in crate::kernels) layout: Layout,
    pub(in crate::kernels) src: [usize; 4],
    pub(in crate::kernels) residual: Option<[usize; 4]>,
    pub(in crate::kernels) projected: Option<[usize; 4]>,
    pub(in crate::kernels) dst: [usize; 4],
}

/// How a convolution is computed.
#[derive(Clone, Debug)]
pub(in crate::kernels) enum Fixed {
    /// Of a blocked value.
    Wide(Form),
    /// Of a planar picture of few channels.
    Narrow(Narrow),
    /// With a projection, which is computed first, to where the result will be: the two sources have ranges of their own.
    Projected {
        /// What is added to it.
        main: Form,
        /// The projection.
        shortcut: Form,
    },
}

/// The projection of a convolution, and the rest of it.
fn apart(conv: &Conv) -> Option<[Conv; 2]> {
    let shortcut = Conv::new(conv.projection?, conv.groups);
    Some([shortcut, Conv { projection: None, residual: Some(Residual::PLAIN), ..*conv }])
}

impl Fixed {
    /// The form of a convolution of these shapes, if there is one; else why not.
    pub(in crate::kernels) fn of(conv: &Conv, shapes: &Shapes) -> Result<Self, &'static str> {
        let Shapes { layout, src, residual, projected, dst } = *shapes;
        if let Some([shortcut, main]) = apart(conv) {
            let projected = projected.filter(|_| layout == Layout::Blocked);
            let projected = projected.ok_or("its source is planar")?;
            let main = Form::of(&main, src, Some(dst), dst)?;
            return Ok(Fixed::Projected {
                main,
                shortcut: Form::of(&shortcut, projected, None, dst)?,
            });
        }
        match layout {
            Layout::Blocked => Form::of(conv, src, residual, dst).map(Fixed::Wide),
            Layout::Planar => Narrow::of(conv, src, dst).map(Fixed::Narrow),
        }
    }

    /// Bytes of scratch memory.
    pub(in crate::kernels) fn scratch_bytes(&self) -> usize {
        match self {
            Fixed::Wide(form) => form.scratch_bytes(),
            Fixed::Narrow(form) => form.scratch_bytes(),
            Fixed::Projected { main, shortcut } => {
                main.scratch_bytes().max(shortcut.scratch_bytes())
            }
        }
    }

    /// Bytes of what is kept of the result's range, if it is.
    pub(in crate::kernels) fn range_bytes(&self, machine: &Machine) -> usize {
        match self {
            Fixed::Wide(form) | Fixed::Projected { main: form, .. } => form.range_bytes(machine),
            Fixed::Narrow(form) => form.range_bytes(machine),
        }
    }

    /// Half cycles for one input channel and 16 outputs.
    pub(in crate::kernels) fn cost(&self, machine: &Machine) -> f64 {
        match self {
            Fixed::Wide(form) => form.cost(machine),
            Fixed::Narrow(form) => form.cost(machine),
            Fixed::Projected { main, shortcut } => {
                let share = shortcut.inputs as f64 / main.inputs as f64;
                main.cost(machine) + shortcut.cost(machine) * share
            }
        }
    }

    /// Lowers the convolution to regions that run one after the other.
    ///
    /// # Errors
    /// If no kernel fits the machine.
    pub(in crate::kernels) fn lower(
        &self,
        conv: &Conv,
        weights: Weights,
        operands: Operands<'_>,
        projection: Option<Projection<'_>>,
        shared: Shared,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        match self {
            Fixed::Wide(form) => form.lower(conv, weights, operands, shared, sink),
            Fixed::Narrow(form) => form.lower(conv, weights, operands, shared, sink),
            Fixed::Projected { main, shortcut } => {
                let mut regions = Vec::new();
                let (Some([first, second]), Some(projection)) = (apart(conv), projection) else {
                    return Ok(regions);
                };
                let dst = operands.dst;
                let sum = Operands { src: projection.src, residual: None, dst };
                let own = Shared { source: shared.projected, own: None, ..shared };
                regions.extend(shortcut.lower(&first, projection.weights, sum, own, sink)?);
                let residual = Some(Added { place: dst, residual: Residual::PLAIN });
                let operands = Operands { residual, ..operands };
                regions.extend(main.lower(&second, weights, operands, shared, sink)?);
                Ok(regions)
            }
        }
    }
}
