//! Activations of a sketch. Those without an operator in the graph are composed of others.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{Op, Tensor};

use super::ActivationKind;
use super::sketch::{Role, Sketch, Value};

impl Sketch {
    /// The non-linear function that a description selects.
    pub(super) fn activation(&mut self, name: &str, kind: ActivationKind, x: Value) -> Value {
        match kind {
            ActivationKind::Relu => self.relu(name, x),
            ActivationKind::Relu6 => {
                self.op(name, Op::Unary(Unary::Clip { lo: 0.0, hi: 6.0 }), &[x])
            }
            ActivationKind::LeakyRelu => {
                let slope = self.fixed(&format!("{name}.slope"), Tensor::scalar(0.01));
                self.leaky(name, x, slope)
            }
            ActivationKind::Prelu => {
                let slope = self.parameter(format!("{name}.weight"), vec![1], Role::Slope);
                self.leaky(name, x, slope)
            }
            ActivationKind::Silu => {
                let gate = self.sigmoid(&format!("{name}.sigmoid"), x);
                self.binary(name, Binary::Mul, x, gate)
            }
            ActivationKind::HardSwish => {
                let moved = self.with_number(&format!("{name}.add"), Binary::Add, x, 3.0);
                let gate = Op::Unary(Unary::Clip { lo: 0.0, hi: 6.0 });
                let gate = self.op(&format!("{name}.clip"), gate, &[moved]);
                let product = self.binary(&format!("{name}.mul"), Binary::Mul, x, gate);
                self.with_number(name, Binary::Mul, product, 1.0 / 6.0)
            }
            ActivationKind::Gelu => {
                let root = std::f32::consts::FRAC_1_SQRT_2;
                let scaled = self.with_number(&format!("{name}.scale"), Binary::Mul, x, root);
                let bend = self.op(&format!("{name}.erf"), Op::Unary(Unary::Erf), &[scaled]);
                let gate = self.with_number(&format!("{name}.add"), Binary::Add, bend, 1.0);
                let half = self.with_number(&format!("{name}.half"), Binary::Mul, x, 0.5);
                self.binary(name, Binary::Mul, half, gate)
            }
        }
    }

    /// `max(x, 0) + slope * min(x, 0)`.
    fn leaky(&mut self, name: &str, x: Value, slope: Value) -> Value {
        let negative = Op::Unary(Unary::Clip { lo: f32::NEG_INFINITY, hi: 0.0 });
        let negative = self.op(&format!("{name}.min"), negative, &[x]);
        let negative = self.binary(&format!("{name}.mul"), Binary::Mul, negative, slope);
        let positive = self.relu(&format!("{name}.max"), x);
        self.binary(name, Binary::Add, positive, negative)
    }
}
