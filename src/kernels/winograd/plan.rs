//! The plan of Winograd's algorithm, with a tile and a schedule.

use std::sync::Arc;

use resnetc_ir::ty::Layout;

use crate::codegen::region::Piece;
use crate::kernels::KernelError;
use crate::kernels::conv::shorts::Stored;
use crate::kernels::conv_plan::{ConvPlan, ConvStep, Refusal, SharedPlan};
use crate::kernels::sink::{Machine, Sink};
use crate::kernels::site::{Shapes, Site};

use super::packed;
use super::{Schedule, Tile, TiledConv, Tiling, filter_blocks, tile_blocks};

/// A site cut into tiles.
#[derive(Debug)]
struct Winograd {
    form: Tiling,
    schedule: Schedule,
    /// How the untransformed filters are stored.
    stored: Stored,
    machine: Machine,
    /// Whether its weights are values.
    computed: bool,
}

/// The plan for a site.
///
/// # Errors
/// If it is not a 3x3 convolution of the tile's stride with enough channels, or has a projection or a planar
/// source.
pub(in crate::kernels) fn plan(
    tile: Tile,
    schedule: Schedule,
    site: &Site<'_>,
) -> Result<SharedPlan, Refusal> {
    let Shapes { layout, src, dst, .. } = site.shapes;
    let form = Tiling::of(tile, &site.conv, src, dst)?;
    if site.conv.projection.is_some() {
        return Err(Refusal::Projection);
    }
    if layout != Layout::Blocked {
        return Err(Refusal::PlanarSource);
    }
    let weights = || site.weights.iter().copied();
    if !site.computed
        && schedule == Schedule::TileBlocks
        && Stored::of(&site.machine, dst[2] * dst[3], weights()) == Stored::Shorts
    {
        return Err(Refusal::TransformedFilters);
    }
    let stored = match site.computed {
        true => Stored::Floats,
        false => Stored::of(&site.machine, 0, weights()),
    };
    let Site { machine, computed, .. } = *site;
    Ok(Arc::new(Winograd { form, schedule, stored, machine, computed }))
}

impl ConvPlan for Winograd {
    fn cost(&self) -> f64 {
        self.form.cost(self.schedule, self.stored, &self.machine)
    }

    fn weight_bits(&self) -> usize {
        let stored = match self.schedule {
            Schedule::TileBlocks => Stored::Floats,
            Schedule::FilterBlocks => self.stored,
        };
        8 * stored.bytes() as usize
    }

    fn scratch_bytes(&self) -> usize {
        match self.schedule {
            Schedule::TileBlocks => 0,
            Schedule::FilterBlocks => filter_blocks::scratch_bytes(&self.form),
        }
    }

    fn packed_bytes(&self) -> usize {
        let transformed = self.schedule == Schedule::TileBlocks;
        if self.computed { packed::bytes(&self.form, transformed) } else { 0 }
    }

    fn lower(&self, step: ConvStep<'_>, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError> {
        let ConvStep { conv, weights, operands, scratch, .. } = step;
        let layer = TiledConv { form: &self.form, conv, operands };
        match self.schedule {
            Schedule::TileBlocks => {
                Ok(vec![tile_blocks::lower(&layer, weights, self.stored, sink)?])
            }
            Schedule::FilterBlocks => {
                filter_blocks::lower(&layer, (weights, self.stored), scratch, sink)
            }
        }
    }
}
