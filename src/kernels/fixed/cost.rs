//! The cost of a layer, and how it is cut into chunks: with as many rows and outputs as fit the
//! core's cache and still leave work for all threads.
//!
//! Costs are half cycles of a core, as in [`tiling`](crate::kernels::tiling), fitted to the layers
//! of a ResNet-50.

use crate::kernels::sink::Machine;

use super::abs_max::Publication;
use super::form::WideForm;
use super::number::Format;
use super::sizes::{GROUP_BLOCKS, TILE};

/// A product of two tiles, which takes 16 cycles, and its share of the loads that stall it: factors
/// come from the second-level cache.
const DOT: f64 = 38.0;

/// The products of all pairs of digits that are multiplied.
pub(super) fn dots(format: Format) -> f64 {
    format.products().len() as f64 * DOT
}

/// Splitting a group of blocks of a pixel into digits: 29 operations on two pipes, four lines
/// loaded from the second-level cache and three stored to it.
pub(super) const SPLIT: f64 = 50.0;

/// Turning the sums of a block of a pixel into its result.
pub(super) const FINISH: f64 = 24.0;

/// Searching a cache line for its abs-max.
pub(super) const ABS_MAX: f64 = 5.0;

/// The end of a region.
pub(super) const REGION: f64 = 8000.0;

/// Reading a cache line that another core has written.
const EXCHANGE: f64 = 30.0;

/// Bytes of weights of a step, for a block of outputs.
fn step_bytes(format: Format) -> f64 {
    (format.weights.digits() as i64 * TILE) as f64
}

/// The share of a core's cache that digits, or weights, can rely on.
pub(super) const NEAR: f64 = 0.375;

/// Reading a cache line that is not in that share.
pub(super) const FAR: f64 = 12.0;

/// The cost of rereading weights that are in that share, relative to the cost of the first read.
const AGAIN: f64 = 0.2;

/// A call of a kernel, including the configuration of tiles.
pub(super) const CALL: f64 = 200.0;

/// The cache lines of a thread's memory that are not in the share that it can rely on.
pub(super) fn far_lines(bytes: i64, machine: &Machine) -> f64 {
    let near = machine.cache_bytes as f64 * NEAR;
    (bytes as f64 - near).max(0.0) / 64.0
}

/// Reading weights from memory, and then again and again, `times` in all.
pub(super) fn reading(bytes: f64, times: f64, machine: &Machine) -> f64 {
    let is_near = bytes <= machine.cache_bytes as f64 * NEAR;
    let again = (times - 1.0) * if is_near { AGAIN } else { 1.0 };
    bytes / machine.rates.memory * (1.0 + again)
}

/// How a layer is cut into chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ChunkCut {
    /// Rows of the result.
    pub(super) rows: usize,
    /// Parts of the outputs.
    pub(super) parts: usize,
    /// The layer's cost on the thread with the most work.
    cost: f64,
}

impl WideForm {
    /// The best cut for a machine.
    pub(super) fn cut(&self, machine: &Machine) -> ChunkCut {
        let wide = self.together().blocks;
        let panels = self.blocks() / wide;
        let parts: Vec<usize> = match self.blocks().is_multiple_of(wide) {
            false => vec![1],
            true => {
                (1..=panels.min(machine.parts())).filter(|g| panels.is_multiple_of(*g)).collect()
            }
        };
        let fits =
            |rows: usize| rows == 1 || self.memory(rows).end <= machine.cache_bytes as i64 * 3 / 4;
        let rows = (1..=self.positions.size[0]).take_while(|&rows| fits(rows));
        let cuts = rows.flat_map(|rows| parts.iter().map(move |&parts| (rows, parts)));
        let cost =
            |rows, parts| ChunkCut { rows, parts, cost: self.cut_cost(rows, parts, machine) };
        let best =
            cuts.map(|(rows, parts)| cost(rows, parts)).min_by(|a, b| a.cost.total_cmp(&b.cost));
        best.unwrap_or_else(|| cost(1, 1))
    }

    /// Where chunks of this cut publish the abs-max of their results.
    pub(super) fn published(&self, cut: &ChunkCut, offset: Option<i64>) -> Publication {
        Publication { offset, stripes: self.positions.size[0].div_ceil(cut.rows), parts: cut.parts }
    }

    /// Bytes of what all chunks publish.
    pub(super) fn published_bytes(&self, machine: &Machine) -> usize {
        self.published(&self.cut(machine), None).bytes(self.images, self.outputs)
    }

    fn cut_cost(&self, rows: usize, parts: usize, machine: &Machine) -> f64 {
        let stripes = self.positions.size[0].div_ceil(rows) * self.images;
        let turns = (stripes * parts).div_ceil(machine.threads);
        let blocks = self.blocks() as f64 / parts as f64;
        let steps = (self.groups() * self.taps()) as f64;
        let product = self.positions.tiles(rows) as f64 * steps * dots(self.format) + CALL;
        let finish = (rows * self.positions.size[1]) as f64 * FINISH + CALL;
        let turn = self.digits_cost(rows, parts, machine) + blocks * (product + finish);
        let area = self.positions.covered(self.positions.size[0]) * self.images;
        let abs_max = (area * self.inputs.div_ceil(16)) as f64 * ABS_MAX / machine.threads as f64;
        let weights = self.weights_cost(turns, parts, machine);
        REGION + abs_max + turns as f64 * turn + weights
    }

    /// The cost of a chunk to get the digits of all values that it sees.
    fn digits_cost(&self, rows: usize, parts: usize, machine: &Machine) -> f64 {
        let split = self.positions.pixels(rows) as f64 * self.groups() as f64 * SPLIT;
        // Threads that share rows all read the whole source, part of which is in each one's cache.
        let lines = self.positions.covered(rows) * self.groups() * GROUP_BLOCKS;
        let others = parts.min(machine.threads) as f64;
        let exchange = lines as f64 * EXCHANGE * (others - 1.0) / others;
        // Each panel reads the digits, from a farther cache if there are too many.
        let far = far_lines(self.memory(rows).end, machine);
        let panels = (self.blocks() / self.together().blocks / parts) as f64;
        split + exchange + far * FAR * panels
    }

    /// The time that a thread with `turns` chunks waits for weights. They are prefetched, but not
    /// without delay.
    fn weights_cost(&self, turns: usize, parts: usize, machine: &Machine) -> f64 {
        let steps = (self.groups() * self.taps()) as f64;
        let own = parts.min(turns);
        let bytes = (self.blocks() * own / parts) as f64 * steps * step_bytes(self.format);
        reading(bytes, (turns / own) as f64, machine)
    }

    /// Half cycles for one input channel and 16 outputs.
    pub(super) fn cost(&self, machine: &Machine) -> f64 {
        self.cut(machine).cost / (self.inputs * self.blocks()) as f64
    }
}
