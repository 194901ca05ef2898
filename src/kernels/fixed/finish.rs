//! What comes behind the sums: the values' unit, bias, shortcut, activation.

use resnetc_ir::op::Activation;

use crate::codegen::vir::{Arith, Builder, Count, Integer, Mem, OverBudget, P, Program, Target, V};
use crate::kernels::conv::micro::activate;

use super::number::MAGNITUDE;
use super::{BIAS, ROW, UNIT};

/// What becomes of sums. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Epilogue {
    /// Whether a shortcut is added.
    pub(super) residual: bool,
    /// What comes last.
    pub(super) activation: Activation,
    /// Whether the greatest magnitude is kept.
    pub(super) ranges: bool,
}

/// The registers of an epilogue.
pub(super) struct Ends {
    /// The values' unit.
    unit: V,
    /// The greatest magnitudes so far, and the bits of magnitudes.
    greatest: Option<[V; 2]>,
}

impl Epilogue {
    /// What is the same for all results; `range` is where the greatest magnitudes are kept.
    pub(super) fn begin(&self, b: &mut Builder, thread: P, range: P) -> Ends {
        let unit = b.vector();
        b.load(unit, thread.at(UNIT));
        let greatest = self.ranges.then(|| {
            let [greatest, mask] = [b.vector(), b.vector()];
            b.load(greatest, range.at(0));
            b.bits(mask, MAGNITUDE);
            [greatest, mask]
        });
        Ends { unit, greatest }
    }

    /// Makes results of the sums of some rows. `shortcut` says where that of a row is, if there is one.
    pub(super) fn emit(
        &self,
        b: &mut Builder,
        ends: &Ends,
        sums: &[V],
        bias: V,
        shortcut: impl Fn(usize) -> Option<Mem>,
    ) {
        let other = b.vector();
        for (row, &sum) in sums.iter().enumerate() {
            b.arith(Arith::Mul, sum, sum, ends.unit);
            b.arith(Arith::Add, sum, sum, bias);
            if let Some(place) = shortcut(row) {
                b.load(other, place);
                b.arith(Arith::Add, sum, sum, other);
            }
        }
        activate(b, self.activation, sums);
        if let Some([greatest, mask]) = ends.greatest {
            for &sum in sums {
                b.integer(Integer::And, other, sum, mask);
                b.integer(Integer::Max, greatest, greatest, other);
            }
        }
        b.release([other]);
    }

    /// Writes what was kept.
    pub(super) fn end(&self, b: &mut Builder, ends: &Ends, range: P) {
        if let Some([greatest, _]) = ends.greatest {
            b.store(range.at(0), greatest);
        }
    }
}

/// Sums of 16 outputs to a row of the result. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finish {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// What becomes of them.
    pub(super) epilogue: Epilogue,
}

/// Pixels in a turn.
const TOGETHER: usize = 8;

impl Finish {
    /// Arguments: the sums, the block's [`CONSTANTS`](super::CONSTANTS), the thread's memory, the result, the shortcut where
    /// there is one, and the place of the greatest magnitudes where they are kept.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let Epilogue { residual, ranges, .. } = self.epilogue;
        let args = 4 + usize::from(residual) + usize::from(ranges);
        let mut b = Builder::new(name, self.target, args);
        let (range, added) = (b.arg(args - 1), residual.then(|| b.arg(4)));
        let bias = b.vector();
        b.load(bias, b.arg(1).at(BIAS));
        let thread = b.arg(2);
        let ends = self.epilogue.begin(&mut b, thread, range);
        let moved: Vec<P> = [b.arg(0), b.arg(3)].into_iter().chain(added).collect();
        let run = |b: &mut Builder, count: usize, together: usize| {
            b.repeat(Count::Fixed(count as u32), |b| {
                let values = b.vectors(together);
                let at = |i: usize| i as i64 * ROW;
                values.iter().enumerate().for_each(|(i, &v)| b.load(v, b.arg(0).at(at(i))));
                self.epilogue.emit(b, &ends, &values, bias, |i| Some(added?.at(at(i))));
                values.iter().enumerate().for_each(|(i, &v)| b.store(b.arg(3).at(at(i)), v));
                b.release(values);
                moved.iter().for_each(|&p| b.advance(p, at(together)));
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        self.epilogue.end(&mut b, &ends, range);
        b.finish()
    }
}
