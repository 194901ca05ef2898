//! From sums to results: biases and rounding.

use crate::codegen::vir::{Builder, Count, Integer, Mem, OverBudget, P, Program, Target};
use crate::kernels::conv::bytes::Rounding;

use super::super::sizes::{BIAS, ROW};

/// Turns the sums of 16 outputs into a row of the result. Everything that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finish {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// Bytes between pixels of the result, and of the residual, if there is one.
    pub(super) pixel: i64,
    pub(super) residual: Option<i64>,
    pub(super) rounding: Rounding,
}

/// Pixels per iteration.
const TOGETHER: usize = 16;

impl Finish {
    /// Arguments: the sums, the block's factors and biases, the result, and the residual if there
    /// is one.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let args = 3 + usize::from(self.residual.is_some());
        let mut b = Builder::new(name, self.target, args);
        let (sums, constants, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let residual = self.residual.map(|pixel| (b.arg(3), pixel));
        let bias = b.vector();
        b.load(bias, constants.at(BIAS));
        let moved = || [(sums, ROW), (dst, self.pixel)].into_iter().chain(residual);
        let run = |b: &mut Builder, turns: usize, together: usize| {
            b.repeat(Count::Fixed(turns as u32), |b| {
                let places = |(base, bytes): (P, i64)| -> Vec<Mem> {
                    (0..together as i64).map(|i| base.at(i * bytes)).collect()
                };
                let values = b.vectors(together);
                for (&value, place) in values.iter().zip(places((sums, ROW))) {
                    b.load(value, place);
                    b.integer(Integer::Add, value, value, bias);
                }
                let pixels: Vec<_> = values.iter().map(|&value| vec![value]).collect();
                let residuals = residual.map(places).unwrap_or_default();
                let results = places((dst, self.pixel));
                self.rounding.finish(b, &pixels, &[constants.at(0)], &residuals, &results);
                b.release(values);
                moved().for_each(|(p, bytes)| b.advance(p, together as i64 * bytes));
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }
}
