//! What a layer costs, and how it is cut into chunks: with as many rows and outputs as fit the
//! core's cache and still leave work for all threads.
//!
//! Costs are half cycles of a core, as in [`tiling`](crate::kernels::tiling). No CPU with tiles has
//! been measured: they follow from the instructions. A product of tiles takes 16 cycles, its result
//! is available after 52, and 8 cycles load a tile from the first-level cache (Intel, "64 and IA-32
//! Architectures Optimization Reference Manual", volume 1, chapter "Intel AMX").

use resnetc_ir::ty::BLOCK;

use crate::kernels::sink::Machine;

use super::super::cost::{CALL, FAR, far_lines, reading};
use super::form::{Form, TOGETHER};

/// A product of two tiles, and its share of the loads that stall it: both factors come from the
/// second-level cache, which delivers a line in two cycles.
const DOT: f64 = 40.0;

/// The least that the products of a step take: each waits for that of the step before.
const LATENCY: f64 = 104.0;

/// Copying a position of a block of channels: a load, a store, and its share of a line from the
/// second-level cache.
const COPY: f64 = 2.0;

/// Storing the sums of a block of outputs of a position, and loading them again.
const SUMS: f64 = 4.0;

/// How a layer is cut into chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    /// Rows of the result.
    pub(super) rows: usize,
    /// Parts of the outputs of a group.
    pub(super) parts: usize,
    /// The cost on the thread with the most work: half cycles for two input channels and 16
    /// outputs.
    pub(super) cost: f64,
}

impl Form {
    /// The cheapest cut for a machine.
    pub(super) fn cut(&self, machine: &Machine) -> Cut {
        let panels = self.blocks() / TOGETHER;
        let parts: Vec<usize> = match self.blocks().is_multiple_of(TOGETHER) {
            false => vec![1],
            true => {
                (1..=panels.min(machine.parts())).filter(|p| panels.is_multiple_of(*p)).collect()
            }
        };
        let most = machine.cache_bytes as i64 * 3 / 4;
        let fits = |rows: &usize| *rows == 1 || self.memory(*rows).end <= most;
        let rows = (1..=self.positions.size[0]).take_while(fits);
        let cuts = rows.flat_map(|rows| parts.iter().map(move |&parts| (rows, parts)));
        let cut = |(rows, parts)| Cut { rows, parts, cost: self.cost(rows, parts, machine) };
        let best = cuts.map(cut).min_by(|a, b| a.cost.total_cmp(&b.cost));
        best.unwrap_or_else(|| cut((1, 1)))
    }

    /// The cost of a layer whose chunks have this many rows, and a part of the outputs.
    fn cost(&self, rows: usize, parts: usize, machine: &Machine) -> f64 {
        let stripes = self.positions.size[0].div_ceil(rows) * self.images;
        let turns = (stripes * self.groups * parts).div_ceil(machine.threads);
        let blocks = self.blocks().div_ceil(parts);
        let copied = (self.positions.pixels(rows) * self.planes()) as f64 * COPY;
        let copies = (self.positions.phases.len() * self.runs().len()) as f64 * CALL;
        let panels = [(blocks / TOGETHER, TOGETHER), (1, blocks % TOGETHER)];
        let products = panels.map(|(count, blocks)| count as f64 * self.panel_cost(rows, blocks));
        // Each panel reads the values, from a farther cache if there are too many.
        let far = far_lines(self.memory(rows).end, machine) * FAR;
        let turn =
            copied + copies + products.iter().sum::<f64>() + far * blocks.div_ceil(TOGETHER) as f64;
        let layer = turns as f64 * turn + self.weights_cost(turns, parts, machine);
        machine.rates.byte_tiles * layer * 2.0 / (self.inputs * self.blocks() * self.groups) as f64
    }

    /// The cost of a panel of some blocks of outputs.
    fn panel_cost(&self, rows: usize, blocks: usize) -> f64 {
        if blocks == 0 {
            return 0.0;
        }
        let step = |tiles: usize| match tiles * blocks {
            0 => 0.0,
            products => (products as f64 * DOT).max(LATENCY),
        };
        let tiles = self.positions.tiles(rows);
        let turns = (tiles / TOGETHER) as f64 * step(TOGETHER) + step(tiles % TOGETHER);
        let steps = (self.steps() * self.taps()) as f64;
        let sums = (tiles * BLOCK * blocks) as f64 * SUMS;
        turns * steps + sums + 2.0 * CALL
    }

    /// The time that a thread with `turns` chunks waits for weights. They are prefetched, but not
    /// without delay.
    fn weights_cost(&self, turns: usize, parts: usize, machine: &Machine) -> f64 {
        let own = (self.groups * parts).min(turns);
        let share = own as f64 / (self.groups * parts) as f64;
        let all = (self.blocks() * self.groups) as f64 * self.block_bytes() as f64;
        let bytes = all * share;
        reading(bytes, (turns / own) as f64, machine)
    }
}
