//! The cost of a layer with Winograd's algorithm.
//!
//! Costs are half cycles of a core, as in [`tiling`](crate::kernels::tiling), for one input channel
//! and 16 outputs: the multiply-adds, reading the weights from memory (concurrently, if they are
//! prefetched), and moving the transformed values.

use crate::kernels::conv::shorts::Stored;
use crate::kernels::sink::Machine;

use super::matrices::TAPS;
use super::{Schedule, Tiling, filter_blocks, product, tile_blocks};

impl Tiling {
    /// The cost with a schedule.
    pub(in crate::kernels) fn cost(
        &self,
        schedule: Schedule,
        stored: Stored,
        machine: &Machine,
    ) -> f64 {
        let (target, threads) = (machine.target, machine.threads as f64);
        let rates = &machine.rates;
        let vectors = 16.0 / target.lanes as f64;
        let elements = self.elements();
        // A tile's transforms, for 16 channels at a time; all channels of the other side share
        // their cost.
        let data = (transform_cost(self.transforms.input.len()) / self.outputs as f64
            + transform_cost(self.transforms.output[0].len()) / self.inputs as f64)
            * vectors
            * self.tile_count() as f64
            * rates.transform
            / threads;
        // In the unit of the costs.
        let region = rates.region * (threads - 1.0) / (self.inputs * self.output_blocks()) as f64;
        match schedule {
            Schedule::TileBlocks => {
                let cost = tile_blocks::products_cost(self, machine);
                // Threads read the same filters: the first one brings them into the shared cache
                // for all.
                let memory = rates.memory_cost((elements * 4) as f64) / threads;
                cost * elements as f64 + memory + data + region
            }
            Schedule::FilterBlocks => {
                let tiles = filter_blocks::tiles_together(self);
                let turns = (self.tile_count() / tiles) as f64;
                let filter =
                    elements as f64 * (rates.filter_operation * vectors + rates.filter_line);
                let cost = product::step_cost(self, tiles, target) * elements as f64 + filter;
                // Every thread reads what all threads have transformed, once for all of its
                // outputs.
                let lines = (elements * self.tile_count() * 4) as f64 / 64.0;
                let outputs = self.output_blocks() as f64;
                let exchange = lines * rates.exchange * (threads - 1.0) / threads / outputs;
                let far = filter_blocks::scratch_bytes(self) > machine.cache_bytes * 3 / 4;
                let again = if far { lines * rates.far_line / threads } else { 0.0 };
                let memory = rates.memory_cost((TAPS * TAPS) as f64 * stored.bytes() as f64);
                let products = (cost * turns / threads).max(memory);
                products + exchange + again + data + 2.0 * region
            }
        }
    }
}

/// Half cycles of the transform of a tile with `n` elements along an axis: two matrix products,
/// each with a load and a store.
fn transform_cost(n: usize) -> f64 {
    (2 * n * (2 * n + 4)) as f64
}
