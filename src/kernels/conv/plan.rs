//! The plan of direct convolution, which computes every site.

use std::sync::Arc;

use crate::codegen::region::Piece;
use crate::kernels::KernelError;
use crate::kernels::conv_plan::{ConvPlan, ConvStep, Refusal, SharedPlan};
use crate::kernels::sink::Sink;
use crate::kernels::site::{Shapes, Site};
use crate::kernels::tiling::split;

use super::budget::widest_tile;
use super::filters::packed_bytes;
use super::lower_conv;
use super::shorts::Stored;

/// Direct convolution of a site.
#[derive(Debug)]
struct Direct {
    cost: f64,
    stored: Stored,
    /// Bytes of weights that each run packs.
    packed: usize,
}

/// The plan for a site. Its register tiles depend on where values are placed, and are chosen when
/// it is lowered.
pub(in crate::kernels) fn direct(site: &Site<'_>) -> SharedPlan {
    let Site { conv, shapes, machine, .. } = site;
    let stored = match site.computed {
        true => Stored::Floats,
        false => Stored::of_conv(conv, machine, shapes.dst, site.weights.iter().copied()),
    };
    let channels = [shapes.dst[1], shapes.src[1] / conv.groups];
    let packed = match site.computed {
        true => packed_bytes(channels, conv.window.kernel, conv.groups),
        false => 0,
    };
    Arc::new(Direct { cost: cost(site, stored), stored, packed })
}

/// The plan for a site, as a row of the table: there is always one.
pub(in crate::kernels) fn plan(site: &Site<'_>) -> Result<SharedPlan, Refusal> {
    Ok(direct(site))
}

fn cost(site: &Site<'_>, stored: Stored) -> f64 {
    let Site { conv, shapes, machine, .. } = site;
    let Shapes { src, projected, dst, .. } = shapes;
    let (target, rates) = (machine.target, &machine.rates);
    let block = (16 / target.lanes).max(1);
    let widest = widest_tile(target, block, true).unwrap_or(1);
    let [images, _, rows, columns] = *dst;
    let taps = conv.window.kernel[0] * conv.window.kernel[1];
    let cost = split(rows * columns, widest, block).1 * images * taps;
    // The channels of a projection, which has one tap, are summed with the others.
    let projected = projected.map_or(0, |[_, channels, ..]| channels);
    let all = 1.0 + projected as f64 / (src[1] * taps) as f64;
    let compute = cost as f64 * rates.direct / machine.threads as f64;
    all * compute.max(rates.memory_cost((taps as i64 * stored.bytes()) as f64))
}

impl ConvPlan for Direct {
    fn cost(&self) -> f64 {
        self.cost
    }

    fn packed_bytes(&self) -> usize {
        self.packed
    }

    fn weight_bits(&self) -> usize {
        8 * self.stored.bytes() as usize
    }

    fn lower(&self, step: ConvStep<'_>, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError> {
        let ConvStep { conv, weights, operands, projection, .. } = step;
        Ok(vec![lower_conv(conv, weights, operands, projection, sink)?])
    }
}
