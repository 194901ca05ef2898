//! The plan of convolution with tile registers: which form a site has, if any.

use std::sync::Arc;

use resnetc_ir::op::{Conv, Residual};
use resnetc_ir::ty::Layout;

use crate::codegen::region::Piece;
use crate::isa::IntegerDot;
use crate::kernels::KernelError;
use crate::kernels::conv::Operands;
use crate::kernels::conv_plan::{ConvPlan, ConvStep, Refusal, SharedPlan};
use crate::kernels::precision::Precision;
use crate::kernels::published::{Fact, Offer, Published};
use crate::kernels::residual::Added;
use crate::kernels::sink::{Machine, Sink};
use crate::kernels::site::{Shapes, Site};
use crate::kernels::spread::is_even;

use super::abs_max::AbsMax;
use super::form::WideForm;
use super::frame::Shared;
use super::narrow::NarrowForm;
use super::number::{DIGIT_BITS, Format};

/// A site as tiles see it.
#[derive(Debug)]
struct FixedPoint {
    form: Any,
    conv: Conv,
    machine: Machine,
}

#[derive(Debug)]
enum Any {
    /// A convolution of a blocked value.
    Wide(WideForm),
    /// A convolution of a planar image of few channels.
    Narrow(NarrowForm),
    /// A convolution with a projection. The projection is computed first, to where the result will
    /// be, because the two sources have separate scales.
    Projected {
        /// The main convolution, which is added to the projection.
        main: WideForm,
        /// The projection.
        shortcut: WideForm,
    },
}

/// The projection of a convolution, and the main convolution without it.
fn apart(conv: &Conv) -> Option<[Conv; 2]> {
    let shortcut = Conv::new(conv.projection?, conv.groups);
    Some([shortcut, Conv { projection: None, residual: Some(Residual::PLAIN), ..*conv }])
}

/// The plan for a site.
///
/// # Errors
/// If there are no tile registers, the convolution has no form for them, or the magnitudes of its
/// weights differ too much.
pub(in crate::kernels) fn plan(site: &Site<'_>) -> Result<SharedPlan, Refusal> {
    if site.machine.target.dot != IntegerDot::Tiles {
        return Err(Refusal::NoTiles);
    }
    let form = Any::of(&site.conv, &site.shapes, site.machine.precision)?;
    match site.weights.iter().all(|weights| is_even(weights)) {
        true => Ok(Arc::new(FixedPoint { form, conv: site.conv, machine: site.machine })),
        false => Err(Refusal::UnevenWeights),
    }
}

impl Any {
    fn of(conv: &Conv, shapes: &Shapes, precision: Precision) -> Result<Self, Refusal> {
        let Shapes { layout, src, residual, projected, dst } = *shapes;
        if let Some([shortcut, main]) = apart(conv) {
            let projected = projected.filter(|_| layout == Layout::Blocked);
            let projected = projected.ok_or(Refusal::PlanarSource)?;
            let main = WideForm::of(&main, src, Some(dst), dst, precision)?;
            return Ok(Any::Projected {
                main,
                shortcut: WideForm::of(&shortcut, projected, None, dst, precision)?,
            });
        }
        match layout {
            Layout::Blocked => WideForm::of(conv, src, residual, dst, precision).map(Any::Wide),
            Layout::Planar => NarrowForm::of(conv, src, dst, precision).map(Any::Narrow),
        }
    }
}

impl ConvPlan for FixedPoint {
    fn cost(&self) -> f64 {
        let machine = &self.machine;
        match &self.form {
            Any::Wide(form) => form.cost(machine),
            Any::Narrow(form) => form.cost(machine),
            Any::Projected { main, shortcut } => {
                let share = shortcut.inputs as f64 / main.inputs as f64;
                main.cost(machine) + shortcut.cost(machine) * share
            }
        }
    }

    fn weight_bits(&self) -> usize {
        Format::of(self.machine.precision).weights.digits() * DIGIT_BITS as usize
    }

    fn scratch_bytes(&self) -> usize {
        match &self.form {
            Any::Wide(form) => form.scratch_bytes(),
            Any::Narrow(form) => form.scratch_bytes(),
            Any::Projected { main, shortcut } => main.scratch_bytes().max(shortcut.scratch_bytes()),
        }
    }

    fn offers(&self) -> Vec<Offer> {
        let bytes = match &self.form {
            Any::Wide(form) | Any::Projected { main: form, .. } => {
                form.published_bytes(&self.machine)
            }
            Any::Narrow(form) => form.published_bytes(&self.machine),
        };
        (bytes > 0).then_some(Offer { fact: Fact::AbsMax, bytes }).into_iter().collect()
    }

    fn reads(&self, operand: usize) -> Option<Fact> {
        let is_source = operand == 0 || self.conv.projected_operand() == Some(operand);
        is_source.then_some(Fact::AbsMax)
    }

    fn lower(&self, step: ConvStep<'_>, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError> {
        let images = step.operands.dst.geometry.nchw()[0];
        let abs_max = |operand| Some(AbsMax::of(step.known(operand, Fact::AbsMax)?, images));
        let shared = Shared {
            scratch: step.scratch,
            source: abs_max(0),
            projected: step.conv.projected_operand().and_then(abs_max),
            own: Published::find(step.publishes, Fact::AbsMax).map(|p| p.offset),
        };
        let ConvStep { conv, weights, operands, projection, .. } = step;
        let weights = weights.into_constants()?;
        match &self.form {
            Any::Wide(form) => form.lower(conv, weights, operands, shared, sink),
            Any::Narrow(form) => form.lower(conv, weights, operands, shared, sink),
            Any::Projected { main, shortcut } => {
                let mut regions = Vec::new();
                let (Some([first, second]), Some(projection)) = (apart(conv), projection) else {
                    return Ok(regions);
                };
                let dst = operands.dst;
                let sum = Operands { src: projection.src, residual: None, dst };
                let own = Shared { source: shared.projected, own: None, ..shared };
                regions.extend(shortcut.lower(
                    &first,
                    projection.weights.into_constants()?,
                    sum,
                    own,
                    sink,
                )?);
                let residual = Some(Added { place: dst, residual: Residual::PLAIN });
                let operands = Operands { residual, ..operands };
                regions.extend(main.lower(&second, weights, operands, shared, sink)?);
                Ok(regions)
            }
        }
    }
}
