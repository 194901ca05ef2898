//! How a convolution of quantized values is computed. All ways are exact, so the choice may depend
//! on threads and batch.

use resnetc_ir::op::QuantizedConv;

use super::conv::cost::direct_cost;
use super::conv::pack::Weights;
use super::conv::{Dot, Operands};
use super::sink::Machine;
use super::{fixed, winograd};

/// The cheapest way to compute a convolution.
#[derive(Debug)]
pub(super) enum Plan {
    /// As it is defined.
    Direct,
    /// By Winograd's algorithm in integers.
    Winograd(winograd::integer::Plan),
    /// With tile registers.
    Tiles(fixed::bytes::Plan),
}

impl Plan {
    /// The plan for a convolution. Costs are half cycles of a thread for two input channels and 16
    /// outputs.
    pub(super) fn of(
        conv: &QuantizedConv,
        dot: Dot,
        weights: &Weights,
        operands: &Operands<'_>,
        machine: &Machine,
    ) -> Self {
        let [images, _, rows, columns] = operands.dst.geometry.nchw();
        let taps = conv.window.kernel[0] * conv.window.kernel[1];
        let direct = direct_cost([images * rows * columns, taps], dot, machine);
        let tiles = fixed::bytes::Plan::of(conv, operands, machine).ok();
        let tiles = tiles.map(|plan| (plan.cost(), Plan::Tiles(plan)));
        let winograd = winograd::integer::Plan::of(conv, weights, operands, machine);
        let winograd = winograd.map(|plan| (plan.cost, Plan::Winograd(plan)));
        let plans = [Some((direct, Plan::Direct)), winograd, tiles].into_iter().flatten();
        plans.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(Plan::Direct, |(_, plan)| plan)
    }
}
