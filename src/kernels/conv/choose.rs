//! Chooses the register tile, the band of rows and the number of chunks with a small, deterministic
//! cost model.

use resnetc_ir::op::Window;

use crate::codegen::vir::Target;
use crate::kernels::sink::Machine;
use crate::kernels::tiling::split;

use super::budget::{widest, widest_tile};
use super::dots::Dot;
use super::filters::Filters;
use super::micro::Micro;
use super::product::ConvProduct;

/// The form of a product's kernel.
#[derive(Clone, Debug)]
pub struct TileChoice {
    /// Vectors of output channels in a tile.
    pub vectors: usize,
    /// Output rows that one iteration of the kernel's outer loop covers.
    pub band_rows: usize,
    /// Widths of the tiles of a band.
    pub widths: Vec<usize>,
    /// Modelled half cycles of one step of the reduction over the whole output.
    pub step_cost: usize,
    /// The step cost plus the step's share of the cost of fetching additional programs.
    cost: usize,
}

/// The maximum number of instructions of a kernel whose tiles have different forms, each with its
/// own code.
const CODE_LIMIT: usize = 16_000;

/// Half cycles to fetch an instruction that has not run since the previous run of the network.
/// Measured on a layer with few channels that needed two large programs instead of one.
const FETCH: usize = 4;

/// The maximum number of pixels of a band: the code contains a displacement for each.
const BAND_LIMIT: usize = 1024;

/// Images of at most this many pixels are preferably one band, or one band per thread. Weights are
/// most of what such a layer reads, and larger bands have fewer tiles, because tiles cross rows, so
/// each panel is read less often.
const SMALL_IMAGE: usize = 256;

/// The minimum number of pixels per thread that justifies a separate band for each thread.
const SMALLEST_SHARE: usize = 64;

/// Whether each thread gets its own rows. Then it finds most of the source in its own cache, having
/// written it, but reads all weights.
fn has_shares(pixels: usize, rows: usize, machine: &Machine) -> bool {
    pixels >= SMALLEST_SHARE * machine.threads && rows.is_multiple_of(machine.threads)
}

/// How much cheaper, in percent, a form must be to be preferred to a simpler one.
const GAIN_PERCENT: usize = 3;

/// The cheapest form according to the model; among nearly equal ones the first, which is the
/// simplest.
pub(super) fn choose(product: &ConvProduct<'_>, machine: &Machine) -> TileChoice {
    let target = machine.target;
    let candidates = forms(product, machine);
    let mut best: Option<TileChoice> = None;
    for candidate in candidates {
        let limit = best.as_ref().map_or(usize::MAX, |b| b.cost * (100 - GAIN_PERCENT) / 100);
        if candidate.cost < limit && is_small_enough(product, &candidate) {
            best = Some(candidate);
        }
    }
    // The narrowest form always exists: one row, one vector.
    best.unwrap_or_else(|| {
        form(product, target, 1, 1).unwrap_or(TileChoice {
            vectors: 1,
            band_rows: 1,
            widths: vec![1; product.walk.columns],
            step_cost: usize::MAX,
            cost: usize::MAX,
        })
    })
}

/// Forms from simple to wide: one block of outputs before several, one row before several.
fn forms(product: &ConvProduct<'_>, machine: &Machine) -> Vec<TileChoice> {
    let target = machine.target;
    let block = (16 / target.lanes).max(1);
    let mut forms = Vec::new();
    for vectors in [block, 2 * block, 4 * block, block / 2] {
        let lanes = vectors * target.lanes;
        let shared = product.is_shared(lanes.max(16));
        let widest_useful = if shared { product.weights.outputs.next_multiple_of(16) } else { 16 };
        if vectors == 0 || lanes > widest_useful {
            continue;
        }
        let rows = product.walk.rows;
        let pixels = rows * product.walk.columns;
        let parts = if has_shares(pixels, rows, machine) { machine.threads } else { 1 };
        let whole = (pixels <= SMALL_IMAGE).then_some(rows / parts);
        let bands = whole
            .into_iter()
            .chain(1..=rows)
            .filter(|b| rows.is_multiple_of(*b) && b * product.walk.columns <= BAND_LIMIT);
        forms.extend(
            bands
                .chain((product.walk.columns > BAND_LIMIT).then_some(1))
                .filter_map(|band| form(product, target, vectors, band)),
        );
    }
    forms
}

fn form(
    product: &ConvProduct<'_>,
    target: Target,
    vectors: usize,
    band_rows: usize,
) -> Option<TileChoice> {
    let lanes = vectors * target.lanes;
    let shared = product.is_shared(lanes.max(16));
    let widest = match product.dot() {
        None => widest_tile(target, vectors, shared),
        Some(dot) => widest(target, vectors, shared, dot.registers(target)),
    }?;
    let (widths, cost) = split(band_rows * product.walk.columns, widest, vectors);
    let outputs = product.weights.outputs.next_multiple_of(16);
    let step_cost = cost * outputs.div_ceil(lanes) * (product.walk.rows / band_rows);
    let mut choice = TileChoice { vectors, band_rows, step_cost, cost: step_cost, widths };
    let further = product.programs_for_residual(vectors, target);
    if further > 0 {
        let taps = product.window.kernel[0] * product.window.kernel[1];
        let code = code_size(product, &choice) * further * FETCH;
        choice.cost += code / (product.weights.inputs * taps);
    }
    Some(choice)
}

