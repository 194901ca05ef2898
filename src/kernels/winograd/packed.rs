//! The packed weights of a layer: constants, or values that each run packs and transforms first.

use resnetc_ir::ty::BLOCK;

use crate::codegen::region::Base;
use crate::codegen::vir::{Arith, Builder, Count, Distance, Inst, OverBudget, Program, Target};
use crate::kernels::KernelError;
use crate::kernels::conv::filters::{Filters, PackedFilters};
use crate::kernels::conv::shorts::Stored;
use crate::kernels::geometry::F32;
use crate::kernels::sink::{ALIGN, ARENA, Levels, Pointer, Sink, WEIGHTS};
use crate::kernels::steps::number;

use super::Tiling;
use super::filter::FilterTransform;
use super::filters;
use super::gains::LEAST_GAIN;
use super::matrices::TAPS;
use super::plain::Plain;

/// Where the packed weights are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    /// What the offsets are from.
    pub(super) base: Base,
    /// Offset of the transformed filters, if they are there.
    pub(super) filters: i64,
    /// Offset of the gains of the input channels.
    pub(super) gains: i64,
    /// Offset of the untransformed filters.
    pub(super) panels: i64,
    /// Offset of the biases.
    pub(super) biases: i64,
}

/// The most outputs of a panel.
const MOST_LANES: usize = 64;

/// The most memory that weights take that each run packs, in bytes.
pub(super) fn bytes(form: &Tiling, transformed: bool) -> usize {
    let outputs = form.output_blocks() * BLOCK + MOST_LANES;
    let transforms = if transformed { form.elements() * form.inputs } else { 0 };
    let panels = 1 + TAPS * TAPS * form.inputs;
    let single = form.inputs.next_multiple_of(BLOCK) + form.output_blocks() * BLOCK;
    (outputs * (transforms + panels) + single) * F32 as usize + 4 * ALIGN
}

/// Packs the weights of panels of `lanes` outputs, and transforms them if `transformed`.
pub(super) fn pack(
    form: &Tiling,
    (lanes, plain, transformed): (usize, Plain, bool),
    weights: &Filters,
    sink: &mut Sink,
) -> Result<Packed, KernelError> {
    if let Some(weights) = weights.constants() {
        let biases = weights.pack_biases(sink);
        let (transforms, all) = (form.transforms.clone(), weights.clone());
        let count = form.elements() * form.output_blocks() * BLOCK * form.inputs;
        let filters = match transformed {
            true => sink.pack(count, move |out| filters::fill(&transforms, &all, lanes, out)),
            false => 0,
        };
        let [gains, panels] = plain.pack(weights.clone(), sink);
        return Ok(Packed { base: WEIGHTS, filters, gains, panels, biases });
    }
    let biases = sink.reserve_packed(form.output_blocks() * BLOCK * F32 as usize)?;
    weights.prepare_biases(biases, form.output_blocks() * BLOCK, sink)?;
    let packed =
        PackedFilters { first_output: 0, lanes, count: plain.count(), stored: Stored::Floats };
    let panels = packed.pack(vec![(weights.clone(), 1)], sink)?.start().1;
    let computed = Computed { form, lanes, plain, panels };
    let gains = computed.gains(sink)?;
    let filters = if transformed { computed.filters(sink)? } else { 0 };
    Ok(Packed { base: ARENA, filters, gains, panels, biases })
}

/// Weights whose panels a run has packed.
struct Computed<'a> {
    form: &'a Tiling,
    lanes: usize,
    plain: Plain,
    panels: i64,
}

/// Packed weights are read after the first stage, which writes them.
const AFTER_PANELS: usize = 1;
const AFTER_SQUARES: usize = 2;

