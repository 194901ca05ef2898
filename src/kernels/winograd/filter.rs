//! The filters' transform `U = G g G^T` as a vector program, for layers whose filters are read from
//! memory once per run: reading nine values instead of sixteen or thirty-six.

use crate::codegen::vir::{Builder, Count, OverBudget, Program, Target, V};

use super::linear::{Constants, groups};
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
}

impl FilterTransform {
    /// Arguments: the first input channel's nine taps of `lanes` values, its first transformed
    /// element, and the number of input channels. Both are consecutive over input channels.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst, count) = (b.arg(0), b.arg(1), b.arg(2));
        let constants = Constants::of(&mut b, &self.matrix);
        let bytes = self.lanes as i64 * 4;
        b.repeat(Count::Register(count), |b| {
            for lane in (0..bytes).step_by(self.target.vector_bytes() as usize) {
                self.vector(b, &constants, lane);
            }
            b.advance(src, bytes * (TAPS * TAPS) as i64);
            b.advance(dst, bytes);
        });
        b.finish()
    }

    /// The filters of one vector of output channels, a few rows of the result at a time because
    /// there are not enough registers for all rows.
    fn vector(&self, b: &mut Builder, constants: &Constants, lane: i64) {
        let (src, dst) = (b.arg(0), b.arg(1));
        let n = self.matrix.len();
        let mut row = 0;
        for group in groups(&self.matrix, TAPS) {
            let half: Vec<Vec<V>> = (0..TAPS)
                .map(|s| {
                    let taps = b.vectors(TAPS);
                    for (t, &tap) in taps.iter().enumerate() {
                        let at = (t * TAPS + s) as i64 * self.lanes as i64 * 4 + lane;
                        b.load(tap, src.at(at));
                    }
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
                        let at = ((row + i) * n + column) as i64 * self.element + lane;
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
}
