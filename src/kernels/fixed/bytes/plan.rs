//! The plan for a convolution of bytes, or the reason why there is none.

use resnetc_ir::op::QuantizedConv;

use crate::isa::IntegerDot;
use crate::kernels::conv::Operands;
use crate::kernels::conv_plan::Refusal;
use crate::kernels::sink::Machine;

use super::cost::Cut;
use super::form::Form;

/// How a convolution is computed.
#[derive(Debug)]
pub(in crate::kernels) struct Plan {
    pub(super) form: Form,
    pub(super) cut: Cut,
}

impl Plan {
    /// The plan for a convolution. It need not be the cheapest way to compute it.
    ///
    /// # Errors
    /// If there are no tile registers, or the convolution has no form for them.
    pub(in crate::kernels) fn of(
        conv: &QuantizedConv,
        operands: &Operands<'_>,
        machine: &Machine,
    ) -> Result<Self, Refusal> {
        if machine.target.dot != IntegerDot::Tiles {
            return Err(Refusal::NoTiles);
        }
        let shapes = [operands.src, operands.dst].map(|place| place.geometry.nchw());
        let layout = operands.src.geometry.ty.layout;
        let form = Form::of(&conv.window, conv.groups, layout, shapes)?;
        let cut = form.cut(machine);
        Ok(Plan { form, cut })
    }

    /// Its cost: half cycles of a thread for two input channels and 16 outputs.
    pub(in crate::kernels) fn cost(&self) -> f64 {
        self.cut.cost
    }
}
