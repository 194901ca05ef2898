//! The plan of Winograd's algorithm for a planar source, and what a layer costs.

use std::sync::Arc;

use crate::codegen::region::Piece;
use crate::kernels::KernelError;
use crate::kernels::conv::shorts::Stored;
use crate::kernels::conv_plan::{ConvPlan, ConvStep, Refusal, SharedPlan};
use crate::kernels::sink::{Machine, Sink};
use crate::kernels::site::Site;

use super::form::Phased;
use super::parts::{self, Cut};

/// A site cut into tiles.
#[derive(Debug)]
struct Planar {
    form: Phased,
    machine: Machine,
}

/// The plan for a site.
///
/// # Errors
/// If it is not a convolution with a window of 5x5 to 8x8 and stride 2 over a few planar channels,
/// or if something is added to its result.
pub(in crate::kernels) fn plan(site: &Site<'_>) -> Result<SharedPlan, Refusal> {
    let form = Phased::of(&site.conv, &site.shapes)?;
    if site.conv.projection.is_some() {
        return Err(Refusal::Projection);
    }
    if site.conv.residual.is_some() {
        return Err(Refusal::Residual);
    }
    let [_, _, rows, columns] = site.shapes.dst;
    let weights = site.weights.iter().copied();
    if Stored::of(&site.machine, rows * columns, weights) == Stored::Shorts {
        return Err(Refusal::TransformedFilters);
    }
    Ok(Arc::new(Planar { form, machine: site.machine }))
}

impl ConvPlan for Planar {
    /// The products at all points, and the transforms: the input's is shared by all outputs, the
    /// output's by all channels.
    fn cost(&self) -> f64 {
        let Planar { form, machine } = self;
        let (tiling, target) = (&form.tiling, machine.target);
        let cut = Cut::of(form, machine);
        let (channels, blocks) = (form.channels as f64, tiling.output_blocks() as f64);
        let rows = (tiling.images * tiling.tiles[0]) as f64;
        let n = form.points();
        let sums =
            |axis: usize| (0..n).map(move |point| form.phases_at(axis, point)).sum::<usize>();
        // Beside its steps, a sum has a beginning and an end.
        let steps = (sums(0) * sums(1)) as f64 + (ENDS * n * n) as f64 / channels;
        let products = steps * cut.step_cost(form, target);
        let pass = (n * (2 * n + 4)) as f64;
        let input = PASSES * pass * cut.strip_vectors(form, target) as f64 / blocks;
        let outputs = (tiling.tiles[1] * 16 / target.lanes) as f64;
        let output = 2.0 * pass * outputs / channels;
        rows * (products + (input + output) * machine.rates.transform) / machine.threads as f64
    }

    fn lower(&self, step: ConvStep<'_>, sink: &mut Sink) -> Result<Vec<Vec<Piece>>, KernelError> {
        Ok(vec![parts::lower(&self.form, step, sink)?])
    }
}

/// Steps of a sum that take as long as its beginning and its end.
const ENDS: usize = 2;

/// Products of vectors with the input's matrix for each tile and channel: eight columns down, and
/// seven rows across, each of two phases; and as much as these need to make and check strips.
const PASSES: f64 = 50.0;
