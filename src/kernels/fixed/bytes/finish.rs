//! From sums to results: heads and rounding.

use crate::codegen::vir::{Builder, Count, Integer, Mem, OverBudget, P, Program, Target};
use crate::kernels::conv::bytes::Rounding;
use crate::kernels::conv::heads::{Head, HeadPlace};

use super::super::sizes::{LANES_BYTES, ROW};

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
    /// Arguments: the sums, the block's head, the result, the residual if there is one, and the
    /// source's scale and zero point if they are measured.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let is_measured = self.rounding.head == Head::Measured;
        let args = 3 + usize::from(self.residual.is_some()) + usize::from(is_measured);
        let mut b = Builder::new(name, self.target, args);
        let (sums, first, dst) = (b.arg(0), b.arg(1), b.arg(2));
        let residual = self.residual.map(|pixel| (b.arg(3), pixel));
        let encoding = if is_measured { b.arg(args - 1) } else { first };
        let (word, vector) = (LANES_BYTES, LANES_BYTES);
        let head = HeadPlace { first: first.at(0), word, vector, encoding, shift: 0 };
        let zero = self.rounding.head.zero(&mut b, head);
        let bias = b.vector();
        Head::start(&mut b, bias, 0, head, zero);
        b.release(zero);
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
                self.rounding.finish(b, &pixels, head, &residuals, &results);
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
