//! What comes behind the sums: the values' power, bias, shortcut, activation.

use resnetc_ir::op::Activation;

use crate::codegen::vir::{Arith, Builder, Count, Mem, OverBudget, Program, Target, V};
use crate::kernels::conv::micro::activate;

use super::{BIAS, POWER, ROW};

/// What becomes of sums. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Epilogue {
    /// Whether a shortcut is added.
    pub(super) residual: bool,
    /// What comes last.
    pub(super) activation: Activation,
}

impl Epilogue {
    /// Makes results of the sums of some rows. `constants` are the values' power and the biases; `shortcut` says where that
    /// of a row is, if there is one.
    pub(super) fn emit(
        &self,
        b: &mut Builder,
        sums: &[V],
        (power, bias): (V, V),
        shortcut: impl Fn(usize) -> Option<Mem>,
    ) {
        for (row, &sum) in sums.iter().enumerate() {
            b.arith(Arith::Mul, sum, sum, power);
            b.arith(Arith::Add, sum, sum, bias);
            if let Some(place) = shortcut(row) {
                let other = b.vector();
                b.load(other, place);
                b.arith(Arith::Add, sum, sum, other);
                b.release([other]);
            }
        }
        activate(b, self.activation, sums);
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
    /// Arguments: the sums, the block's [`CONSTANTS`](super::CONSTANTS), the thread's memory, the result, and the shortcut
    /// where there is one.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let residual = self.epilogue.residual;
        let mut b = Builder::new(name, self.target, 4 + usize::from(residual));
        let [bias, power] = [b.vector(), b.vector()];
        b.load(bias, b.arg(1).at(BIAS as i32));
        b.load(power, b.arg(2).at(POWER as i32));
        let run = |b: &mut Builder, count: usize, together: usize| {
            b.repeat(Count::Fixed(count as u32), |b| {
                let values = b.vectors(together);
                let at = |i: usize| i as i32 * ROW as i32;
                values.iter().enumerate().for_each(|(i, &v)| b.load(v, b.arg(0).at(at(i))));
                let added = residual.then(|| b.arg(4));
                self.epilogue.emit(b, &values, (power, bias), |i| Some(added?.at(at(i))));
                values.iter().enumerate().for_each(|(i, &v)| b.store(b.arg(3).at(at(i)), v));
                b.release(values);
                let moving = [b.arg(0), b.arg(3)].into_iter().chain(added);
                moving.collect::<Vec<_>>().into_iter().for_each(|p| b.advance(p, at(together)));
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }
}
