//! The gradient of a convolution with strides with respect to its source.
//!
//! Pixels that are a stride apart see the same taps. So the result is interleaved of images, each of
//! which is a convolution of stride 1 with some of the taps, in reverse order; without strides there
//! is one. Images that no tap sees are zero.

use resnetc_ir::op::{Conv, ConvGradient, Phase, Residual};

use crate::codegen::region::Piece;

use super::KernelError;
use super::conv::filters::{Filters, packed_bytes};
use super::conv::{self, Operands};
use super::function::Function;
use super::geometry::Place;
use super::residual::Added;
use super::sink::Sink;
use super::view::{View, nests};

/// Scratch memory for the packed weights, in bytes.
pub fn scratch_bytes(phases: &[Phase], [outputs, inputs]: [usize; 2]) -> usize {
    let bytes = |phase: &Phase| packed_bytes([outputs, inputs], phase.window.kernel, 1);
    phases.iter().filter(|phase| phase.is_seen()).map(bytes).sum()
}

/// The operands and the result.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The gradient of the convolution's result.
    pub dy: &'a Place,
    /// The weights of the convolution.
    pub weights: &'a Place,
    /// What is added; it may be the result's place.
    pub residual: Option<&'a Place>,
    /// The result.
    pub dst: &'a Place,
}

/// Lowers the gradient whose interleaved images are `phases`.
///
/// # Errors
/// If no register tile fits the machine.
pub fn lower(
    gradient: &ConvGradient,
    phases: &[Phase],
    places: Places<'_>,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let step = gradient.window.strides;
    let mut pieces = Vec::new();
    for phase in phases {
        let part = |place: &Place| {
            let geometry = place.geometry.interleaved(step, phase.first, phase.size);
            Place { geometry, ..*place }
        };
        let (dst, residual) = (part(places.dst), places.residual.map(part));
        if phase.is_seen() {
            let filters = Filters::turned(places.weights, phase.tap, step);
            let added = Residual::PLAIN;
            let residual = residual.as_ref().map(|place| Added { place, residual: added });
            let operands = Operands { src: places.dy, residual, dst: &dst };
            let own = residual.map(|_| added);
            let conv = Conv { residual: own, ..Conv::new(phase.window, 1) };
            pieces.extend(conv::lower_conv(&conv, filters, operands, None, sink)?);
            continue;
        }
        let (function, views) = match &residual {
            // It is there already.
            Some(residual) if *residual == dst => continue,
            Some(residual) => (Function::Copy, vec![View::whole(&dst), View::whole(residual)]),
            None => (Function::Fill(0.0), vec![View::whole(&dst)]),
        };
        for nest in nests(function, &dst.geometry.ty.shape, &views) {
            pieces.extend(nest.lower("conv_source", sink)?);
        }
    }
    Ok(pieces)
}