impl Computed<'_> {
    /// The transformed filters, in f32.
    fn filters(&self, sink: &mut Sink) -> Result<i64, KernelError> {
        let (form, lanes) = (self.form, self.lanes);
        let element = (form.inputs * lanes) as i64 * F32;
        let group = element * form.elements() as i64;
        let offset = sink.reserve_packed(group as usize * self.plain.count())?;
        let transform = FilterTransform {
            target: sink.machine.target,
            matrix: form.transforms.filter.clone(),
            lanes,
            element,
            stored: Stored::Floats,
        };
        let form = format!("{transform:?}");
        let kernel = sink.program("winograd filters", form, |n| transform.program(n))?;
        let mut levels = Levels::new([
            Pointer::new(ARENA, self.panels + self.plain.filter(0)),
            Pointer::new(ARENA, offset),
        ]);
        levels.chunk(self.plain.count(), [self.plain.panel_bytes(), group]);
        // A few channels at a time, so that there are chunks for all threads.
        let inputs = self.form.inputs;
        let cuts = sink.machine.parts().div_ceil(self.plain.count());
        let channels = levels.split(inputs, cuts, [self.plain.filter_bytes(1), lanes as i64 * F32]);
        let count = channels.extent();
        sink.prepare(AFTER_PANELS, vec![levels.piece(kernel, &[count])]);
        Ok(offset)
    }

    /// The gains: the largest sum of squares of a filter of each channel, then the root of its
    /// share of the largest of all.
    fn gains(&self, sink: &mut Sink) -> Result<i64, KernelError> {
        let inputs = self.form.inputs;
        let padded = inputs.next_multiple_of(BLOCK);
        let offset = sink.reserve_packed(padded * F32 as usize)?;
        let target = sink.machine.target;
        let squares = Squares {
            panels: self.plain.count(),
            panel: self.plain.panel_bytes(),
            lanes: self.lanes,
        };
        let kernel =
            sink.program("filter squares", format!("{squares:?}"), |n| squares.program(n, target))?;
        let mut levels = Levels::new([
            Pointer::new(ARENA, self.panels + self.plain.filter(0)),
            Pointer::new(ARENA, offset),
        ]);
        levels.chunk(inputs, [self.plain.filter_bytes(1), F32]);
        sink.prepare(AFTER_PANELS, vec![levels.piece(kernel, &[])]);
        let relative = Relative { inputs, padded };
        let kernel =
            sink.program("gains", format!("{relative:?}"), |n| relative.program(n, target))?;
        let levels = Levels::new([Pointer::new(ARENA, offset)]);
        sink.prepare(AFTER_SQUARES, vec![levels.piece(kernel, &[])]);
        Ok(offset)
    }
}

/// The largest sum of squares of the nine taps of a channel's filters. Arguments: the channel's taps
/// in the first panel, the result.
#[derive(Clone, Copy, Debug)]
struct Squares {
    panels: usize,
    panel: i64,
    lanes: usize,
}

impl Squares {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let (most, sum, value) = (number(&mut b, 0.0), b.vector(), b.vector());
        let taps = b.pointer(b.arg(0));
        b.repeat(Count::Fixed(self.panels as u32), |b| {
            for lane in (0..self.lanes).step_by(target.lanes) {
                b.constant(sum, 0.0);
                for tap in 0..TAPS * TAPS {
                    b.load(value, taps.at((tap * self.lanes + lane) as i64 * F32));
                    b.multiply_add(sum, value, value);
                }
                b.arith(Arith::MaxNan, most, most, sum);
            }
            b.advance(taps, self.panel);
        });
        for distance in Distance::ALL.into_iter().filter(|d| d.lanes() < target.lanes) {
            b.push(Inst::Exchange { dst: value, src: most, distance });
            b.arith(Arith::MaxNan, most, most, value);
        }
        b.store_first(b.arg(1).at(0), most);
        b.finish()
    }
}

/// As `gains::relative`: from the squares of all channels to their gains. Argument: the squares,
/// which the gains replace.
#[derive(Clone, Copy, Debug)]
struct Relative {
    inputs: usize,
    /// With those of the last block that are no channels.
    padded: usize,
}

impl Relative {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 1);
        let (most, value) = (number(&mut b, 0.0), b.vector());
        let at = b.pointer(b.arg(0));
        b.repeat(Count::Fixed(self.inputs as u32), |b| {
            b.broadcast(value, at.at(0));
            b.arith(Arith::MaxNan, most, most, value);
            b.advance(at, F32);
        });
        // If all filters are zero, all channels count the same.
        let (is_zero, one) = (number(&mut b, 0.0), number(&mut b, 1.0));
        let least = number(&mut b, LEAST_GAIN);
        b.arith(Arith::Equal, is_zero, is_zero, most);
        let at = b.pointer(b.arg(0));
        b.repeat(Count::Fixed(self.inputs as u32), |b| {
            b.broadcast(value, at.at(0));
            b.arith(Arith::Div, value, value, most);
            b.push(Inst::Sqrt { dst: value, src: value });
            b.arith(Arith::AndNot, value, is_zero, value);
            let other = b.vector();
            b.arith(Arith::And, other, is_zero, one);
            b.arith(Arith::Or, value, value, other);
            b.release([other]);
            b.arith(Arith::MaxNan, value, value, least);
            b.store_first(at.at(0), value);
            b.advance(at, F32);
        });
        for channel in self.inputs..self.padded {
            b.store_first(b.arg(0).at(channel as i64 * F32), least);
        }
        b.finish()
    }
}
