//! The weights of a product: constants, which are packed when the network is compiled, or values,
//! which every run packs first.

use resnetc_ir::ty::BLOCK;

use crate::codegen::region::Piece;
use crate::kernels::KernelError;
use crate::kernels::function::Function;
use crate::kernels::geometry::{F32, Place};
use crate::kernels::loops::{Level, Loops, OPERANDS};
use crate::kernels::nest::Nest;
use crate::kernels::sink::{ALIGN, ARENA, Pointer, Sink, WEIGHTS};

use super::pack::{self, Part, Weights};
use super::shorts::Stored;

/// The weights and the bias of a convolution or of a product with a matrix.
#[derive(Clone)]
pub struct Filters {
    /// Output channels.
    pub outputs: usize,
    /// Input channels that one output sees.
    pub inputs: usize,
    /// Kernel rows and columns.
    pub taps: [usize; 2],
    given: Given,
}

#[derive(Clone)]
enum Given {
    Constant(Weights),
    Computed(Computed),
}

/// Weights that are a value: the element of output `k`, input `c` and tap `[r, s]` is at
/// `start + [k, c, r, s] * strides`.
#[derive(Clone, Debug)]
pub struct Computed {
    /// Where the first one is.
    pub start: Pointer,
    /// Bytes between outputs, inputs, rows and columns of taps.
    pub strides: [i64; 4],
    /// The bias `[K]`.
    pub bias: Option<Place>,
}

impl From<Weights> for Filters {
    fn from(weights: Weights) -> Self {
        let Weights { outputs, inputs, taps, .. } = weights;
        Filters { outputs, inputs, taps, given: Given::Constant(weights) }
    }
}

impl Filters {
    /// Those of a convolution, `[K, C/groups, R, S]`, at a place.
    pub fn computed(weights: &Place, bias: Option<Place>) -> Self {
        let [outputs, inputs, r, s] = weights.geometry.nchw();
        let strides = weights.geometry.strides();
        let computed = Computed {
            start: Pointer::new(weights.base, weights.origin()),
            strides: [strides.image, strides.plane, strides.row, strides.pixel],
            bias,
        };
        Filters { outputs, inputs, taps: [r, s], given: Given::Computed(computed) }
    }

    /// Those of the convolution that computes the gradient of a source: outputs and inputs change
    /// places, and taps are in reverse order, from the one at `tap` on in steps of `step`.
    pub fn turned(weights: &Place, tap: [usize; 2], step: [usize; 2]) -> Self {
        let [inputs, outputs, ..] = weights.geometry.nchw();
        let strides = weights.geometry.strides();
        let last = tap[0] as i64 * strides.row + tap[1] as i64 * strides.pixel;
        let [down, across] = step.map(|step| step as i64);
        let computed = Computed {
            start: Pointer::new(weights.base, weights.origin() + last),
            strides: [strides.plane, strides.image, -strides.row * down, -strides.pixel * across],
            bias: None,
        };
        let taps = [0, 1].map(|axis| tap[axis] / step[axis] + 1);
        Filters { outputs, inputs, taps, given: Given::Computed(computed) }
    }

    /// The constants, if they are.
    pub fn constants(&self) -> Option<&Weights> {
        match &self.given {
            Given::Constant(weights) => Some(weights),
            Given::Computed(_) => None,
        }
    }

    /// The constants.
    ///
    /// # Errors
    /// If they are values.
    pub fn into_constants(self) -> Result<Weights, KernelError> {
        match self.given {
            Given::Constant(weights) => Ok(weights),
            Given::Computed(_) => Err(KernelError::Unsupported {
                op: "conv",
                node: String::new(),
                reason: "this algorithm needs constant weights".to_owned(),
            }),
        }
    }

