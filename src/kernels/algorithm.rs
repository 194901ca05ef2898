//! How a convolution is computed, where there is a choice: a small cost model, the same on every run.
//!
//! Costs are half cycles of a core, as in [`tiling`](super::tiling), for one input channel and 16 outputs.

use std::fmt;
use std::str::FromStr;

use resnetc_ir::op::{Conv, Op};
use resnetc_ir::ty::Layout;
use resnetc_ir::{Tensor, TensorType};

use crate::codegen::vir::Target;

use super::conv::micro::widest_tile;
use super::fixed::{self, Fixed, Shapes};
use super::sink::Machine;
use super::tiling::{memory_cost, split};
use super::winograd;
use super::winograd::{Schedule, Tile, filter_blocks};

/// How a step is computed, where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// As the operator is defined.
    #[default]
    Direct,
    /// By Winograd's minimal filtering.
    Winograd(Tile, Schedule),
    /// By tile registers, numbers with a fixed point as three bytes.
    FixedPoint,
}

/// All algorithms, direct convolution first.
pub const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Direct,
    Algorithm::Winograd(Tile::Two, Schedule::TileBlocks),
    Algorithm::Winograd(Tile::Two, Schedule::FilterBlocks),
    Algorithm::Winograd(Tile::Four, Schedule::TileBlocks),
    Algorithm::Winograd(Tile::Four, Schedule::FilterBlocks),
    Algorithm::FixedPoint,
];

/// What direct convolution takes by what its multiply-adds alone would.
const DIRECT: f64 = 1.12;

/// Threads for which algorithms are chosen, whatever runs them: two algorithms round differently, and a result must not
/// depend on the number of threads. From two on, values have to move between cores.
const JUDGED_THREADS: usize = 2;

/// An algorithm with the shapes that it is for.
enum Form {
    Direct,
    Winograd(winograd::Form, Schedule),
    FixedPoint(Fixed),
}

impl Algorithm {
    /// The cheapest algorithm for an operator by the model; `weights` are its own. It depends neither on the number of threads nor on that of
    /// the images.
    pub fn choose(
        op: &Op,
        operands: &[&TensorType],
        weights: &[&Tensor],
        dst: &TensorType,
        machine: &Machine,
    ) -> Algorithm {
        let Some(all) = Problem::of(op, operands, dst) else { return Algorithm::Direct };
        let all = Problem { weights, ..all };
        let mut one = all;
        let Shapes { src, residual, projected, dst, .. } = &mut one.shapes;
        [src, dst].into_iter().chain(residual).chain(projected).for_each(|shape| shape[0] = 1);
        let machine = Machine { threads: JUDGED_THREADS, ..*machine };
        let cost = |algorithm: &Algorithm| {
            Some(one.form(*algorithm, machine.target)?.cost(&one, &machine))
        };
        let costs = ALGORITHMS.iter().filter_map(|a| Some((cost(a)?, *a)));
        let best = costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, a)| a);
        // All images together may be too many for what one is small enough for.
        let able = |a: &Algorithm| all.form(*a, machine.target).is_some();
        best.filter(able).unwrap_or_default()
    }

    /// The algorithms that can compute an operator with these weights on a target.
    pub fn candidates(
        op: &Op,
        operands: &[&TensorType],
        weights: &[&Tensor],
        dst: &TensorType,
        target: Target,
    ) -> Vec<Algorithm> {
        let problem = Problem::of(op, operands, dst).map(|p| Problem { weights, ..p });
        let can = |a: &Algorithm| problem.as_ref().is_some_and(|p| p.form(*a, target).is_some());
        let able = |a: &Algorithm| *a == Algorithm::Direct || can(a);
        ALGORITHMS.into_iter().filter(able).collect()
    }

    /// Bytes that a step needs in the arena to keep what it finds out about the range of its result, for a convolution that
    /// reads it; 0 if it finds out nothing.
    pub fn range_bytes(
        self,
        op: &Op,
        operands: &[&TensorType],
        dst: &TensorType,
        machine: &Machine,
    ) -> usize {
        let problem = Problem::of(op, operands, dst).filter(|_| self == Algorithm::FixedPoint);
        problem.and_then(|p| p.fixed()).map_or(0, |form| form.range_bytes(machine))
    }

    /// Bytes of scratch memory that a step needs in the arena.
    pub fn scratch_bytes(self, op: &Op, operands: &[&TensorType], dst: &TensorType) -> usize {
        let Some(problem) = Problem::of(op, operands, dst) else { return 0 };
        match self {
            Algorithm::Winograd(tile, Schedule::FilterBlocks) => {
                problem.winograd(tile).map_or(0, |form| filter_blocks::scratch_bytes(&form))
            }
            Algorithm::FixedPoint => problem.fixed().map_or(0, |form| form.scratch_bytes()),
            Algorithm::Direct | Algorithm::Winograd(_, Schedule::TileBlocks) => 0,
        }
    }
}

