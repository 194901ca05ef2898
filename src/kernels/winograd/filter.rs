//! The filters' transform `U = G g G^T` as a vector program, for layers whose filters are read from
//! memory once per run: reading nine values instead of sixteen or thirty-six.

use crate::codegen::vir::{Arith, Builder, Count, Mem, OverBudget, Program, Target, V};
use crate::kernels::conv::shorts::Stored;
use crate::kernels::geometry::F32;

use super::linear::{Constants, Group, groups, with_most_held};
use super::matrices::{Matrix, TAPS};

/// Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FilterTransform {
    /// The machine.
    pub target: Target,
    /// `G`.
    pub matrix: Matrix,
    /// Output channels that are transformed together, a multiple of the vector length.
    pub lanes: usize,
    /// Bytes between the elements of a transformed filter.
    pub element: i64,
    /// How the taps are stored.
    pub stored: Stored,
}

impl FilterTransform {
    /// Arguments: the first input channel's nine taps of `lanes` values, its first transformed
    /// element, and the number of input channels. If taps are in units of scales, those and
    /// the place of a vector of each tap come before the number. Both are consecutive over input channels.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        with_most_held(&self.matrix, |held| self.build(name.clone(), held))
    }

    fn build(&self, name: String, held: &[f32]) -> Result<Program, OverBudget> {
        let args = if self.stored == Stored::Shorts { 5 } else { 3 };
        let mut b = Builder::new(name, self.target, args);
        let (src, dst, count) = (b.arg(0), b.arg(1), b.arg(args - 1));
        let constants = Constants::held(&mut b, held);
        let lanes = self.lanes as i64;
        b.repeat(Count::Register(count), |b| {
            for lane in (0..lanes).step_by(self.target.lanes) {
                self.vector(b, &constants, lane);
            }
            b.advance(src, lanes * (TAPS * TAPS) as i64 * self.stored.bytes());
            b.advance(dst, lanes * F32);
        });
        b.finish()
    }

    /// The filters of one vector of output channels, a few rows of the result at a time because
    /// there are not enough registers for all rows.
    fn vector(&self, b: &mut Builder, constants: &Constants, lane: i64) {
        if self.stored == Stored::Shorts {
            self.widen(b, lane);
        }
        let dst = b.arg(1);
        let n = self.matrix.len();
        let mut row = 0;
        for group in groups(&self.matrix, TAPS) {
            let half: Vec<Vec<V>> = (0..TAPS)
                .map(|s| {
                    let taps = b.vectors(TAPS);
                    self.column(b, s, lane, &group, &taps);
                    let products = group.product(b, constants, &taps);
                    b.release(taps);
                    products
                })
                .collect();
            for i in 0..group.rows() {
                let inputs: Vec<V> = half.iter().map(|column| column[i]).collect();
                let mut column = 0;
                for group in groups(&self.matrix, TAPS) {
                    for value in group.product(b, constants, &inputs) {
                        let at = ((row + i) * n + column) as i64 * self.element + lane * F32;
                        b.store(dst.at(at), value);
                        b.release([value]);
                        column += 1;
                    }
                }
            }
            b.release(half.into_iter().flatten());
            row += group.rows();
        }
    }

    /// Loads the taps of a column of the filters that a group of rows reads.
    fn column(&self, b: &mut Builder, column: usize, lane: i64, group: &Group, taps: &[V]) {
        for (row, &tap) in taps.iter().enumerate().filter(|(row, _)| group.reads(*row)) {
            let at = (row * TAPS + column) as i64 * self.lanes as i64 + lane;
            match self.stored {
                Stored::Floats => b.load(tap, b.arg(0).at(at * F32)),
                Stored::Shorts => b.load(tap, self.widened(b, row * TAPS + column)),
            }
        }
    }

    /// Converts the taps of a vector of outputs, which are then read several times.
    fn widen(&self, b: &mut Builder, lane: i64) {
        let [scale, value] = [b.vector(), b.vector()];
        b.load(scale, b.arg(2).at(lane * F32));
        for tap in 0..TAPS * TAPS {
            let at = tap as i64 * self.lanes as i64 + lane;
            let place = b.arg(0).at(at * Stored::Shorts.bytes());
            Stored::Shorts.load(b, value, place);
            b.arith(Arith::Mul, value, value, scale);
            b.store(self.widened(b, tap), value);
        }
        b.release([scale, value]);
    }

    /// Where a tap is that was converted.
    fn widened(&self, b: &Builder, tap: usize) -> Mem {
        b.arg(3).at(tap as i64 * self.target.vector_bytes())
    }
}