    /// Writes the biases, followed by zeros up to `count`, to a place in the arena in every run.
    ///
    /// # Errors
    /// If a kernel does not fit the machine's registers.
    pub(in crate::kernels) fn prepare_biases(
        &self,
        to: i64,
        count: usize,
        sink: &mut Sink,
    ) -> Result<(), KernelError> {
        let bias = match &self.given {
            Given::Computed(Computed { bias, .. }) => bias.as_ref(),
            Given::Constant(_) => return Err(mixed()),
        };
        let given = bias.map_or(0, |_| self.outputs);
        if let Some(bias) = bias {
            copy(to, &Pointer::new(bias.base, bias.origin()), &[(given, F32, F32)], sink)?;
        }
        fill(to + given as i64 * F32, &[(count - given, F32)], sink)
    }

    /// Weights of one output.
    fn depth(&self) -> usize {
        self.inputs * self.taps[0] * self.taps[1]
    }
}

/// The most memory that the packed weights of a convolution take in a run, in bytes. Outputs are
/// packed in whole blocks, or in tiles that are a little wider.
pub(in crate::kernels) fn packed_bytes(
    [outputs, inputs]: [usize; 2],
    taps: [usize; 2],
    groups: usize,
) -> usize {
    let per_group = (outputs / groups.max(1)).next_multiple_of(BLOCK);
    let lanes = per_group * groups + MOST_LANES;
    lanes * (1 + inputs * taps[0] * taps[1]) * F32 as usize + 2 * groups * ALIGN
}

/// Outputs of the widest tile.
const MOST_LANES: usize = 64;

/// The panels of `count` tiles that start at `first_output` and hold `lanes` outputs each.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct PackedFilters {
    pub(in crate::kernels) first_output: usize,
    pub(in crate::kernels) lanes: usize,
    pub(in crate::kernels) count: usize,
    pub(in crate::kernels) stored: Stored,
}

impl PackedFilters {
    /// Packs them: the weights of each sum, and the channels of a block of it.
    ///
    /// # Errors
    /// If a run packs them and no memory was reserved for that, or only some of them are constants.
    pub(in crate::kernels) fn pack(
        self,
        parts: Vec<(Filters, usize)>,
        sink: &mut Sink,
    ) -> Result<Pointer, KernelError> {
        let PackedFilters { first_output, lanes, count, stored } = self;
        let constant = |(filters, block): &(Filters, usize)| {
            Some(Part { weights: filters.constants()?.clone(), block: *block })
        };
        if let Some(parts) = parts.iter().map(constant).collect::<Option<Vec<Part>>>() {
            let offset = pack::pack(parts, first_output, [lanes, count], stored, sink);
            return Ok(Pointer::new(WEIGHTS, offset));
        }
        let depth: usize = parts.iter().map(|(filters, _)| filters.depth()).sum();
        let panel = (1 + depth) * lanes;
        let offset = sink.reserve_packed(panel * count * F32 as usize)?;
        let mut steps = 1;
        for (filters, block) in parts {
            let Given::Computed(computed) = &filters.given else {
                return Err(mixed());
            };
            let panels = Panels { filters: &filters, computed, first_output, lanes, count, panel };
            if steps == 1 {
                panels.biases(offset, sink)?;
            }
            panels.weights(offset + (steps * lanes) as i64 * F32, block, sink)?;
            steps += filters.depth();
        }
        Ok(Pointer::new(ARENA, offset))
    }
}

fn mixed() -> KernelError {
    KernelError::Unsupported {
        op: "conv",
        node: String::new(),
        reason: "only some of its weights are constants".to_owned(),
    }
}

/// Panels that a run fills.
struct Panels<'a> {
    filters: &'a Filters,
    computed: &'a Computed,
    first_output: usize,
    lanes: usize,
    count: usize,
    /// Elements of a panel.
    panel: usize,
}

