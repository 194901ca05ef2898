//! The cost of a layer with Winograd's algorithm.
//!
//! Costs are half cycles of a core, as in [`tiling`](crate::kernels::tiling), for one input channel
//! and 16 outputs: the multiply-adds, reading the weights from memory (concurrently, if they are
//! prefetched), and moving the transformed values.

use crate::kernels::sink::Machine;
use crate::kernels::tiling::memory_cost;

use super::matrices::TAPS;
use super::{Schedule, Tiling, filter_blocks, product, tile_blocks};

/// Vector operations for each element of a transformed filter.
const OPERATIONS: f64 = 1.5;

/// Half cycles to write a cache line of transformed filters, which do not fit the first-level
/// cache, and to read it again.
const LINE: f64 = 8.5;

/// Half cycles to read a cache line that another core has written, when many are read at a time.
const EXCHANGE: f64 = 100.0;

/// Half cycles to reread a cache line that is not in the second-level cache.
const FAR_LINE: f64 = 4.0;

impl Tiling {
    /// The cost with a schedule.
    pub(in crate::kernels) fn cost(&self, schedule: Schedule, machine: &Machine) -> f64 {
        let (target, threads) = (machine.target, machine.threads as f64);
        let vectors = 16.0 / target.lanes as f64;
        let elements = self.elements();
        // A tile's transforms, for 16 channels at a time; all channels of the other side share
        // their cost.
        let data = (transform_cost(self.transforms.input.len()) / self.outputs as f64
            + transform_cost(self.transforms.output[0].len()) / self.inputs as f64)
            * vectors
            * self.tile_count() as f64
            / threads;
        match schedule {
            Schedule::TileBlocks => {
                let (_, cost) = tile_blocks::block_rows(self, machine);
                // Threads read the same filters: the first one brings them into the shared cache
                // for all.
                cost * elements as f64 + memory_cost(elements as f64) / threads + data
            }
            Schedule::FilterBlocks => {
                let tiles = filter_blocks::tiles_together(self);
                let turns = (self.tile_count() / tiles) as f64;
                let filter = elements as f64 * (OPERATIONS * vectors + LINE);
                let cost = product::step_cost(self, tiles, target) * elements as f64 + filter;
                // Every thread reads what all threads have transformed, once for all of its
                // outputs.
                let lines = (elements * self.tile_count() * 4) as f64 / 64.0;
                let outputs = self.output_blocks() as f64;
                let exchange = lines * EXCHANGE * (threads - 1.0) / threads / outputs;
                let far = filter_blocks::scratch_bytes(self) > machine.cache_bytes * 3 / 4;
                let again = if far { lines * FAR_LINE / threads } else { 0.0 };
                (cost * turns / threads).max(memory_cost((TAPS * TAPS) as f64))
                    + exchange
                    + again
                    + data
            }
        }
    }
}

/// Half cycles of the transform of a tile with `n` elements along an axis: two matrix products,
/// each with a load and a store.
fn transform_cost(n: usize) -> f64 {
    (2 * n * (2 * n + 4)) as f64
}
