//! Steps of element-wise operators.

use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{NodeId, Op};

use super::builder::Builder;

impl Builder {
    pub(super) fn batch_norm(&mut self) {
        if self.shape().len() < 2 {
            self.image();
        }
        let c = [self.shape()[1]];
        let more = [self.constant(&c), self.constant(&c), self.constant(&c), self.positive(&c)];
        let epsilon = self.dice.pick(&[1e-5, 1e-3, 0.0]);
        self.apply(Op::BatchNorm { epsilon }, &more);
    }

    pub(super) fn unary(&mut self) {
        let (lo, hi) = (self.dice.number(), self.dice.number().abs() + 3.0);
        let op = self.dice.pick(&[
            Unary::Relu,
            Unary::Clip { lo, hi },
            Unary::Sigmoid,
            Unary::Tanh,
            Unary::Abs,
        ]);
        self.apply(Op::Unary(op), &[]);
    }

    fn binary_op(&mut self) -> Binary {
        self.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Div])
    }

    /// An operation with one constant number per channel of an image.
    pub(super) fn per_channel(&mut self) {
        let [_, c, _, _] = self.image();
        let shape = match self.dice.coin() {
            true => vec![c, 1, 1],
            false => vec![1, c, 1, 1],
        };
        let (op, constant) = (self.binary_op(), self.positive(&shape));
        self.apply(Op::Binary(op), &[constant]);
    }

    /// An operation with a constant of some shape that broadcasts, on either side.
    pub(super) fn binary_constant(&mut self) {
        let mut shape = self.shape();
        for extent in &mut shape {
            *extent = if self.dice.coin() { 1 } else { *extent };
        }
        shape.drain(..self.dice.between(0, shape.len()));
        let op = self.binary_op();
        let constant = self.positive(&shape);
        match op != Binary::Div && self.dice.coin() {
            true => self.current = self.add(Op::Binary(op), &[constant, self.current]),
            false => self.apply(Op::Binary(op), &[constant]),
        }
    }

    /// Combines the current value with an earlier value of the same shape.
    pub(super) fn binary_earlier(&mut self) {
        let same = |&&e: &&NodeId| self.shape_of(e) == self.shape();
        let other = self.earlier.iter().find(same).copied().unwrap_or(self.current);
        let op = self.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
        self.apply(Op::Binary(op), &[other]);
    }

    pub(super) fn second_input(&mut self) {
        let other = self.graph.input(format!("x_{}", self.graph.len()), self.shape());
        let op = self.dice.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
        self.apply(Op::Binary(op), &[other]);
    }

    pub(super) fn identity(&mut self) {
        self.apply(Op::Identity, &[]);
    }
}