/// Whether the kernel is small enough; one row at a time is always accepted.
fn is_small_enough(product: &ConvProduct<'_>, choice: &TileChoice) -> bool {
    choice.band_rows == 1 || code_size(product, choice) <= CODE_LIMIT
}

/// Number of instructions of the kernel: one body for each form of tile.
fn code_size(product: &ConvProduct<'_>, choice: &TileChoice) -> usize {
    let steps = |weights: &Filters, together: usize| {
        (weights.inputs.min(16) * weights.taps[1]).div_ceil(together)
    };
    let projection = product.projection.as_ref().map_or(0, |p| steps(&p.weights, 1));
    let together = product.dot().map_or(1, Dot::together);
    let steps = steps(&product.weights, together) + projection;
    let body = |width: usize| steps * (width * (choice.vectors + 1) + choice.vectors);
    crate::kernels::tiling::runs(&product.walk.band(choice.band_rows), &choice.widths)
        .iter()
        .map(|run| body(run.pixels.len()))
        .sum()
}

/// The number of chunks into which a product is cut.
#[derive(Clone, Copy, Debug)]
pub struct ChunkCounts {
    /// Cuts across output rows.
    pub bands: usize,
    /// Cuts across output channels.
    pub tiles: usize,
}

/// Half cycles below which dispatching a chunk costs more than it gains.
const SMALLEST_CHUNK: usize = 30_000;

/// Chunks that each thread should get, so that threads of unequal speed finish together.
const CHUNKS_PER_THREAD: usize = 12;

/// Half cycles to widen a unit of a source.
const WIDENED_UNIT: usize = 3;

/// How many times as long as widening its source a part of the tiles must take.
const LEAST_WORK: usize = 32;

/// Cuts rows until a chunk's source fits the core's cache. Then cuts channels (if the weights are
/// the larger part and threads do not have their own rows, so that only one core reads each weight)
/// or rows, until there are enough chunks for the threads.
pub(super) fn cut(
    product: &ConvProduct<'_>,
    choice: &TileChoice,
    micro: &Micro,
    tiles: usize,
    bands: usize,
    machine: &Machine,
) -> ChunkCounts {
    let walk = product.walk;
    let src_bytes = product.source_bytes();
    let weight_bytes = micro.panel_bytes() as usize * tiles;
    let fitting = src_bytes.div_ceil(machine.cache_bytes * 3 / 8).clamp(1, bands);
    let cost = choice.step_cost * micro.depth() * walk.images;
    let wanted = match machine.threads {
        1 => 1,
        threads => (threads * CHUNKS_PER_THREAD).min(cost / SMALLEST_CHUNK).max(1),
    };
    // Each part of the tiles widens the source again.
    let tiles = match product.wide() {
        None => tiles,
        Some(wide) => {
            let planes = product.weights.inputs.div_ceil(product.src.block);
            let widening = wide.work(walk.rows, planes) * walk.images * WIDENED_UNIT;
            (cost / (LEAST_WORK * widening)).clamp(1, tiles)
        }
    };
    let missing = wanted.div_ceil(walk.images * fitting);
    if missing <= 1 {
        return ChunkCounts { bands: fitting, tiles: 1 };
    }
    let shares =
        has_shares(walk.rows * walk.columns, walk.rows, machine) && bands >= machine.threads;
    if weight_bytes > src_bytes && !shares {
        let tiles = missing.min(tiles);
        return ChunkCounts { bands: (fitting * missing.div_ceil(tiles)).min(bands), tiles };
    }
    let more = (fitting * missing).min(bands);
    ChunkCounts { bands: more, tiles: (wanted.div_ceil(walk.images * more)).clamp(1, tiles) }
}

impl ConvProduct<'_> {
    /// Bytes that the output pixels of one image read, each counted once.
    fn source_bytes(&self) -> usize {
        let pixels = self.walk.rows * self.walk.columns;
        let bytes = |inputs: usize, block: usize, window: &Window| {
            // Pixels that windows skip are not read.
            let steps = [0, 1].map(|axis| window.strides[axis].min(window.kernel[axis]));
            inputs.next_multiple_of(block) * pixels * steps[0] * steps[1] * self.src.lane as usize
        };
        let projection = self
            .projection
            .as_ref()
            .map_or(0, |p| bytes(p.weights.inputs, p.src.geometry.strides().block, &p.window));
        bytes(self.weights.inputs * self.groups, self.src.block, &self.window) + projection
    }
}
