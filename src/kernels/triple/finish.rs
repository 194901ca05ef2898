//! What comes behind the sums: bias, shortcut, activation.

use resnetc_ir::op::Activation;

use crate::codegen::vir::{Arith, Builder, Count, OverBudget, Program, Target};
use crate::kernels::conv::micro::activate;

use super::PART;

/// Sums of 16 outputs to a row of the result. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finish {
    /// The machine.
    pub(super) target: Target,
    /// How many pixels.
    pub(super) positions: usize,
    /// Whether a shortcut is added.
    pub(super) residual: bool,
    /// What comes last.
    pub(super) activation: Activation,
}

/// Pixels in a turn.
const TOGETHER: usize = 8;

impl Finish {
    /// Arguments: the sums, the biases, the result, and the shortcut where there is one.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3 + usize::from(self.residual));
        let bias = b.vector();
        b.load(bias, b.arg(1).at(0));
        let run = |b: &mut Builder, count: usize, together: usize| {
            b.repeat(Count::Fixed(count as u32), |b| {
                let values = b.vectors(together);
                let at = |i: usize| i as i32 * PART as i32;
                for (i, &value) in values.iter().enumerate() {
                    b.load(value, b.arg(0).at(at(i)));
                    b.arith(Arith::Add, value, value, bias);
                    if self.residual {
                        let other = b.vector();
                        b.load(other, b.arg(3).at(at(i)));
                        b.arith(Arith::Add, value, value, other);
                        b.release([other]);
                    }
                }
                activate(b, self.activation, &values);
                values.iter().enumerate().for_each(|(i, &v)| b.store(b.arg(2).at(at(i)), v));
                b.release(values);
                let moving = [0, 2].into_iter().chain(self.residual.then_some(3));
                moving.for_each(|arg| b.advance(b.arg(arg), at(together)));
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }
}