/// A convolution with the shapes of its operands and its result.
#[derive(Clone, Copy)]
struct Problem<'a> {
    conv: &'a Conv,
    /// Where they are known.
    weights: &'a [&'a Tensor],
    shapes: Shapes,
}

impl<'a> Problem<'a> {
    fn of(op: &'a Op, operands: &[&TensorType], dst: &TensorType) -> Option<Self> {
        let (Op::Conv(conv), Some(src)) = (op, operands.first()) else { return None };
        (dst.layout == Layout::Blocked).then_some(())?;
        let shape = |operand: Option<usize>| operands.get(operand?)?.nchw();
        let shapes = Shapes {
            layout: src.layout,
            src: src.nchw()?,
            residual: shape(conv.residual_operand()),
            projected: shape(conv.projected_operand()),
            dst: dst.nchw()?,
        };
        Some(Problem { conv, weights: &[], shapes })
    }

    fn winograd(&self, tile: Tile) -> Option<winograd::Form> {
        let Shapes { layout, src, dst, .. } = self.shapes;
        let able = layout == Layout::Blocked && self.conv.projection.is_none();
        able.then(|| winograd::Form::of(tile, self.conv, src, dst).ok())?
    }

    fn fixed(&self) -> Option<Fixed> {
        Fixed::of(self.conv, &self.shapes).ok()
    }

    fn form(&self, algorithm: Algorithm, target: Target) -> Option<Form> {
        match algorithm {
            Algorithm::Direct => Some(Form::Direct),
            Algorithm::Winograd(tile, schedule) => {
                Some(Form::Winograd(self.winograd(tile)?, schedule))
            }
            Algorithm::FixedPoint if target.tiles == 0 => None,
            Algorithm::FixedPoint => {
                let form = self.fixed()?;
                let even = self.weights.iter().all(|weights| fixed::is_even(weights));
                even.then_some(Form::FixedPoint(form))
            }
        }
    }
}

impl Form {
    fn cost(&self, problem: &Problem<'_>, machine: &Machine) -> f64 {
        match self {
            Form::Direct => direct_cost(problem.conv, &problem.shapes, machine),
            Form::Winograd(form, schedule) => form.cost(*schedule, machine),
            Form::FixedPoint(form) => form.cost(machine),
        }
    }
}

fn direct_cost(conv: &Conv, shapes: &Shapes, machine: &Machine) -> f64 {
    let target = machine.target;
    let block = (16 / target.lanes).max(1);
    let widest = widest_tile(target, block, true).unwrap_or(1);
    let [images, _, rows, columns] = shapes.dst;
    let taps = conv.window.kernel[0] * conv.window.kernel[1];
    let cost = split(rows * columns, widest, block).1 * images * taps;
    // The channels of a projection, of one tap, are summed with the others.
    let projected = shapes.projected.map_or(0, |[_, channels, ..]| channels);
    let all = 1.0 + projected as f64 / (shapes.src[1] * taps) as f64;
    all * (cost as f64 * DIRECT / machine.threads as f64).max(memory_cost(taps as f64))
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tile, schedule) = match self {
            Algorithm::Direct => return f.write_str("direct"),
            Algorithm::FixedPoint => return f.write_str("fixed_point"),
            Algorithm::Winograd(tile, schedule) => (tile, schedule),
        };
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
