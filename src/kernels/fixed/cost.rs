//! What a layer takes, and how it is cut: as many rows and outputs in a chunk as the core's cache
//! holds and threads leave.
//!
//! Costs are half cycles of a core, as in [`tiling`](crate::kernels::tiling), fitted to the layers
//! of a ResNet-50.

use crate::kernels::sink::Machine;
use crate::kernels::tiling::BYTES_PER_HALF_CYCLE;

use super::number::DIGITS;
use super::product::PRODUCTS;
use super::{GROUP_BLOCKS, TILE, WideForm};

/// A product of two tiles, one in 16 cycles, and its share of the loads that keep it waiting:
/// factors come from the second cache.
const DOT: f64 = 38.0;

/// Products of digits, for each that numbers have.
pub(super) const DOTS: f64 = PRODUCTS.len() as f64 * DOT;

/// A group of blocks of a pixel to its digits: 29 operations on two pipes, and four lines from and
/// three to the second cache.
pub(super) const SPLIT: f64 = 50.0;

/// A block of a pixel from its sums to its result.
pub(super) const FINISH: f64 = 24.0;

/// A line that is searched for its abs-max.
pub(super) const ABS_MAX: f64 = 5.0;

/// The end of a region.
pub(super) const REGION: f64 = 8000.0;

/// A line that another core has written.
const EXCHANGE: f64 = 30.0;

/// Bytes of weights of a step, for a block of outputs.
const WEIGHTS: f64 = (DIGITS as i64 * TILE) as f64;

/// The share of a core's cache that digits, or weights, can count on.
pub(super) const NEAR: f64 = 0.375;

/// A line that does not lie there.
const FAR: f64 = 12.0;

/// What weights that do lie there take when they are read again, by what it takes to bring them.
const AGAIN: f64 = 0.2;

/// A call of a kernel, with the setting up of tiles.
pub(super) const CALL: f64 = 200.0;

/// How a layer is cut into chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ChunkCut {
    /// Rows of the result.
    pub(super) rows: usize,
    /// Parts of the outputs.
    pub(super) parts: usize,
    /// What the thread that has most to do needs for the layer.
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
        let rows = (1..=self.size[0]).take_while(|&rows| fits(rows));
        let cuts = rows.flat_map(|rows| parts.iter().map(move |&parts| (rows, parts)));
        let cost =
            |rows, parts| ChunkCut { rows, parts, cost: self.cut_cost(rows, parts, machine) };
        let best =
            cuts.map(|(rows, parts)| cost(rows, parts)).min_by(|a, b| a.cost.total_cmp(&b.cost));
        best.unwrap_or_else(|| cost(1, 1))
    }

    fn cut_cost(&self, rows: usize, parts: usize, machine: &Machine) -> f64 {
        let stripes = self.size[0].div_ceil(rows) * self.images;
        let turns = (stripes * parts).div_ceil(machine.threads);
        let blocks = self.blocks() as f64 / parts as f64;
        let steps = (self.groups() * self.taps.len()) as f64;
        let product = self.tiles(rows) as f64 * steps * DOTS + CALL;
        let finish = (rows * self.size[1]) as f64 * FINISH + CALL;
        let turn = self.digits_cost(rows, parts, machine) + blocks * (product + finish);
        let area = self.size[0] * self.size[1] * self.strides[0] * self.strides[1] * self.images;
        let abs_max = (area * self.inputs.div_ceil(16)) as f64 * ABS_MAX / machine.threads as f64;
        let weights = self.weights_cost(turns, parts, machine);
        REGION + abs_max + turns as f64 * turn + weights
    }

    /// What a chunk takes to have the digits of all values that it sees.
    fn digits_cost(&self, rows: usize, parts: usize, machine: &Machine) -> f64 {
        let seen = self.phases.iter().map(|p| (rows + p.beyond[0]) * (self.size[1] + p.beyond[1]));
        let split = seen.sum::<usize>() as f64 * self.groups() as f64 * SPLIT;
        // Threads that share rows read all of the source, of which each has a part near.
        let lines =
            rows * self.size[1] * self.strides[0] * self.strides[1] * self.groups() * GROUP_BLOCKS;
        let others = parts.min(machine.threads) as f64;
        let exchange = lines as f64 * EXCHANGE * (others - 1.0) / others;
        // Each panel reads the digits, from further away where there are too many.
        let near = machine.cache_bytes as f64 * NEAR;
        let far = (self.memory(rows).end as f64 - near).max(0.0) / 64.0;
        let panels = (self.blocks() / self.together().blocks / parts) as f64;
        split + exchange + far * FAR * panels
    }

    /// What a thread that has so many chunks waits for weights. They come near ahead of time, but
    /// not without delay.
    fn weights_cost(&self, turns: usize, parts: usize, machine: &Machine) -> f64 {
        let steps = (self.groups() * self.taps.len()) as f64;
        let own = parts.min(turns);
        let bytes = (self.blocks() * own / parts) as f64 * steps * WEIGHTS;
        let again = (turns / own) as f64 - 1.0;
        let again = again * if bytes <= machine.cache_bytes as f64 * NEAR { AGAIN } else { 1.0 };
        bytes / BYTES_PER_HALF_CYCLE * (1.0 + again)
    }

    /// Half cycles for one input channel and 16 outputs.
    pub(super) fn cost(&self, machine: &Machine) -> f64 {
        self.cut(machine).cost / (self.inputs * self.blocks()) as f64
    }
}
