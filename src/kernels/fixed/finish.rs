//! What comes behind the sums: the values' power, bias, shortcut, activation.

use resnetc_ir::op::Activation;

use crate::codegen::vir::{Arith, Builder, Count, Inst, OverBudget, Program, Target};
use crate::kernels::conv::micro::activate;

use super::{LANES_BYTES, ROW};

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
    /// Arguments: the sums, the biases, the values' range, the result, and the shortcut where there is one.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 4 + usize::from(self.residual));
        let [bias, power] = [b.vector(), b.vector()];
        b.load(bias, b.arg(1).at(0));
        b.load(power, b.arg(2).at(LANES_BYTES as i32));
        let run = |b: &mut Builder, count: usize, together: usize| {
            b.repeat(Count::Fixed(count as u32), |b| {
                let values = b.vectors(together);
                let at = |i: usize| i as i32 * ROW as i32;
                for (i, &value) in values.iter().enumerate() {
                    let sum = b.vector();
                    b.load(sum, b.arg(0).at(at(i)));
                    b.push(Inst::Copy { dst: value, src: bias });
                    b.multiply_add(value, sum, power);
                    b.release([sum]);
                    if self.residual {
                        let other = b.vector();
                        b.load(other, b.arg(4).at(at(i)));
                        b.arith(Arith::Add, value, value, other);
                        b.release([other]);
                    }
                }
                activate(b, self.activation, &values);
                values.iter().enumerate().for_each(|(i, &v)| b.store(b.arg(3).at(at(i)), v));
                b.release(values);
                let moving = [0, 3].into_iter().chain(self.residual.then_some(4));
                moving.for_each(|arg| b.advance(b.arg(arg), at(together)));
            });
        };
        run(&mut b, self.positions / TOGETHER, TOGETHER);
        let rest = self.positions % TOGETHER;
        run(&mut b, rest.min(1), rest);
        b.finish()
    }
}