impl Panels<'_> {
    /// Tiles and their live outputs: those that are full, then the last one if it is not.
    fn tiles(&self) -> [(usize, usize, usize); 2] {
        let live = self.filters.outputs.saturating_sub(self.first_output);
        let full = (live / self.lanes).min(self.count);
        let rest = if full < self.count { live % self.lanes } else { 0 };
        [(0, full, self.lanes), (full, usize::from(rest > 0), rest)]
    }

    fn biases(&self, to: i64, sink: &mut Sink) -> Result<(), KernelError> {
        self.zeros(to, 1, sink)?;
        let Some(bias) = &self.computed.bias else { return Ok(()) };
        for (tile, count, live) in self.tiles() {
            let from = (self.first_output + tile * self.lanes) as i64 * F32;
            let to = to + (tile * self.panel) as i64 * F32;
            let levels =
                [(count, self.panel as i64 * F32, self.lanes as i64 * F32), (live, F32, F32)];
            copy(to, &Pointer::new(bias.base, bias.origin() + from), &levels, sink)?;
        }
        Ok(())
    }

    /// The weights: steps run over blocks of channels, taps, and channels of a block.
    fn weights(&self, to: i64, block: usize, sink: &mut Sink) -> Result<(), KernelError> {
        let [output, input, row, column] = self.computed.strides;
        let Filters { inputs, taps: [r, s], .. } = *self.filters;
        let (lanes, step) = (self.lanes as i64, self.lanes as i64 * F32);
        let (blocks, tail) = (inputs / block, inputs % block);
        self.zeros(to, self.filters.depth(), sink)?;
        for (tile, count, live) in self.tiles() {
            for (first, blocks, block) in [(0, blocks, block), (blocks * block, 1, tail)] {
                let outputs = (self.first_output + tile * self.lanes) as i64;
                let from = outputs * output + first as i64 * input;
                let to = to + (tile * self.panel) as i64 * F32 + (first * r * s) as i64 * step;
                let levels = [
                    (count, self.panel as i64 * F32, lanes * output),
                    (blocks, (block * r * s) as i64 * step, block as i64 * input),
                    (r, (s * block) as i64 * step, row),
                    (s, block as i64 * step, column),
                    (block, step, input),
                    (live, F32, output),
                ];
                copy(to, &self.computed.start.clone().after(from), &levels, sink)?;
            }
        }
        Ok(())
    }

    /// Zeros for the outputs that the last tiles lack, in a number of steps.
    fn zeros(&self, to: i64, steps: usize, sink: &mut Sink) -> Result<(), KernelError> {
        let no_bias = steps == 1 && self.computed.bias.is_none();
        let [(_, full, _), (_, _, live)] = self.tiles();
        let first = if no_bias { 0 } else { full };
        let skipped = if no_bias { 0 } else { live };
        for tile in first..self.count {
            let skipped = if tile == full { skipped } else { 0 };
            let to = to + (tile * self.panel + skipped) as i64 * F32;
            let levels = [(steps, self.lanes as i64 * F32), (self.lanes - skipped, F32)];
            fill(to, &levels, sink)?;
        }
        Ok(())
    }
}

/// Writes zeros in loops of these extents and strides.
fn fill(to: i64, levels: &[(usize, i64)], sink: &mut Sink) -> Result<(), KernelError> {
    let level = |&(extent, stride): &(usize, i64)| {
        let mut strides = [0; OPERANDS];
        strides[0] = stride;
        Level { extent, strides }
    };
    let levels = levels.iter().map(level).collect();
    let loops = Loops { starts: vec![(ARENA, to)], levels };
    let zeros = Nest::new(Function::Fill(0.0), loops).lower("pack", sink)?;
    sink.prepare(0, zeros);
    Ok(())
}

/// Copies elements in loops of these extents and strides, of the copy and of what is copied.
fn copy(
    to: i64,
    from: &Pointer,
    levels: &[(usize, i64, i64)],
    sink: &mut Sink,
) -> Result<(), KernelError> {
    let level = |&(extent, to, from): &(usize, i64, i64)| {
        let mut strides = [0; OPERANDS];
        (strides[0], strides[1]) = (to, from);
        Level { extent, strides }
    };
    let levels = levels.iter().map(level).collect();
    let loops = Loops { starts: vec![(ARENA, to), from.start()], levels };
    let pieces: Vec<Piece> = Nest::new(Function::Copy, loops).lower("pack", sink)?;
    sink.prepare(0, pieces);
    Ok(())
}
