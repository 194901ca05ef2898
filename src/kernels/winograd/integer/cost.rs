//! What the algorithm costs, how it is cut into chunks, and how large transformed values are.

use resnetc_ir::ty::BLOCK;

use crate::codegen::vir::Target;
use crate::kernels::conv::cost::{MEMORY, product_cost};
use crate::kernels::conv::{Dot, budget};
use crate::kernels::sink::Machine;
use crate::kernels::tiling::split;

use super::super::product::vectors_of;
use super::super::tile_blocks::{Cut, cheapest};
use super::super::{Tiling, spread};

/// Bytes of a transformed value.
pub(super) const SHORT: i64 = 2;

/// Half cycles to read a line of filters from the second- or third-level cache.
const FILTER_LINE: f64 = 3.0;

/// Vector operations of a transform, for each element of a tile.
const OPERATIONS: f64 = 15.0;

/// Vector operations per half cycle.
const RATE: f64 = 1.4;

/// Bytes from one transformed tile to the next: its channels, and a cache line that keeps tiles out
/// of each other's cache sets.
pub(super) fn value_tile(form: &Tiling) -> i64 {
    form.inputs.next_multiple_of(BLOCK) as i64 * SHORT + 64
}

/// Bytes from one element of the transformed input to the next, with `tiles` tiles.
pub(super) fn value_element(form: &Tiling, tiles: usize) -> i64 {
    spread(value_tile(form) * tiles as i64)
}

/// Pixels of the widest register tile.
pub(super) fn widest(target: Target, vectors: usize) -> usize {
    budget::widest(target, vectors, true, Dot::Pairs.registers(target)).unwrap_or(1)
}

/// Half cycles of one step of the reduction over all tiles, for 16 outputs.
fn step_cost(form: &Tiling, tiles: usize, target: Target) -> f64 {
    let vectors = vectors(form, tiles, target);
    let blocks = (vectors * target.lanes) as f64 / BLOCK as f64;
    split(tiles, widest(target, vectors), vectors).1 as f64 * product_cost(Dot::Pairs, target)
        / blocks
}

/// How many vectors of outputs a product computes at a time.
pub(super) fn vectors(form: &Tiling, tiles: usize, target: Target) -> usize {
    vectors_of(form, tiles, target, |vectors| Some(widest(target, vectors)))
}

/// The cheapest cut, and what all of it costs: half cycles of a thread for two input channels and
/// 16 outputs.
pub(super) fn cut(form: &Tiling, machine: &Machine) -> (Cut, f64) {
    let target = machine.target;
    let bytes = |rows: usize| {
        let tiles = rows * form.tiles[1];
        let group = vectors(form, tiles, target) * target.lanes / BLOCK;
        value_element(form, tiles) * form.elements() as i64
            + form.product_block(tiles) * group as i64
    };
    let block = |rows: usize| step_cost(form, rows * form.tiles[1], target) + FILTER_LINE;
    let (cut, products) = cheapest(form, machine, bytes, block);
    let elements = form.elements() as f64;
    // Each filter is read from memory once, by the thread that needs it first.
    let line = 64.0 * elements / MEMORY / machine.threads as f64;
    let transform = elements * OPERATIONS / RATE;
    // A block of channels is a vector of 16 bits, and as many vectors of sums as lanes require.
    let tiles = form.tile_count() as f64 / machine.threads as f64;
    let input = tiles * transform / form.output_blocks() as f64 / 8.0;
    let vectors = BLOCK as f64 / target.lanes as f64;
    let output = tiles * vectors * transform / (form.inputs as f64 / 2.0);
    (cut, products * elements + line + input + output)
}
