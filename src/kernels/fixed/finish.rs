//! What follows the sums: the values' scale, bias, shortcut, activation.

use crate::codegen::vir::{Arith, Builder, Count, Mem, OverBudget, P, Program, Target, V};
use crate::kernels::epilogue::{Epilogue, Growing};

use super::sizes::{BIAS, ROW, SCALE};

/// How sums of digits end. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finishing {
    /// Whether a shortcut is added.
    pub(super) residual: bool,
    /// What follows bias and shortcut.
    pub(super) epilogue: Epilogue,
}

/// The registers of an epilogue.
pub(super) struct Ends {
    /// The values' scale.
    scale: V,
    growing: Growing,
}

impl Finishing {
    /// How many optional arguments a program has: the shortcut, and the place where it publishes.
    pub(super) fn args(&self) -> usize {
        usize::from(self.residual) + usize::from(self.epilogue.publishes.is_some())
    }

    /// Loads what is the same for all results; `place` is where the abs-max is published.
    pub(super) fn begin(&self, b: &mut Builder, thread: P, place: P) -> Ends {
        let scale = b.vector();
        b.load(scale, thread.at(SCALE));
        Ends { scale, growing: self.epilogue.begin(b, place) }
    }

    /// Turns the sums of some rows into results. `shortcut` gives the place of a row's shortcut, if
    /// there is one.
    pub(super) fn emit(
        &self,
        b: &mut Builder,
        ends: &Ends,
        sums: &[V],
        bias: V,
        shortcut: impl Fn(usize) -> Option<Mem>,
    ) {
        self.epilogue.finish(b, &ends.growing, sums, |b, row, sum| {
            b.arith(Arith::Mul, sum, sum, ends.scale);
            b.arith(Arith::Add, sum, sum, bias);
            if let Some(place) = shortcut(row) {
                let other = b.vector();
                b.load(other, place);
                b.arith(Arith::Add, sum, sum, other);
                b.release([other]);
            }
        });
    }

    /// Publishes the abs-max.
    pub(super) fn end(&self, b: &mut Builder, ends: &Ends, place: P) {
        self.epilogue.end(b, &ends.growing, place);
    }
}

/// Turns the sums of 16 outputs into a row of the result. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finish {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// How their sums end.
    pub(super) finishing: Finishing,
}

/// Pixels per iteration.
const TOGETHER: usize = 8;

impl Finish {
    /// Arguments: the sums, the block's [`CONSTANTS`](super::sizes::CONSTANTS), the thread's memory, the
    /// result, the shortcut if there is one, and the place where the abs-max is published, if it
    /// is.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let args = 4 + self.finishing.args();
        let mut b = Builder::new(name, self.target, args);
        let (place, added) = (b.arg(args - 1), self.finishing.residual.then(|| b.arg(4)));
        let bias = b.vector();
        b.load(bias, b.arg(1).at(BIAS));
        let thread = b.arg(2);
        let ends = self.finishing.begin(&mut b, thread, place);
        let moved: Vec<P> = [b.arg(0), b.arg(3)].into_iter().chain(added).collect();
        let run = |b: &mut Builder, count: usize, together: usize| {
            b.repeat(Count::Fixed(count as u32), |b| {
                let values = b.vectors(together);
                let at = |i: usize| i as i64 * ROW;
                values.iter().enumerate().for_each(|(i, &v)| b.load(v, b.arg(0).at(at(i))));
                self.finishing.emit(b, &ends, &values, bias, |i| Some(added?.at(at(i))));
                values.iter().enumerate().for_each(|(i, &v)| b.store(b.arg(3).at(at(i)), v));
                b.release(values);
                moved.iter().for_each(|&p| b.advance(p, at(together)));
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        self.finishing.end(&mut b, &ends, place);
        b.finish()
    }
}
