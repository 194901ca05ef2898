//! Direct convolution or Winograd's, which tile, which schedule: a small cost model, the same on every run.
//!
//! Costs are half cycles of a core, as in [`tiling`](crate::kernels::tiling), for one input channel and 16 outputs: what
//! the multiply-adds take, what it takes to read the weights from memory (meanwhile, where they are brought near ahead of
//! their use), and what it takes to move the transformed values.

use std::fmt;
use std::str::FromStr;

use resnetc_ir::TensorType;
use resnetc_ir::op::{Conv, Op};
use resnetc_ir::ty::Layout;

use crate::kernels::conv::micro::widest_tile;
use crate::kernels::sink::Machine;
use crate::kernels::tiling::split;

use super::matrices::TAPS;
use super::{Form, Schedule, Tile, filter_blocks, product, tile_blocks};

/// How a step is computed, where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// As the operator is defined.
    #[default]
    Direct,
    /// By Winograd's minimal filtering.
    Winograd(Tile, Schedule),
}

/// All algorithms, direct convolution first.
pub const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Direct,
    Algorithm::Winograd(Tile::Two, Schedule::TileBlocks),
    Algorithm::Winograd(Tile::Two, Schedule::FilterBlocks),
    Algorithm::Winograd(Tile::Four, Schedule::TileBlocks),
    Algorithm::Winograd(Tile::Four, Schedule::FilterBlocks),
];

/// Bytes of weights that memory gives in a half cycle while all cores compute. Measured on two server CPUs, of which one
/// core gets as much if it does nothing but read.
const BYTES_PER_HALF_CYCLE: f64 = 3.0;

/// Operations on vectors for each element of a transformed filter.
const OPERATIONS: f64 = 1.5;

/// Half cycles to write a line of transformed filters, which the first cache does not hold, and to read it again.
const LINE: f64 = 8.5;

/// What direct convolution takes by what its multiply-adds alone would.
const DIRECT: f64 = 1.12;

/// Half cycles to read a line that another core has written, many of them at a time.
const EXCHANGE: f64 = 100.0;

/// Half cycles to read a line again that the second cache does not hold.
const FAR_LINE: f64 = 4.0;

/// Threads for which algorithms are chosen, whatever runs them: two algorithms round differently, and a result must not
/// depend on the number of threads. From two on, values have to move between cores.
const JUDGED_THREADS: usize = 2;

impl Algorithm {
    /// The cheapest algorithm for an operator by the model. It depends neither on the number of threads nor on that of
    /// the images.
    pub fn choose(
        op: &Op,
        operands: &[&TensorType],
        dst: &TensorType,
        machine: &Machine,
    ) -> Algorithm {
        let Some((conv, src, dst_shape)) = convolution(op, operands, dst) else {
            return Algorithm::Direct;
        };
        let machine = Machine { threads: JUDGED_THREADS, ..*machine };
        let one = |[_, c, h, w]: [usize; 4]| [1, c, h, w];
        let direct = direct_cost(conv, one(dst_shape), &machine);
        let cost = |algorithm: &Algorithm| match *algorithm {
            Algorithm::Direct => Some(direct),
            Algorithm::Winograd(tile, schedule) => {
                let form = Form::of(tile, conv, one(src), one(dst_shape)).ok()?;
                Some(form.cost(schedule, &machine))
            }
        };
        let costs = ALGORITHMS.iter().filter_map(|a| Some((cost(a)?, *a)));
        let best = costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, a)| a);
        // All images together may be too many for what one is small enough for.
        best.filter(|a| a.form(op, operands, dst).is_some()).unwrap_or_default()
    }

    /// The algorithms that can compute an operator.
    pub fn candidates(op: &Op, operands: &[&TensorType], dst: &TensorType) -> Vec<Algorithm> {
        let able = |a: &Algorithm| *a == Algorithm::Direct || a.form(op, operands, dst).is_some();
        ALGORITHMS.into_iter().filter(able).collect()
    }

    /// Bytes of scratch memory that a step needs in the arena.
    pub fn scratch_bytes(self, op: &Op, operands: &[&TensorType], dst: &TensorType) -> usize {
        match self {
            Algorithm::Winograd(_, Schedule::FilterBlocks) => {
                self.form(op, operands, dst).map_or(0, |form| filter_blocks::scratch_bytes(&form))
            }
            _ => 0,
        }
    }

    fn form(self, op: &Op, operands: &[&TensorType], dst: &TensorType) -> Option<Form> {
        let Algorithm::Winograd(tile, _) = self else { return None };
        let (conv, src, dst) = convolution(op, operands, dst)?;
        Form::of(tile, conv, src, dst).ok()
    }
}

/// A convolution of a blocked value, with the shapes of source and result.
fn convolution<'a>(
    op: &'a Op,
    operands: &[&TensorType],
    dst: &TensorType,
) -> Option<(&'a Conv, [usize; 4], [usize; 4])> {
    let (Op::Conv(conv), Some(src)) = (op, operands.first()) else { return None };
    (src.layout == Layout::Blocked && conv.projection.is_none()).then_some(())?;
    Some((conv, src.nchw()?, dst.nchw()?))
}

/// What reading one input channel's weights of 16 outputs takes, `values` for each.
fn memory_cost(values: usize) -> f64 {
    (values * 16 * 4) as f64 / BYTES_PER_HALF_CYCLE
}

fn direct_cost(conv: &Conv, dst: [usize; 4], machine: &Machine) -> f64 {
    let target = machine.target;
    let block = (16 / target.lanes).max(1);
    let widest = widest_tile(target, block, true).unwrap_or(1);
    let [images, _, rows, columns] = dst;
    let taps = conv.window.kernel[0] * conv.window.kernel[1];
    let cost = split(rows * columns, widest, block).1 * images * taps;
    (cost as f64 * DIRECT / machine.threads as f64).max(memory_cost(taps))
}

impl Form {
    fn cost(&self, schedule: Schedule, machine: &Machine) -> f64 {
        let (target, threads) = (machine.target, machine.threads as f64);
        let vectors = 16.0 / target.lanes as f64;
        let elements = self.elements();
        // A tile's transforms for 16 channels at a time, whose cost all channels of the other side share.
        let data = (transform_cost(self.transforms.input.len()) / self.outputs as f64
            + transform_cost(self.transforms.output[0].len()) / self.inputs as f64)
            * vectors
            * self.tile_count() as f64
            / threads;
        match schedule {
            Schedule::TileBlocks => {
                let (_, cost) = tile_blocks::block_rows(self, machine);
                // Threads read the same filters: who comes first brings them near for all.
                cost * elements as f64 + memory_cost(elements) / threads + data
            }
            Schedule::FilterBlocks => {
                let tiles = filter_blocks::tiles_together(self);
                let turns = (self.tile_count() / tiles) as f64;
                let filter = elements as f64 * (OPERATIONS * vectors + LINE);
                let cost = product::step_cost(self, tiles, target) * elements as f64 + filter;
                // All threads read what each has transformed, once for all of their outputs.
                let lines = (elements * self.tile_count() * 4) as f64 / 64.0;
                let outputs = self.output_blocks() as f64;
                let exchange = lines * EXCHANGE * (threads - 1.0) / threads / outputs;
                let far = filter_blocks::scratch_bytes(self) > machine.cache_bytes * 3 / 4;
                let again = if far { lines * FAR_LINE / threads } else { 0.0 };
                (cost * turns / threads).max(memory_cost(TAPS * TAPS)) + exchange + again + data
            }
        }
    }
}

/// Half cycles of a tile's transform, `n` elements along an axis: two products with a matrix, a load and a store each.
fn transform_cost(n: usize) -> f64 {
    (2 * n * (2 * n + 4)) as f64
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Algorithm::Winograd(tile, schedule) = self else { return f.write_str("direct") };
        let outputs = match tile {
            Tile::Two => 2,
            Tile::Four => 4,
        };
        let schedule = match schedule {
            Schedule::TileBlocks => "tile_blocks",
            Schedule::FilterBlocks => "filter_blocks",
        };
        write!(f, "winograd_f{outputs}_{schedule}")
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = ALGORITHMS.into_iter().find(|a| a.to_string() == name);
        known.ok_or_else(|| format!("unknown algorithm \"{name}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read() {
        for algorithm in ALGORITHMS {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
    }
}
